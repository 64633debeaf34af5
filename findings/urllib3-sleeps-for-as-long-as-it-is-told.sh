#!/usr/bin/env bash
# Plain GETs, without a word about retries, and a server in maintenance that answers 503 with Retry-After: in urllib3, requests, httpx, aiohttp, Python's
# own urllib, LWP, Ruby, Go and Node's fetch, axios, got, ky and ofetch.
#
# A guess: Retry-After is for people and for those who have asked for retries. A call returns the 503 at once. If a library does try again by itself, then
# after a short pause of its own, and with an end.
# Behaviour: urllib3 asks four times in all, and between two requests it sleeps for as long as the server says; got and ky do the same
# with three. By that, "Retry-After: 3600" would stop a program that has said nothing about retries for three hours, or two, and its own
# answer times out meanwhile. ofetch asks a second time at once. requests, which is built on urllib3, and the eight others return the 503.
#
# Seen with urllib3 1.26.12, requests 2.28.1, httpx 0.23.3, aiohttp 3.8.4, Python 3.11, LWP 6.68 and Ruby 3.1 from Debian 12; Go 1.26; axios 1.12.2, got 14.6.6,
# ky 1.14.3 and ofetch 1.5.1 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund axios@1.12.2 got@14.6.6 ky@1.14.3 ofetch@1.5.1
apt-get download -q -o APT::Sandbox::User= python3-requests python3-urllib3 python3-six python3-chardet python3-charset-normalizer python3-certifi python3-idna python3-aiohttp python3-httpx \
  python3-httpcore python3-h11 python3-rfc3986 python3-sniffio python3-anyio python3-multidict python3-yarl python3-async-timeout python3-aiosignal python3-frozenlist python3-attr \
  libwww-perl libhttp-message-perl libhttp-date-perl libnet-http-perl liburi-perl libencode-locale-perl libio-html-perl liblwp-mediatypes-perl libtimedate-perl \
  libtry-tiny-perl libclone-perl libhtml-parser-perl libhtml-tagset-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >server.mjs <<'JS'
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
const asked = new Map();
const server = createServer((request, response) => {
  if (request.url === "/asked") {
    for (const [name, times] of asked) {
      const waits = times.slice(1).map((time, i) => (time - times[i] >= 4900 ? "waits as told" : "asks sooner"));
      response.write(`${decodeURIComponent(name.slice(1))}: ${waits.length ? `${times.length} requests, ${[...new Set(waits)].join(", ")}` : "1 request"}\n`);
    }
    return response.end();
  }
  asked.set(request.url, [...(asked.get(request.url) ?? []), Date.now()]);
  response.writeHead(503, { "Retry-After": "5", "Content-Type": "application/json" }).end("{}");
});
server.listen(0, "127.0.0.1", () => {
  writeFileSync("port.new", String(server.address().port));
  renameSync("port.new", "port");
});
JS
cat >ask.mjs <<'JS'
import axios from "axios";
import got from "got";
import ky from "ky";
import { ofetch } from "ofetch";
const url = (name) => `${process.argv[2]}/${name}`;
await fetch(url("fetch"));
await Promise.allSettled([axios.get(url("axios")), got(url("got")), ky(url("ky")), ofetch(url("ofetch"))]);
JS
cat >ask.py <<'PY'
import asyncio, sys, urllib.request, aiohttp, httpx, requests, urllib3
base = sys.argv[1]
session = requests.Session()
session.trust_env = False
session.get(f"{base}/requests")
httpx.Client(trust_env=False).get(f"{base}/httpx")
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{base}/urllib")
except urllib.error.HTTPError:
    pass
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base}/aiohttp"):
            pass
asyncio.run(main())
try:
    urllib3.PoolManager().request("GET", f"{base}/urllib3")
except urllib3.exceptions.MaxRetryError:
    pass
PY
cat >main.go <<'GO'
package main

import (
	"net/http"
	"os"
)

func main() {
	response, err := http.Get(os.Args[1] + "/Go")
	if err != nil {
		panic(err)
	}
	response.Body.Close()
}
GO
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
node server.mjs &
server=$!
for _ in $(seq 300); do [ -e port ] && break; sleep 0.1; done
base=http://127.0.0.1:$(cat port)
node ask.mjs "$base" &
node=$!
PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore ask.py "$base"
PERL5LIB="$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*-linux-gnu/perl5/5.36)" perl -MLWP::UserAgent -e 'LWP::UserAgent->new->get("$ARGV[0]/LWP")' "$base"
ruby -rnet/http -e 'uri = URI("#{ARGV[0]}/Ruby"); Net::HTTP.new(uri.host, uri.port, nil).get(uri.path)' "$base"
go run main.go "$base"
wait "$node"
out=$(node -e 'fetch(process.argv[1]).then((answer) => answer.text()).then((text) => process.stdout.write(text))' "$base/asked" | LC_ALL=C sort)
echo "$out"
want='Go: 1 request
LWP: 1 request
Ruby: 1 request
aiohttp: 1 request
axios: 1 request
fetch: 1 request
got: 3 requests, waits as told
httpx: 1 request
ky: 3 requests, waits as told
ofetch: 2 requests, asks sooner
requests: 1 request
urllib3: 4 requests, waits as told
urllib: 1 request'
[ "$out" = "$want" ]
echo "as stated"
