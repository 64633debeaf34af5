#!/usr/bin/env bash
# curl with -b jar -c jar, as scripts keep a session from one call to the next, and a sign-out that takes three cookies away; beside it wget and HTTPie.
#
# A guess: a cookie that a server ends, by Max-Age=0 or by a date of 1970, is in the jar no more after the call. Clients have done this for thirty years, and it
# doesn't matter how many there are.
# Behaviour: of several cookies that one answer ends, curl 7.88 removes the last one alone. The others come back into the jar, with their old values and ends,
# since the file is read a second time before it is written; that the server ended them is known of the last one only. A sign-out that ends the session's
# cookie first and then another one leaves the session's in the script. A cookie with a new value is kept rightly, a single ending works, and in one call
# with several URLs all are removed. wget and HTTPie's --session remove all three.
#
# Seen with curl 7.88.1, wget 1.21.3 and HTTPie 3.2.1 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= curl libcurl4 wget httpie python3-requests python3-urllib3 python3-certifi python3-chardet python3-idna python3-six \
  python3-charset-normalizer python3-pygments python3-requests-toolbelt python3-multidict python3-rich python3-defusedxml python3-socks >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
export HOME=$dir PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
libraries=$(echo "$dir"/root/usr/lib/*-linux-gnu)
cat >server.py <<'PY'
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ends = {"age": "Max-Age=0", "date": "Expires=Thu, 01 Jan 1970 00:00:00 GMT"}
class Answer(BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def do_GET(self):
        what, _, rest = self.path[1:].partition("/")
        body = b""
        self.send_response(200)
        if what == "enter":
            for name in ("sid", "csrf", "remember"): self.send_header("Set-Cookie", f"{name}=1; Path=/; Max-Age=9999")
        elif what == "renew": self.send_header("Set-Cookie", "sid=2; Path=/; Max-Age=9999")
        elif what == "me": body = (self.headers.get("Cookie") or "nothing").encode()
        else:
            for name in rest.split(","): self.send_header("Set-Cookie", f"{name}=; Path=/; {ends[what]}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
with open("port.new", "w") as port: port.write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
PY
/usr/bin/python3 server.py &
server=$!
for _ in $(seq 600); do [ -e port ] && break; sleep 0.1; done
site=http://127.0.0.1:$(cat port)
curl() { LD_LIBRARY_PATH=$libraries root/usr/bin/curl -s "$@"; }
wget() { root/usr/bin/wget -q -O - --keep-session-cookies --load-cookies jar --save-cookies jar "$1"; }
httpie() { timeout 60 /usr/bin/python3 -W ignore root/usr/bin/http --ignore-stdin -b --session="$dir/session.json" "$1"; }
kept() { tr ';' '\n' | tr -d ' ' | sort | paste -sd' '; }
flow() {
  : >jar
  for path in enter renew "$2"; do
    case $1 in curl) curl -b jar -c jar "$site/$path" ;; *) "$1" "$site/$path" ;; esac
  done >/dev/null
  echo "$1, $2: $(case $1 in curl) curl -b jar "$site/me" ;; *) "$1" "$site/me" ;; esac | kept)"
  rm -f jar session.json
}
out=$(
  for end in age date; do
    flow curl $end/sid
    flow curl $end/sid,csrf
    flow curl $end/sid,csrf,remember
    flow curl $end/remember,csrf,sid
    flow wget $end/sid,csrf,remember
    flow httpie $end/sid,csrf,remember
    echo "curl in one call, $end: $(curl -c jar "$site/enter" "$site/renew" "$site/$end/sid,csrf,remember" "$site/me")"
    rm -f jar
  done
)
echo "$out"
want=$(for end in age date; do echo "curl, $end/sid: csrf=1 remember=1
curl, $end/sid,csrf: remember=1 sid=2
curl, $end/sid,csrf,remember: csrf=1 sid=2
curl, $end/remember,csrf,sid: csrf=1 remember=1
wget, $end/sid,csrf,remember: nothing
httpie, $end/sid,csrf,remember: nothing
curl in one call, $end: nothing"; done)
[ "$out" = "$want" ]
echo "as stated"
