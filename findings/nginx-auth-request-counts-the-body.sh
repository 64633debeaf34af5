#!/usr/bin/env bash
# nginx, auth_request with proxy_pass_request_body off.
#
# A guess: the location of the sub-request gets no body, so its client_max_body_size doesn't matter.
# Behaviour: the length that the client announces is compared with the client_max_body_size of that location too, 1 MiB unless
# it is set there or above. A larger upload is refused with 500 "auth request unexpected status: 413", although the location of
# the request itself allows it. With client_max_body_size 0 in the location of the sub-request it passes.
#
# Seen with nginx 1.22.1, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap '[ ! -e "$dir/pid" ] || kill "$(cat "$dir/pid")"; sleep 0.2; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= nginx >/dev/null
dpkg-deb -x nginx_*.deb root
port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }
front=$(port) back=$(port)
cat >conf <<CONF
daemon on; pid $dir/pid; error_log $dir/error.log error; user $(id -un);
events {}
http {
  access_log off; client_body_temp_path $dir/body; proxy_temp_path $dir/proxy;
  fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
  server { listen 127.0.0.1:$back; client_max_body_size 0; location / { return 204; } }
  server {
    listen 127.0.0.1:$front;
    location = /ask { internal; proxy_pass http://127.0.0.1:$back; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
    location = /ask0 { internal; client_max_body_size 0; proxy_pass http://127.0.0.1:$back; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
    location /limited { client_max_body_size 10m; auth_request /ask; proxy_pass http://127.0.0.1:$back; }
    location /free { client_max_body_size 10m; auth_request /ask0; proxy_pass http://127.0.0.1:$back; }
  }
}
CONF
"$dir/root/usr/sbin/nginx" -v
"$dir/root/usr/sbin/nginx" -p "$dir" -e "$dir/error.log" -c "$dir/conf"
head -c 2000000 /dev/zero >upload
for path in limited free; do
  for _ in $(seq 50); do curl -s -o /dev/null "http://127.0.0.1:$front/" && break || sleep 0.1; done
  echo "$path: $(curl -s -o /dev/null -w '%{http_code}' --data-binary @upload "http://127.0.0.1:$front/$path")"
done | tee out
grep -o 'auth request unexpected status: 413' error.log | head -n 1
grep -qx 'limited: 500' out
grep -qx 'free: 204' out
grep -q 'auth request unexpected status: 413' error.log
echo "as stated"
