#!/usr/bin/env bash
# A check that asks a server by its address and writes "Host: app.example" itself, as a probe or a test of one node does: whose are the cookies?
#
# A guess: the header is for the server alone. A client's jar goes by the URL's host, so a session that was begun with the header goes on with and
# without it. In Go, whose Request.Host is no header, all the more so.
# Behaviour: for Go's http.Client (since 1.26), curl, requests and LWP the cookies belong to the host of the header: a request to the same URL with another
# name, or without one, is a stranger's. Python's urllib, httpx, aiohttp, tough-cookie below axios and got, superagent and Mojolicious go by the URL, and send the
# session of one name to the other too. So a test that signs in under two names at one address has two sessions in one half and one in the other.
#
# Seen with Go 1.26; axios 1.12.2 with axios-cookiejar-support 6.0.4, got 14.4.7, tough-cookie 5.1.2, superagent 10.2.3 on Node 20; and from Debian 12 curl
# 7.88.1, Python 3.11.2, requests 2.28.1, httpx 0.23.3, aiohttp 3.8.4, LWP 6.68 with HTTP::Cookies 6.10, and Mojolicious 9.31.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund axios@1.12.2 axios-cookiejar-support@6.0.4 got@14.4.7 tough-cookie@5.1.2 superagent@10.2.3
apt-get download -q -o APT::Sandbox::User= curl libcurl4 python3-requests python3-urllib3 python3-chardet python3-charset-normalizer python3-certifi python3-idna \
  python3-httpx python3-httpcore python3-h11 python3-rfc3986 python3-sniffio python3-anyio python3-aiohttp \
  python3-multidict python3-yarl python3-async-timeout python3-aiosignal python3-frozenlist python3-attr \
  libmojolicious-perl libhttp-cookies-perl libwww-perl libhttp-message-perl libhttp-date-perl libnet-http-perl liburi-perl libencode-locale-perl \
  libio-html-perl liblwp-mediatypes-perl libtimedate-perl libtry-tiny-perl libclone-perl libhtml-parser-perl libhtml-tagset-perl \
  libhttp-negotiate-perl libwww-robotrules-perl libfile-listing-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >server.mjs <<'JS'
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
const server = createServer((request, response) => {
  response.setHeader("Content-Type", "text/plain");
  if (request.url === "/auth/login") response.setHeader("Set-Cookie", "sid=1; Path=/");
  response.end(request.headers.cookie === "sid=1" ? "known" : "stranger");
});
server.listen(0, "127.0.0.1", () => {
  writeFileSync("port.new", String(server.address().port));
  renameSync("port.new", "port");
});
JS
cat >ask.mjs <<'JS'
import axios from "axios";
import { wrapper } from "axios-cookiejar-support";
import got from "got";
import superagent from "superagent";
import { CookieJar } from "tough-cookie";
const origin = process.argv[2];
const client = wrapper(axios.create({ jar: new CookieJar() }));
const cookieJar = new CookieJar();
const agent = superagent.agent();
const ways = {
  axios: async (path, headers) => (await client.get(origin + path, { headers })).data,
  got: async (path, headers) => (await got(origin + path, { cookieJar, headers })).body,
  superagent: async (path, headers) => (await agent.get(origin + path).set(headers)).text,
};
for (const [name, ask] of Object.entries(ways)) {
  await ask("/auth/login", { host: "app.example" });
  const answers = [];
  for (const headers of [{ host: "app.example" }, { host: "other.example" }, {}]) answers.push(await ask("/me", headers));
  console.log(`${name}: ${answers.join(", ")}`);
}
JS
cat >ask.py <<'PY'
import asyncio, sys, urllib.request
import aiohttp, httpx, requests
origin = sys.argv[1]
hosts = [{"Host": "app.example"}, {"Host": "other.example"}, {}]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
session = requests.Session()
session.trust_env = False
client = httpx.Client(trust_env=False)
for name, ask in {
    "urllib": lambda path, headers: opener.open(urllib.request.Request(origin + path, headers=headers)).read().decode(),
    "requests": lambda path, headers: session.get(origin + path, headers=headers).text,
    "httpx": lambda path, headers: client.get(origin + path, headers=headers).text,
}.items():
    ask("/auth/login", hosts[0])
    print(f"{name}: {', '.join(ask('/me', headers) for headers in hosts)}")
async def main():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async def ask(path, headers):
            async with session.get(origin + path, headers=headers) as answer:
                return await answer.text()
        await ask("/auth/login", hosts[0])
        print(f"aiohttp: {', '.join([await ask('/me', headers) for headers in hosts])}")
asyncio.run(main())
PY
cat >ask.pl <<'PL'
use strict; use warnings;
use LWP::UserAgent; use Mojo::UserAgent;
my $origin = shift;
my $lwp = LWP::UserAgent->new(cookie_jar => {});
my $mojo = Mojo::UserAgent->new;
for (['LWP', sub { my $path = shift; $lwp->get($origin . $path, @_)->content }],
  ['Mojolicious', sub { my $path = shift; $mojo->get($origin . $path, {@_})->res->body }]) {
  my ($name, $ask) = @$_;
  $ask->('/auth/login', Host => 'app.example');
  print "$name: ", join(', ', map { $ask->('/me', @$_) } ['Host', 'app.example'], ['Host', 'other.example'], []), "\n";
}
PL
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
	jar, err := cookiejar.New(nil)
	must(err)
	client := &http.Client{Jar: jar}
	ask := func(path, host string) string {
		request, err := http.NewRequest("GET", os.Args[1]+path, nil)
		must(err)
		request.Host = host
		answer, err := client.Do(request)
		must(err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		must(err)
		return string(body)
	}
	ask("/auth/login", "app.example")
	fmt.Printf("Go: %s, %s, %s\n", ask("/me", "app.example"), ask("/me", "other.example"), ask("/me", ""))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
GO
node server.mjs &
server=$!
until [ -s port ]; do kill -0 "$server"; sleep 0.1; done
origin="http://127.0.0.1:$(cat port)"
out=$(
  unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
  go run main.go "$origin"
  debs="$dir/root/usr/lib/$(uname -m)-linux-gnu"
  ask() { LD_LIBRARY_PATH="$debs" "$dir/root/usr/bin/curl" -qs -c jar -b jar "$@"; }
  ask -o login -H 'Host: app.example' "$origin/auth/login"
  echo "curl: $(ask -H 'Host: app.example' "$origin/me"), $(ask -H 'Host: other.example' "$origin/me"), $(ask "$origin/me")"
  PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 ask.py "$origin"
  perl -I "$dir/root/usr/share/perl5" -I "$(echo "$debs"/perl5/*)" ask.pl "$origin"
  node ask.mjs "$origin"
)
echo "$out"
want='Go: known, stranger, stranger
curl: known, stranger, stranger
urllib: known, known, known
requests: known, stranger, stranger
httpx: known, known, known
aiohttp: known, known, known
LWP: known, stranger, stranger
Mojolicious: known, known, known
axios: known, known, known
got: known, known, known
superagent: known, known, known'
[ "$out" = "$want" ]
echo "as stated"
