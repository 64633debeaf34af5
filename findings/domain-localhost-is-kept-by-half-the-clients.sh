#!/usr/bin/env bash
# A sign-in at http://localhost whose cookie says Domain=localhost, as a setting for the cookie's domain makes it that is "localhost" in development; in
# eight clients.
#
# A guess: all alike. Either the name is the host's own, so all keep it, or a name without a dot can't be a cookie's domain, so none does.
# Behaviour: Chromium, curl, wget, Go's cookiejar and npm tough-cookie keep it and send it back. Python's http.cookiejar, which requests uses, Perl's
# HTTP::Cookies and Java's CookieManager refuse it in silence; for Python and Perl the host is called localhost.local. So the sign-in works in the browser,
# and a script that does the same is anonymous. Without Domain all eight keep it.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1; tough-cookie 6.0.0 on Node 20; Go 1.26; Java 17; curl 7.88.1, wget 1.21.3, Python 3.11 and
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
  if (request.url === "/plain") response.setHeader("Set-Cookie", "plain=1; Path=/; Max-Age=3600");
  if (request.url === "/domain") response.setHeader("Set-Cookie", "domain=1; Path=/; Max-Age=3600; Domain=localhost");
  response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>");
});
server.listen(0, "localhost", () => console.log(server.address().port));
JS
coproc node server.mjs
server=$COPROC_PID
read -r port <&"${COPROC[0]}"
export URL=http://localhost:$port
cat >ask.mjs <<'JS'
import { chromium } from "playwright-core";
import { CookieJar } from "tough-cookie";
const url = process.env.URL;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage();
for (const path of ["/plain", "/domain"]) await page.goto(url + path);
console.log(`Chromium: ${await page.evaluate(async () => (await fetch("/see")).text())}`);
await browser.close();
const jar = new CookieJar();
for (const path of ["/plain", "/domain"])
  for (const cookie of (await fetch(url + path)).headers.getSetCookie()) await jar.setCookie(cookie, url).catch(() => {});
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
	jar, _ := cookiejar.New(nil)
	client := http.Client{Jar: jar}
	var body []byte
	for _, path := range []string{"/plain", "/domain", "/see"} {
		answer, err := client.Get(os.Getenv("URL") + path)
		if err != nil {
			panic(err)
		}
		body, _ = io.ReadAll(answer.Body)
		answer.Body.Close()
	}
	fmt.Printf("Go: %s\n", body)
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
        for (var path : new String[] {"/plain", "/domain", "/see"})
            body = client.send(HttpRequest.newBuilder(URI.create(System.getenv("URL") + path)).build(), BodyHandlers.ofString()).body();
        System.out.println("Java: " + (body.contains("plain=") ? "plain=1" : "") + (body.contains("domain=") ? "; domain=1" : ""));
    }
}
JAVA
cat >ask.py <<'PY'
import os, urllib.request
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
for path in "/plain", "/domain":
    opener.open(os.environ["URL"] + path)
print("Python:", opener.open(os.environ["URL"] + "/see").read().decode())
PY
out=$(timeout -k 5 90 node ask.mjs
  curl -s -c curl.txt -b curl.txt -o page "$URL/plain" --next -s -c curl.txt -b curl.txt -o page "$URL/domain"
  echo "curl: $(curl -s -b curl.txt "$URL/see")"
  wget -q --save-cookies=wget.txt -O page "$URL/plain" "$URL/domain"
  echo "wget: $(wget -q --load-cookies=wget.txt -O - "$URL/see")"
  go run main.go
  /usr/bin/python3 ask.py
  PERL5LIB=$dir/root/usr/share/perl5 perl -MLWP::UserAgent -MHTTP::Cookies -e 'my $agent = LWP::UserAgent->new(cookie_jar => HTTP::Cookies->new); $agent->get("$ENV{URL}/$_") for "plain", "domain"; print "Perl: ", $agent->get("$ENV{URL}/see")->content, "\n"'
  java Ask.java)
echo "$out"
want='Chromium: plain=1; domain=1
tough-cookie: plain=1; domain=1
curl: plain=1; domain=1
wget: plain=1; domain=1
Go: plain=1; domain=1
Python: plain=1
Perl: plain=1
Java: plain=1'
[ "$(echo "$out" | sed 's/domain=1; plain=1/plain=1; domain=1/')" = "$want" ]
echo "as stated"
