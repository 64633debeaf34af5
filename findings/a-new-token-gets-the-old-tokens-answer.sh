#!/usr/bin/env bash
# Caches of clients: an API that answers GET /me with "Cache-Control: private, max-age=600", asked by one client with the tokens of two accounts, one after
# the other.
#
# A guess: a request with another Authorization header is another request, and isn't answered with what the first one got; at the least a browser,
# which has "private" for that, knows.
# Behaviour: Chromium's fetch, npm make-fetch-happen and Python's CacheControl and requests-cache give Bob the answer that Ada got, without asking the
# server. A cache's key is method and URL (RFC 9111, section 2); Authorization matters to shared caches alone. So after a change of account the
# page shows the former one's data for ten minutes, and the same goes for two cookies. "Vary: Authorization" and "Vary: Cookie" keep them
# apart, except in requests-cache.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1; make-fetch-happen 15.0.6 on Node 20; CacheControl 0.12.12 and requests-cache 0.9.8 from Debian 12.
# Needs a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1 make-fetch-happen@15.0.6
apt-get download -q -o APT::Sandbox::User= python3-cachecontrol python3-requests-cache python3-requests python3-urllib3 python3-certifi python3-chardet \
  python3-idna python3-six python3-msgpack python3-cattr python3-attr python3-url-normalize python3-platformdirs python3-appdirs python3-itsdangerous python3-ujson >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >ask.mjs <<'JS'
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { promisify } from "node:util";
import makeFetchHappen from "make-fetch-happen";
import { chromium } from "playwright-core";
const server = createServer((request, response) => {
  if (request.url === "/") return response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>");
  response.setHeader("Cache-Control", "private, max-age=600");
  if (request.url.startsWith("/vary")) response.setHeader("Vary", "Authorization, Cookie");
  response.end(request.headers.authorization?.split(" ")[1] ?? request.headers.cookie);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${server.address().port}`;
const tell = async (name, ask) => {
  const seen = async (path) => `${await ask(path, "Ada")}, ${await ask(path, "Bob")}`;
  console.log(`${name}: ${await seen("/me/" + encodeURI(name))}; with Vary: ${await seen("/vary/" + encodeURI(name))}`);
};
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage();
await page.goto(url);
await tell("Chromium", (path, who) => page.evaluate(async ([path, who]) => (await fetch(path, { headers: { Authorization: `Bearer ${who}` } })).text(), [path, who]));
const cookies = async (path, who) => {
  await page.context().addCookies([{ name: "sid", value: who, url }]);
  return page.evaluate(async (path) => (await fetch(path)).text(), path);
};
await tell("Chromium, cookies", cookies);
await browser.close();
const cached = makeFetchHappen.defaults({ cachePath: "cache" });
await tell("make-fetch-happen", async (path, who) => (await cached(url + path, { headers: { Authorization: `Bearer ${who}` } })).text());
const { stdout } = await promisify(execFile)("/usr/bin/python3", ["-W", "ignore", "ask.py", url]);
process.stdout.write(stdout);
server.closeAllConnections();
server.close();
JS
cat >ask.py <<'PY'
import sys, requests, requests_cache
from cachecontrol import CacheControl
for name, session in ("CacheControl", CacheControl(requests.Session())), ("requests-cache", requests_cache.CachedSession(backend="memory", cache_control=True)):
    def seen(path):
        return ", ".join(session.get(f"{sys.argv[1]}/{path}/{name}", headers={"Authorization": f"Bearer {who}"}).text for who in ("Ada", "Bob"))
    print(f"{name}: {seen('me')}; with Vary: {seen('vary')}")
PY
out=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages timeout -k 5 90 node ask.mjs)
echo "$out"
want='Chromium: Ada, Ada; with Vary: Ada, Bob
Chromium, cookies: sid=Ada, sid=Ada; with Vary: sid=Ada, sid=Bob
make-fetch-happen: Ada, Ada; with Vary: Ada, Bob
CacheControl: Ada, Ada; with Vary: Ada, Bob
requests-cache: Ada, Ada; with Vary: Ada, Ada'
[ "$out" = "$want" ]
echo "as stated"
