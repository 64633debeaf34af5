#!/usr/bin/env bash
# Python's requests, a call with a header "Authorization: Bearer …" on a computer whose ~/.netrc has an entry for the host.
#
# A guess: what the program says wins over a file of the home folder; .netrc is for calls that bring no sign-in of their own.
# Behaviour: requests throws the program's header away and sends the password of .netrc as Basic, for headers= and for the headers of a Session. It
# does so without being asked for .netrc. httpx reads the file unasked too, and leaves the header alone; aiohttp with trust_env, wget, and curl
# with --netrc do as well. So a call with a good token is answered with 401 on one person's computer alone. An auth= object, or trust_env = False,
# keeps the token.
#
# Seen with requests 2.28.1, httpx 0.23.3, aiohttp 3.8.4, curl 7.88.1 and wget 1.21.3, all from Debian 12, on Python 3.11.2.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-requests=2.28.1+dfsg-1 python3-urllib3 python3-idna python3-chardet python3-certifi python3-six python3-httpx=0.23.3-1 \
  python3-httpcore python3-h11 python3-rfc3986 python3-anyio python3-sniffio python3-aiohttp python3-aiosignal python3-async-timeout python3-attr \
  python3-charset-normalizer python3-frozenlist python3-multidict python3-yarl curl libcurl4 wget >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
mkdir home
printf 'machine 127.0.0.1 login ada password secret\n' >home/.netrc
chmod 600 home/.netrc
cat >calls.py <<'PY'
import asyncio, http.server, os, subprocess, threading
import aiohttp, httpx, requests
seen = []
class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def do_GET(self):
        seen.append(self.headers.get("Authorization", "none").split()[0])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/" % server.server_port
token = {"Authorization": "Bearer T"}
def by_session(**attributes):
    session = requests.Session()
    session.headers.update(token)
    for name, value in attributes.items(): setattr(session, name, value)
    session.get(url)
def by_object():
    def bearer(request):
        request.headers.update(token)
        return request
    requests.get(url, auth=bearer)
async def by_aiohttp():
    async with aiohttp.ClientSession(trust_env=True) as session:
        await session.get(url, headers=token)
def by_program(*command):
    libraries = {"LD_LIBRARY_PATH": os.environ["LIBRARIES"]} if "curl" in command[0] else {}
    subprocess.run([*command, url], check=True, env={**os.environ, **libraries})
calls = {
    "requests, no header": lambda: requests.get(url),
    "requests, headers=": lambda: requests.get(url, headers=token),
    "requests, headers of a Session": by_session,
    "requests, auth=": by_object,
    "requests, trust_env = False": lambda: by_session(trust_env=False),
    "httpx, no header": lambda: httpx.get(url),
    "httpx, headers=": lambda: httpx.get(url, headers=token),
    "aiohttp, headers=": lambda: asyncio.run(by_aiohttp()),
    "curl --netrc": lambda: by_program("root/usr/bin/curl", "-s", "--netrc", "-H", "Authorization: Bearer T"),
    "wget": lambda: by_program("root/usr/bin/wget", "-q", "-O", "/dev/null", "--header", "Authorization: Bearer T"),
}
for how, call in calls.items():
    seen.clear()
    call()
    print("%s: %s" % (how, " ".join(seen)))
PY
out=$(env -u NETRC HOME="$dir/home" no_proxy='*' LIBRARIES="$(echo "$dir"/root/usr/lib/*-linux-gnu)" PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore calls.py)
echo "$out"
want='requests, no header: Basic
requests, headers=: Basic
requests, headers of a Session: Basic
requests, auth=: Bearer
requests, trust_env = False: Bearer
httpx, no header: Basic
httpx, headers=: Bearer
aiohttp, headers=: Bearer
curl --netrc: Bearer
wget: Bearer'
[ "$out" = "$want" ]
echo "as stated"
