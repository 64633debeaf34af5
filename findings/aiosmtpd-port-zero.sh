#!/usr/bin/env bash
# aiosmtpd's Controller, told to listen on port 0.
#
# A guess: as with Python's servers and asyncio's, the system chooses a free port, and controller.port says which.
# Behaviour: the server does listen on a free port, but start() then connects to port 0 to see whether it answers, which fails, and the
# controller stops. The exception names the address and no port. The port that was chosen stands in
# controller.server.sockets, which nothing reads. A test has to find a free port by itself, and may lose it to another.
#
# Seen with aiosmtpd 1.4.3 from Debian 12, on Python 3.11.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
for package in python3-aiosmtpd=1.4.3-1.1+deb12u1 python3-public=2.3-4 python3-attr=22.2.0-1; do
  apt-get download -q -o APT::Sandbox::User= "$package" >/dev/null
done
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >zero.py <<'PY'
import socket
from aiosmtpd.controller import Controller
class Handler:
    pass
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    free = s.getsockname()[1]
for port in (free, 0):
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    try:
        controller.start()
        print("a free port: started" if port else "port 0: started on %d" % controller.port)
        controller.stop()
    except Exception as e:
        print("%s: %s" % ("a free port" if port else "port 0", type(e).__name__))
PY
out=$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" timeout 60 /usr/bin/python3 zero.py)
echo "$out"
want='a free port: started
port 0: ConnectionRefusedError'
[ "$out" = "$want" ]
echo "as stated"
