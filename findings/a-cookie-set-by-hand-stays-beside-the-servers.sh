#!/usr/bin/env bash
# Python's requests and httpx: session.cookies.set("sid", …) by hand, and a server that renews the cookie.
#
# A guess: the jar holds one sid; what the server sets takes the place of what was put there by hand.
# Behaviour: a cookie without a domain is one of the empty domain, which goes to each host, and the server's is another one. From the first
# renewal both are sent, the old value first, and cookies.get("sid") raises an error. A script that starts with a stored session works
# until that is renewed. With domain= set to the host, and path="/", the server's replaces it. For localhost the jar's name is
# "localhost.local": a cookie for "localhost" is never sent.
#
# Seen with requests 2.28.1 and httpx 0.23.3 from Debian 12, on Python 3.11.2.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-requests=2.28.1+dfsg-1 python3-urllib3 python3-idna python3-chardet python3-certifi python3-six python3-httpx=0.23.3-1 \
  python3-httpcore python3-h11 python3-rfc3986 python3-anyio python3-sniffio >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >renew.py <<'PY'
import http.server, threading
import httpx, requests
seen = []
class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def do_GET(self):
        seen.append(self.headers.get("Cookie", "nothing"))
        self.send_response(200)
        if self.path == "/renew": self.send_header("Set-Cookie", "sid=new; Path=/; HttpOnly")
        self.send_header("Content-Length", "0")
        self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
def plain():
    session = requests.Session()
    session.trust_env = False
    return session
for name, make in {"requests": plain, "httpx": lambda: httpx.Client(trust_env=False)}.items():
    for host, domain in (("127.0.0.1", ""), ("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("localhost", "localhost.local")):
        seen.clear()
        with make() as session:
            session.cookies.set("sid", "old", **({"domain": domain, "path": "/"} if domain else {}))
            for path in ("/renew", "/"):
                session.get("http://%s:%d%s" % (host, server.server_port, path))
            try: got = session.cookies.get("sid")
            except Exception as error: got = type(error).__name__
        print("%s, %s, domain=%r: [%s], then [%s], get: %s" % (name, host, domain, *seen, got))
PY
out=$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore renew.py)
echo "$out"
want="requests, 127.0.0.1, domain='': [sid=old], then [sid=old; sid=new], get: CookieConflictError
requests, 127.0.0.1, domain='127.0.0.1': [sid=old], then [sid=new], get: new
requests, localhost, domain='localhost': [nothing], then [sid=new], get: CookieConflictError
requests, localhost, domain='localhost.local': [sid=old], then [sid=new], get: new
httpx, 127.0.0.1, domain='': [sid=old], then [sid=old; sid=new], get: CookieConflict
httpx, 127.0.0.1, domain='127.0.0.1': [sid=old], then [sid=new], get: new
httpx, localhost, domain='localhost': [nothing], then [sid=new], get: CookieConflict
httpx, localhost, domain='localhost.local': [sid=old], then [sid=new], get: new"
[ "$out" = "$want" ]
echo "as stated"
