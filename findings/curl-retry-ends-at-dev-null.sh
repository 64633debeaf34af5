#!/usr/bin/env bash
# curl with --retry, as scripts wait with it for a server that answers 503 while it starts, and -o /dev/null, since they don't want the body.
#
# A guess: where the body goes has nothing to do with whether the request is tried again.
# Behaviour: with -o /dev/null an answer 503 that has a body is the end: curl 7.88 wants to truncate the file first, which /dev/null refuses, and
# leaves with 23, "Failed to truncate file". -o to a file, no -o, an answer without a body and -f, which keeps the body away, try again. A script
# that waits in this way works for as long as the server is down or answers without a body, and fails at the first proxy with an error page.
#
# Seen with curl 7.88.1 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= curl libcurl4 >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >server.py <<'PY'
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
asked = {}
class Answer(BaseHTTPRequestHandler):
    def log_message(self, *words): pass
    def do_GET(self):
        asked[self.path] = asked.get(self.path, 0) + 1
        body = b"" if self.path.startswith("/empty") else b"starting"
        self.send_response(503 if asked[self.path] == 1 else 200)
        self.send_header("X-Asked", str(asked[self.path]))
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
for _ in $(seq 300); do [ -e port ] && break; sleep 0.1; done
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
# try PATH OPTIONS…: how curl leaves, and how often it has asked.
try() {
  code=0
  LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) root/usr/bin/curl -sS --retry 3 -D headers "${@:2}" "http://127.0.0.1:$(cat port)$1" >stdout 2>stderr || code=$?
  echo "${*:2}, $1: exit code $code, requests: $(sed -n 's/^X-Asked: \([0-9]*\).*/\1/p' headers | tail -n 1)"
}
out=$(
  try /body -o /dev/null
  try /empty -o /dev/null
  try /body-f -f -o /dev/null
  try /body-file -o file
  try /body-stdout --compressed
)
echo "$out"
want='-o /dev/null, /body: exit code 23, requests: 1
-o /dev/null, /empty: exit code 0, requests: 2
-f -o /dev/null, /body-f: exit code 0, requests: 2
-o file, /body-file: exit code 0, requests: 2
--compressed, /body-stdout: exit code 0, requests: 2'
[ "$out" = "$want" ]
echo "as stated"
