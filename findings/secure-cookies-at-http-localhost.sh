#!/usr/bin/env bash
# Clients with a cookie jar, and a Secure cookie of http://localhost, http://127.0.0.1 and http://app.localhost.
#
# A guess: browsers send Secure cookies to loopback over plain http, so the clients that people test with do as well.
# Behaviour: it differs, and no client says that it keeps a cookie back. curl and tough-cookie 6 send it to localhost and to 127.0.0.1; tough-cookie 4,
# which many tools still bring, superagent (and with it supertest), Python's requests and wget send it to neither. curl keeps it
# back for app.localhost, which browsers trust. So a test of a sign-in with superagent looks signed out at once,
# and the same test with axios and a new jar passes.
#
# Seen with curl 7.88.1, wget 1.21.3 and requests 2.28.1 from Debian 12; superagent 10.2.3, got 14.4.7, tough-cookie 4.1.4 and 6.0.0 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
packages="curl libcurl4 wget python3-requests python3-urllib3 python3-idna python3-chardet python3-certifi python3-six"
apt-get download -q -o APT::Sandbox::User= $packages >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund superagent@10.2.3 got@14.4.7 tough4@npm:tough-cookie@4.1.4 tough6@npm:tough-cookie@6.0.0
cat >ask.mjs <<'JS'
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import got from "got";
import superagent from "superagent";
import tough4 from "tough4";
import { CookieJar } from "tough6";
let cookies;
const server = createServer((request, response) => {
  cookies = request.headers.cookie ?? "";
  response.setHeader("Set-Cookie", ["sid=1; Path=/; Secure; HttpOnly", "plain=1; Path=/"]).end("ok");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const run = (...command) => new Promise((done, fail) => execFile(command[0], command.slice(1), (error) => (error ? fail(error) : done())));
const python = "import requests,sys; s = requests.Session(); s.trust_env = False; s.get(sys.argv[1]); s.get(sys.argv[1])";
for (const host of ["localhost", "127.0.0.1", "app.localhost"]) {
  const url = `http://${host}:${server.address().port}/`;
  const agent = superagent.agent();
  const four = new tough4.CookieJar();
  const six = new CookieJar();
  const clients = {
    curl: () => run("root/usr/bin/curl", "-s", "--noproxy", "*", "-o", "/dev/null", "-c", `jar-${host}`, "-b", `jar-${host}`, url),
    wget: () => run("root/usr/bin/wget", "-q", "--no-proxy", "-O", "/dev/null", "--keep-session-cookies", "--save-cookies", `w-${host}`, "--load-cookies", `w-${host}`, url),
    requests: () => run("/usr/bin/python3", "-c", python, url),
    superagent: () => agent.get(url),
    "tough-cookie 4": () => got(url, { cookieJar: four }),
    "tough-cookie 6": () => got(url, { cookieJar: six }),
  };
  for (const [name, ask] of Object.entries(clients)) {
    // Node and requests ask the system's resolver, which need not know names below localhost.
    if (host === "app.localhost" && name !== "curl") continue;
    await run("touch", `jar-${host}`, `w-${host}`);
    await ask();
    await ask();
    console.log(`${name} to ${host}: ${cookies.includes("sid=1") ? "sends it" : cookies.includes("plain=1") ? "keeps it back" : "no cookies at all"}`);
  }
}
server.closeAllConnections();
server.close();
JS
root/usr/bin/curl --version | head -n 1 | cut -d' ' -f1-2
root/usr/bin/wget --version | head -n 1
PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -c 'import requests; print("requests", requests.__version__)'
out=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) node ask.mjs)
echo "$out"
want='curl to localhost: sends it
wget to localhost: keeps it back
requests to localhost: keeps it back
superagent to localhost: keeps it back
tough-cookie 4 to localhost: keeps it back
tough-cookie 6 to localhost: sends it
curl to 127.0.0.1: sends it
wget to 127.0.0.1: keeps it back
requests to 127.0.0.1: keeps it back
superagent to 127.0.0.1: keeps it back
tough-cookie 4 to 127.0.0.1: keeps it back
tough-cookie 6 to 127.0.0.1: sends it
curl to app.localhost: keeps it back'
[ "$out" = "$want" ]
echo "as stated"
