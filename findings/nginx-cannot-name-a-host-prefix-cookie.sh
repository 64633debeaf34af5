#!/usr/bin/env bash
# nginx, the variable $cookie_NAME for a session cookie called __Host-sid, in a log, a hash over upstreams or a key for limits.
#
# A guess: a dash in a cookie's name is written as an underscore, as in $http_user_agent, so it is $cookie___Host_sid; or else the name
# stands as it is.
# Behaviour: no spelling reads it, and nginx -t passes for two of three. $cookie___Host-sid is the variable $cookie___Host, which is empty, and the text
# "-sid": the same for everyone, so "hash $cookie___Host-sid" sends all to one upstream and a limit counts all together.
# $cookie___Host_sid is always empty, and nginx doesn't count requests with an empty key. With braces the configuration is refused. A map over
# $http_cookie reads the value.
#
# Seen with nginx 1.22.1, from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 "$dir"
apt-get download -q -o APT::Sandbox::User= nginx=1.22.1-9+deb12u11 libpcre2-8-0 libssl3 libcrypt1 zlib1g >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu):$(echo "$dir"/root/lib/*-linux-gnu)
export LD_LIBRARY_PATH
nginx=root/usr/sbin/nginx
"$nginx" -v
cat >head.conf <<CONF
pid $dir/pid;
error_log $dir/log;
events {}
http {
  access_log off;
  client_body_temp_path $dir/t1; proxy_temp_path $dir/t2; fastcgi_temp_path $dir/t3; uwsgi_temp_path $dir/t4; scgi_temp_path $dir/t5;
  map \$http_cookie \$session { default ""; "~(?:^|; )__Host-sid=([^;]*)" \$1; }
CONF
{
  cat head.conf
  cat <<CONF
  limit_req_zone \$cookie___Host-sid zone=dash:1m rate=1r/m;
  limit_req_zone \$cookie___Host_sid zone=underscore:1m rate=1r/m;
  limit_req_zone \$session zone=mapped:1m rate=1r/m;
  server {
    listen unix:$dir/socket;
    default_type text/plain;
    location /values { return 200 "dash [\$cookie___Host-sid], underscore [\$cookie___Host_sid], map [\$session]\n"; }
    location /dash { limit_req zone=dash; limit_req_status 429; root $dir/pages; }
    location /underscore { limit_req zone=underscore; limit_req_status 429; root $dir/pages; }
    location /mapped { limit_req zone=mapped; limit_req_status 429; root $dir/pages; }
  }
}
CONF
} >nginx.conf
mkdir pages
touch pages/dash pages/underscore pages/mapped
"$nginx" -e "$dir/log" -p "$dir" -c "$dir/nginx.conf" -g 'daemon off; master_process off;' &
server=$!
ask() { curl -s --unix-socket "$dir/socket" -H "Cookie: __Host-sid=$1; theme=dark" "${@:2}"; }
for _ in $(seq 100); do ask A -o values http://localhost/values && break; sleep 0.1; done
{
  cat values
  for key in dash underscore mapped; do
    echo "limit by $key: A $(ask A -o answer -w '%{http_code}' "http://localhost/$key"), B $(ask B -o answer -w '%{http_code}' "http://localhost/$key"), B again $(ask B -o answer -w '%{http_code}' "http://localhost/$key")"
  done
  { cat head.conf; echo "server { listen unix:$dir/other; location / { return 200 \"\${cookie___Host-sid}\"; } } }"; } >braces.conf
  "$nginx" -e "$dir/log" -t -q -p "$dir" -c "$dir/braces.conf" 2>&1 | grep -o 'the closing bracket.*missing' || true
} | tee out
want='dash [-sid], underscore [], map [A]
limit by dash: A 200, B 429, B again 429
limit by underscore: A 200, B 200, B again 200
limit by mapped: A 200, B 200, B again 429
the closing bracket in "cookie___Host" variable is missing'
[ "$(cat out)" = "$want" ]
echo "as stated"
