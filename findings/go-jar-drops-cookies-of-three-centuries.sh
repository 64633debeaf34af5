#!/usr/bin/env bash
# A cookie with Max-Age=31536000000, a year in milliseconds, as a program writes it that is used to a framework's maxAge; in eight clients.
#
# A guess: it is a thousand years, so it is kept, at the most cut to a limit: Chromium says 400 days.
# Behaviour: Go's cookiejar counts in nanoseconds as a whole number, which runs over after 292 years: the end lies in the past, and the cookie is
# dropped as if it were deleted. Max-Age=9223372036 is kept, 9223372037 isn't, and 99999999999 is again. So a sign-in that works in each browser
# and in curl fails in the Go client alone, without an error. The others keep it.
#
# Seen with Go 1.26; Chromium 156, driven by playwright-core 1.56.1; tough-cookie 6.0.0 on Node 20; Java 17; curl 7.88.1, wget 1.21.3, Python 3.11 and Perl's
# HTTP::Cookies 6.10 of Debian 12. Needs a JDK, curl, wget, and a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap '[ -z "${server:-}" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1 tough-cookie@6.0.0
apt-get download -q -o APT::Sandbox::User= libhttp-cookies-perl libwww-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >server.mjs <<'JS'
import { createServer } from "node:http";
const server = createServer((request, response) => {
  if (request.url === "/see") return response.end(request.headers.cookie ?? "nothing");
  const seconds = request.url.slice(1);
  if (seconds) response.setHeader("Set-Cookie", `sid=1; Path=/; Max-Age=${seconds}`);
  response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>");
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
JS
coproc node server.mjs
server=$COPROC_PID
read -r port <&"${COPROC[0]}"
export URL=http://127.0.0.1:$port YEAR=31536000000
cat >ask.mjs <<'JS'
import { chromium } from "playwright-core";
import { CookieJar } from "tough-cookie";
const { URL: url, YEAR } = process.env;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage();
await page.goto(`${url}/${YEAR}`);
const kept = await page.evaluate(async () => (await fetch("/see")).text());
const [{ expires }] = await page.context().cookies();
console.log(`Chromium: ${kept}, ${Math.round((expires - Date.now() / 1000) / 86_400)} days`);
await browser.close();
const jar = new CookieJar();
for (const cookie of (await fetch(`${url}/${YEAR}`)).headers.getSetCookie()) await jar.setCookie(cookie, url);
console.log(`tough-cookie: ${await jar.getCookieString(url)}`);
JS
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
)

func main() {
	for _, seconds := range []string{os.Getenv("YEAR"), "9223372036", "9223372037", "99999999999"} {
		jar, _ := cookiejar.New(nil)
		client := http.Client{Jar: jar}
		var body []byte
		for _, path := range []string{seconds, "see"} {
			answer, err := client.Get(os.Getenv("URL") + "/" + path)
			if err != nil {
				panic(err)
			}
			body, _ = io.ReadAll(answer.Body)
			answer.Body.Close()
		}
		fmt.Printf("Go, %s: %s\n", seconds, body)
	}
}
GO
cat >Ask.java <<'JAVA'
import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

public class Ask {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newBuilder().cookieHandler(new CookieManager()).build();
        String body = "";
        for (var path : new String[] {System.getenv("YEAR"), "see"})
            body = client.send(HttpRequest.newBuilder(URI.create(System.getenv("URL") + "/" + path)).build(), BodyHandlers.ofString()).body();
        System.out.println("Java: " + (body.contains("sid=") ? "sid=1" : body));
    }
}
JAVA
cat >ask.py <<'PY'
import os, urllib.request
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
opener.open(f"{os.environ['URL']}/{os.environ['YEAR']}")
print("Python:", opener.open(f"{os.environ['URL']}/see").read().decode())
PY
out=$(timeout -k 5 90 node ask.mjs
  java Ask.java
  /usr/bin/python3 ask.py
  PERL5LIB=$dir/root/usr/share/perl5 perl -MLWP::UserAgent -MHTTP::Cookies -e 'my $agent = LWP::UserAgent->new(cookie_jar => HTTP::Cookies->new); $agent->get("$ENV{URL}/$ENV{YEAR}"); print "Perl: ", $agent->get("$ENV{URL}/see")->content, "\n"'
  echo "curl: $(curl -s -c curl.txt -b curl.txt -o page "$URL/$YEAR" --next -s -c curl.txt -b curl.txt "$URL/see")"
  wget -q --save-cookies=wget.txt -O page "$URL/$YEAR"
  echo "wget: $(wget -q --load-cookies=wget.txt -O - "$URL/see")"
  go run main.go)
echo "$out"
want='Chromium: sid=1, 400 days
tough-cookie: sid=1
Java: sid=1
Python: sid=1
Perl: sid=1
curl: sid=1
wget: sid=1
Go, 31536000000: nothing
Go, 9223372036: sid=1
Go, 9223372037: nothing
Go, 99999999999: sid=1'
[ "$out" = "$want" ]
echo "as stated"
