#!/usr/bin/env bash
# Python frameworks that read the Cookie header with http.cookies: aiohttp and Bottle; beside them Tornado, Starlette, Falcon, Werkzeug.
#
# A guess: a cookie that a parser doesn't like costs that one cookie. Any script on the host, of a chat or a statistics service, can set
# odd ones, and browsers send them.
# Behaviour: SimpleCookie.load gives up at the first part that isn't to its taste and keeps nothing at all, or only what came before: a
# name with a bracket, a value with a comma in JSON, a bare word, a cookie called "path". The session cookie beside it is lost, and the person looks signed out.
# Tornado, Starlette, Falcon and Werkzeug lose none. An API behind a gateway that passes the browser's cookies on is hit as well.
#
# Seen with Python 3.11.2, aiohttp 3.8.4, Bottle 0.12.23, Tornado 6.2.0, Starlette 0.26.1, Falcon 3.1.1 and Werkzeug 2.2.2, all from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-aiohttp python3-aiosignal python3-async-timeout python3-attr python3-charset-normalizer python3-frozenlist \
  python3-multidict python3-yarl python3-idna python3-bottle python3-tornado python3-starlette python3-anyio python3-sniffio \
  python3-falcon python3-werkzeug python3-markupsafe >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >read.py <<'PY'
import http.cookies, platform
import aiohttp, bottle, falcon, starlette, tornado, werkzeug
from aiohttp.test_utils import make_mocked_request
from falcon.request_helpers import parse_cookie_header
from starlette.requests import cookie_parser
from tornado.httputil import parse_cookie
from werkzeug.http import parse_cookie as werkzeug_cookies

print(platform.python_version(), aiohttp.__version__, bottle.__version__, tornado.version, starlette.__version__, falcon.__version__)
readers = {
    "aiohttp": lambda header: make_mocked_request("GET", "/", headers={"Cookie": header}).cookies,
    "bottle": lambda header: bottle.BaseRequest({"HTTP_COOKIE": header}).cookies,
    "tornado": parse_cookie,
    "starlette": cookie_parser,
    "falcon": parse_cookie_header,
    "werkzeug": werkzeug_cookies,
}
for odd in ("a[b]=1", 'view={"w":1,"h":[2]}', "seen", "path=/x", "theme=dark"):
    header = odd + "; sid=A"
    kept = [name for name, read in readers.items() if "sid" in read(header)]
    print(header, "->", "kept by all" if len(kept) == len(readers) else "lost by " + " ".join(n for n in readers if n not in kept))
print("sid=A; a[b]=1; lang=en ->", ", ".join(sorted(http.cookies.SimpleCookie("sid=A; a[b]=1; lang=en"))) or "nothing")
PY
out=$(PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore read.py)
echo "$out"
want='a[b]=1; sid=A -> lost by aiohttp bottle
view={"w":1,"h":[2]}; sid=A -> lost by aiohttp bottle
seen; sid=A -> lost by aiohttp bottle
path=/x; sid=A -> lost by aiohttp bottle
theme=dark; sid=A -> kept by all'
[ "$(sed -n 2,6p <<<"$out")" = "$want" ]
echo "as stated"
