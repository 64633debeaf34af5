#!/usr/bin/env bash
# Redis, SET with an end that has passed: for a marker that only the first may set (NX), and for the events of an end.
#
# A guess: SET key value NX EXAT <a time that has passed> is an error, as EX 0 and EX -1 are, or answers nil, because nothing stays. A
# key that ends by its time gives the event "expired", whichever command gave it the time.
# Behaviour: EX 0 is an error, a time that has passed is not: the answer is OK, the key is gone at once, and with NX the next caller gets OK
# as well. A node whose clock runs behind takes each use of a one-time value for the first. GETEX with such a time answers the value and
# deletes the key. EXPIRE key -1 gives the event "del", SET with a passed time gives "set", "expire" and, when Redis gets to it, "expired".
#
# Seen with Redis 7.0.15 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "$server" "$listener" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 "$dir"
apt-get download -q -o APT::Sandbox::User= redis-server=5:7.0.15-1~deb12u10 redis-tools=5:7.0.15-1~deb12u10 libjemalloc2 liblua5.1-0 liblzf1 libhiredis0.14 lua-bitop lua-cjson >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
redis() { root/usr/bin/redis-cli -s "$dir/socket" "$@"; }
root/usr/bin/redis-server --port 0 --unixsocket "$dir/socket" --save "" --notify-keyspace-events KEA >log 2>&1 &
server=$!
listener=
for _ in $(seq 100); do redis ping >/dev/null 2>&1 && break; sleep 0.1; done
redis --version
root/usr/bin/redis-cli -s "$dir/socket" psubscribe '__keyevent@0__:*' >events 2>&1 &
listener=$!
for _ in $(seq 100); do grep -q psubscribe events && break; sleep 0.1; done
{
  echo "EX 0: $(redis set a 1 nx ex 0 | tr -d '\n')"
  for caller in first second third; do echo "NX EXAT in the past, the $caller caller: $(redis set a 1 nx exat 1000)"; done
  echo "stored: $(redis exists a)"
  redis set b value >/dev/null
  echo "GETEX EXAT in the past: $(redis getex b exat 1000), then stored: $(redis exists b)"
  redis set c 1 >/dev/null
  redis expire c -1 >/dev/null
  redis set d 1 exat 1000 >/dev/null
  for _ in $(seq 600); do [ "$(grep -A1 ':expired$' events | grep -c '^d$')" = 1 ] && break; sleep 0.1; done
  sleep 0.2
  for key in c d; do echo "events of $key: $(grep -B1 "^$key\$" events | sed -n 's/^__keyevent@0__://p' | paste -sd' ')"; done
} | tee out
want='EX 0: ERR invalid expire time in '"'set'"' command
NX EXAT in the past, the first caller: OK
NX EXAT in the past, the second caller: OK
NX EXAT in the past, the third caller: OK
stored: 0
GETEX EXAT in the past: value, then stored: 0
events of c: set del
events of d: set expire expired'
[ "$(cat out)" = "$want" ]
echo "as stated"
