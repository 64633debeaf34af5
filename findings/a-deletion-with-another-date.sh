#!/usr/bin/env bash
# A cookie that a server ends by Expires alone, in the spellings of the year 1970 that frameworks, proxies and people write, in eight clients.
#
# A guess: RFC 6265, section 5.1.1, reads dates so generously that all of these end the cookie: a day of one digit, a year of two, dashes, UTC for GMT.
# Behaviour: the RFC's own form and dashes with a year of four digits do so in all of them. "01-Jan-70", which many still write, is 2070 for curl,
# requests, LWP and Mojolicious, so the cookie isn't ended but lasts for decades, empty. Go's jar doesn't know a day of one digit, a year of two or
# the form of C's asctime (requests and Mojolicious don't know the last), and keeps the cookie, empty. aiohttp passes over the whole line with UTC, +0000
# and asctime, and keeps the old value, so the person stays signed in as far as the client knows. tough-cookie and Java's CookieManager end all of
# them. Max-Age=0 beside the date spares all this.
#
# Seen with curl 7.88.1, requests 2.28.1, aiohttp 3.8.4, LWP's HTTP::Cookies 6.10 and Mojolicious 9.31 from Debian 12, with its
# Python 3.11; tough-cookie 6.1.0 on Node 20; Go 1.26; OpenJDK 17.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund tough-cookie@6.1.0
apt-get download -q -o APT::Sandbox::User= curl libcurl4 python3-requests python3-urllib3 python3-certifi python3-chardet python3-idna python3-six python3-aiohttp \
  python3-multidict python3-yarl python3-async-timeout python3-attr python3-frozenlist python3-aiosignal python3-charset-normalizer libmojolicious-perl \
  libwww-perl libhttp-message-perl libhttp-date-perl libnet-http-perl liburi-perl libencode-locale-perl libio-html-perl liblwp-mediatypes-perl \
  libtimedate-perl libtry-tiny-perl libclone-perl libhtml-parser-perl libhtml-tagset-perl libhttp-negotiate-perl libwww-robotrules-perl \
  libfile-listing-perl libhttp-cookies-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
export PERL5LIB="$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*-linux-gnu/perl5/5.36)" PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
libraries=$(echo "$dir"/root/usr/lib/*-linux-gnu)
cat >server.py <<'PY'
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ends = {
    "rfc": "Thu, 01 Jan 1970 00:00:01 GMT",
    "dashes": "Thu, 01-Jan-1970 00:00:01 GMT",
    "day": "Thu, 1 Jan 1970 00:00:01 GMT",
    "year": "Thu, 01-Jan-70 00:00:01 GMT",
    "utc": "Thu, 01 Jan 1970 00:00:01 UTC",
    "plus": "Thu, 01 Jan 1970 00:00:01 +0000",
    "asctime": "Thu Jan  1 00:00:01 1970",
}
class Answer(BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def do_GET(self):
        body = (self.headers.get("Cookie") or "").encode() if self.path == "/me" else b""
        self.send_response(200)
        for name, end in ends.items():
            if self.path == "/enter": self.send_header("Set-Cookie", f"{name}=1; Path=/")
            if self.path == "/leave": self.send_header("Set-Cookie", f"{name}=; Path=/; Expires={end}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
with open("port.new", "w") as port: port.write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
PY
cat >ask.mjs <<'JS'
import { CookieJar } from "tough-cookie";
const jar = new CookieJar(), site = process.argv[2];
for (const path of ["/enter", "/leave"]) for (const line of (await fetch(site + path)).headers.getSetCookie()) await jar.setCookie(line, site);
console.log(`tough-cookie: ${await jar.getCookieString(site)}`);
JS
cat >ask.py <<'PY'
import asyncio, sys
import aiohttp, requests
site = sys.argv[1]
session = requests.Session()
for path in "/enter", "/leave": session.get(site + path)
print("requests:", session.get(site + "/me").text)
async def ask():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        for path in "/enter", "/leave": await session.get(site + path)
        print("aiohttp:", await (await session.get(site + "/me")).text())
asyncio.run(ask())
PY
cat >ask.go <<'GO'
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
	fmt.Print("Go: ")
	for _, path := range []string{"/enter", "/leave", "/me"} {
		answer, err := client.Get(os.Args[1] + path)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(answer.Body)
		fmt.Print(string(body))
	}
	fmt.Println()
}
GO
cat >Ask.java <<'JAVA'
import java.net.*;
import java.net.http.*;
public class Ask {
  public static void main(String[] words) throws Exception {
    var client = HttpClient.newBuilder().cookieHandler(new CookieManager()).build();
    System.out.print("Java: ");
    for (var path : new String[] {"/enter", "/leave", "/me"})
      System.out.print(client.send(HttpRequest.newBuilder(URI.create(words[0] + path)).build(), HttpResponse.BodyHandlers.ofString()).body());
    System.out.println();
  }
}
JAVA
/usr/bin/python3 server.py &
server=$!
for _ in $(seq 600); do [ -e port ] && break; sleep 0.1; done
site=http://127.0.0.1:$(cat port)
out=$(
  {
    echo "curl: $(LD_LIBRARY_PATH=$libraries root/usr/bin/curl -s -c jar "$site/enter" "$site/leave" "$site/me")"
    node ask.mjs "$site"
    timeout 120 /usr/bin/python3 -W ignore ask.py "$site"
    perl -MLWP::UserAgent -e '$client = LWP::UserAgent->new(cookie_jar => {}); $client->get("$ARGV[0]/$_") for qw(enter leave); print "LWP: ", $client->get("$ARGV[0]/me")->content, "\n"' "$site"
    perl -MMojo::UserAgent -e '$client = Mojo::UserAgent->new; $client->get("$ARGV[0]/$_") for qw(enter leave); print "Mojolicious: ", $client->get("$ARGV[0]/me")->result->body, "\n"' "$site"
    go run ask.go "$site"
    timeout 120 java Ask.java "$site"
  } | while IFS=: read -r name cookies; do echo "$name:$(tr ';' '\n' <<<"$cookies" | tr -d ' ' | sort | sed '/^$/d; s/^/ /' | tr -d '\n')"; done
)
echo "$out"
want='curl: year=
tough-cookie:
requests: asctime= year=
aiohttp: asctime=1 plus=1 utc=1
LWP: year=
Mojolicious: asctime= year=
Go: asctime= day= year=
Java:'
[ "$out" = "$want" ]
echo "as stated"
