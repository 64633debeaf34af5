#!/usr/bin/env bash
# A cookie with Max-Age and Expires that say different things, as a server writes both whose clock is off, in either order and in eleven clients.
#
# A guess: Max-Age has precedence wherever it stands (RFC 6265, section 5.3). That is what it is for: it is right even if a clock isn't.
# Behaviour: that is so in Chromium, curl, tough-cookie, Go, requests, aiohttp, http-cookie and Mojolicious. In LWP Expires has precedence wherever it
# stands; in Java what comes first; in wget a cookie is over when either of the two says so. A server that sends both, and whose clock is
# an hour slow, signs such clients in for no time at all. One that sends Max-Age alone is understood by all eleven.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1; tough-cookie 6.0.0 on Node 20; Go 1.26; Java 17; and from Debian 12 curl 7.88.1, wget 1.21.3,
# requests 2.28.1, aiohttp 3.8.4, Ruby's http-cookie 1.0.5, LWP with HTTP::Cookies 6.10, and Mojolicious 9.31.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund tough-cookie@6.0.0 playwright-core@1.56.1
apt-get download -q -o APT::Sandbox::User= curl libcurl4 wget python3-requests python3-urllib3 python3-chardet python3-charset-normalizer python3-certifi python3-idna python3-aiohttp \
  python3-multidict python3-yarl python3-async-timeout python3-aiosignal python3-frozenlist python3-attr ruby-http-cookie ruby-domain-name ruby-unf ruby-unf-ext \
  libmojolicious-perl libhttp-cookies-perl libwww-perl libhttp-message-perl libhttp-date-perl libnet-http-perl liburi-perl libencode-locale-perl \
  libio-html-perl liblwp-mediatypes-perl libtimedate-perl libtry-tiny-perl libclone-perl libhtml-parser-perl libhtml-tagset-perl \
  libhttp-negotiate-perl libwww-robotrules-perl libfile-listing-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
if ! javac -version 2>&1 | grep -q '^javac 17\.'; then
  mkdir jdk
  (cd jdk && apt-get download -q -o APT::Sandbox::User= openjdk-17-jdk-headless openjdk-17-jre-headless >/dev/null && for package in *.deb; do dpkg-deb -x "$package" ../root; done)
  PATH="$dir/root/usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture)/bin:$PATH"
fi
cat >server.mjs <<'JS'
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
const past = "Expires=Thu, 01 Jan 2015 00:00:00 GMT";
const future = `Expires=${new Date(Date.now() + 86_400_000).toUTCString()}`;
const cookies = [`new1=1; Path=/; Max-Age=3600; ${past}`, `new2=1; Path=/; ${past}; Max-Age=3600`,
  `gone1=1; Path=/; Max-Age=0; ${future}`, `gone2=1; Path=/; ${future}; Max-Age=0`];
const server = createServer((request, response) => {
  response.setHeader("Content-Type", "text/plain");
  if (request.url === "/auth/login") response.setHeader("Set-Cookie", cookies);
  response.end((request.headers.cookie ?? "").split("; ").map((pair) => pair.split("=")[0]).sort().join(" ") || "nothing");
});
server.listen(0, "127.0.0.1", () => {
  writeFileSync("port.new", String(server.address().port));
  renameSync("port.new", "port");
});
JS
cat >ask.py <<'PY'
import asyncio, sys, aiohttp, requests
enter, ask = sys.argv[1:]
session = requests.Session()
session.trust_env = False
session.get(enter)
print("requests:", session.get(ask).text)
async def main():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(enter):
            pass
        async with session.get(ask) as answer:
            print("aiohttp:", await answer.text())
asyncio.run(main())
PY
cat >ask.rb <<'RB'
require "http-cookie"
require "net/http"
enter, ask = ARGV.map { |url| URI(url) }
jar = HTTP::CookieJar.new
Net::HTTP.new(enter.host, enter.port, nil).get(enter.path).get_fields("Set-Cookie").each { |line| jar.parse(line, enter) }
puts "http-cookie: #{Net::HTTP.new(ask.host, ask.port, nil).get(ask.path, "Cookie" => HTTP::Cookie.cookie_value(jar.cookies(ask))).body}"
RB
cat >ask.pl <<'PL'
use HTTP::Cookies; use LWP::UserAgent; use Mojo::UserAgent;
my ($enter, $ask) = @ARGV;
my $lwp = LWP::UserAgent->new(cookie_jar => HTTP::Cookies->new);
$lwp->get($enter);
print "LWP: ", $lwp->get($ask)->content, "\n";
my $mojo = Mojo::UserAgent->new;
$mojo->get($enter);
print "Mojolicious: ", $mojo->get($ask)->res->body, "\n";
PL
cat >Ask.java <<'JAVA'
import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Ask {
    public static void main(String[] urls) throws Exception {
        HttpClient client = HttpClient.newBuilder().cookieHandler(new CookieManager()).build();
        String answer = "";
        for (String url : urls) answer = client.send(HttpRequest.newBuilder(URI.create(url)).build(), HttpResponse.BodyHandlers.ofString()).body();
        System.out.println("Java: " + answer);
    }
}
JAVA
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
	client := http.Client{Jar: jar, Transport: &http.Transport{}}
	var answer []byte
	for _, url := range os.Args[1:] {
		response, err := client.Get(url)
		if err != nil {
			panic(err)
		}
		answer, _ = io.ReadAll(response.Body)
		response.Body.Close()
	}
	fmt.Printf("Go: %s\n", answer)
}
GO
cat >ask.mjs <<'JS'
import { chromium } from "playwright-core";
import { CookieJar } from "tough-cookie";
const [enter, ask] = process.argv.slice(2);
const jar = new CookieJar();
for (const line of (await fetch(enter)).headers.getSetCookie()) await jar.setCookie(line, enter);
console.log("tough-cookie:", await (await fetch(ask, { headers: { cookie: await jar.getCookieString(ask) } })).text());
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage();
await page.goto(enter);
await page.goto(ask);
console.log("Chromium:", await page.innerText("body"));
await browser.close();
JS
go build -o ask main.go
node server.mjs &
server=$!
for _ in $(seq 300); do [ -e port ] && break; sleep 0.1; done
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
enter=http://127.0.0.1:$(cat port)/auth/login
ask=http://127.0.0.1:$(cat port)/auth/me
export PERL5LIB="$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*-linux-gnu/perl5/5.36)"
libraries=$(echo "$dir"/root/usr/lib/*-linux-gnu)
LD_LIBRARY_PATH=$libraries root/usr/bin/curl -s -c curl "$enter" >/dev/null
root/usr/bin/wget -q -O /dev/null --keep-session-cookies --save-cookies wget "$enter"
out=$(
  node ask.mjs "$enter" "$ask" 2>/dev/null
  echo "curl: $(LD_LIBRARY_PATH=$libraries root/usr/bin/curl -s -b curl "$ask")"
  echo "wget: $(root/usr/bin/wget -q -O - --load-cookies wget "$ask")"
  ./ask "$enter" "$ask"
  java Ask.java "$enter" "$ask"
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore ask.py "$enter" "$ask"
  ruby -I "$dir/root/usr/lib/ruby/vendor_ruby" -I "$(dirname "$(find "$dir/root" -name unf_ext.so | head -n 1)")" ask.rb "$enter" "$ask"
  perl ask.pl "$enter" "$ask"
)
echo "$out"
want='tough-cookie: new1 new2
Chromium: new1 new2
curl: new1 new2
wget: nothing
Go: new1 new2
Java: gone2 new1
requests: new1 new2
aiohttp: new1 new2
http-cookie: new1 new2
LWP: gone1 gone2
Mojolicious: new1 new2'
[ "$out" = "$want" ]
echo "as stated"
