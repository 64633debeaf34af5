#!/usr/bin/env bash
# nginx and Caddy, the cookies that an auth server sets in its answer to the question "may this request pass?".
#
# A guess: with auth_request_set and add_header (nginx), or copy_headers Set-Cookie (Caddy), the browser gets the cookies that the auth
# server has renewed.
# Behaviour: of two Set-Cookie lines, nginx's $upstream_http_set_cookie holds the first alone, so a session cookie and a CSRF cookie
# never arrive together. Caddy's copy_headers copies into the request: the app behind it finds a Set-Cookie header among its
# request's headers, and the browser gets none. With a 401 that error_page turns into a redirect, nginx sends the auth
# server's WWW-Authenticate along with the 302.
#
# Seen with nginx 1.22.1 and Caddy 2.6.2, both from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'for f in "$dir"/*.pid; do [ ! -e "$f" ] || kill "$(cat "$f")" 2>/dev/null; done; sleep 0.3; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= nginx caddy >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }
auth=$(port) app=$(port) front=$(port) other=$(port)
cat >servers.mjs <<'JS'
import { createServer } from "node:http";
createServer((request, response) => {
  response.setHeader("Set-Cookie", ["sid=new; Path=/; HttpOnly", "csrf=new; Path=/"]);
  response.setHeader("WWW-Authenticate", 'Basic realm="auth"');
  response.writeHead(request.url === "/deny" ? 401 : 200).end();
}).listen(+process.argv[2], "127.0.0.1");
createServer((request, response) => response.end(`app was sent Set-Cookie: ${request.headers["set-cookie"] ?? "none"}\n`)).listen(
  +process.argv[3],
  "127.0.0.1",
);
JS
node servers.mjs "$auth" "$app" &
echo $! >node.pid
cat >conf <<CONF
daemon on; pid $dir/nginx.pid; error_log $dir/error.log error; user $(id -un);
events {}
http {
  access_log off; client_body_temp_path $dir/body; proxy_temp_path $dir/proxy;
  fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
  server {
    listen 127.0.0.1:$front;
    location = /ask { internal; proxy_pass http://127.0.0.1:$auth/; }
    location = /deny { internal; proxy_pass http://127.0.0.1:$auth/deny; }
    location / { auth_request /ask; auth_request_set \$c \$upstream_http_set_cookie; add_header Set-Cookie \$c; proxy_pass http://127.0.0.1:$app; }
    location /closed { auth_request /deny; error_page 401 = @sign_in; proxy_pass http://127.0.0.1:$app; }
    location @sign_in { return 302 /sign-in; }
  }
}
CONF
cat >Caddyfile <<CADDY
{
	admin off
	auto_https off
}
http://127.0.0.1:$other {
	forward_auth 127.0.0.1:$auth {
		uri /
		copy_headers Set-Cookie
	}
	reverse_proxy 127.0.0.1:$app
}
CADDY
root/usr/sbin/nginx -v 2>&1
echo "caddy $(root/usr/bin/caddy version)"
root/usr/sbin/nginx -p "$dir" -e "$dir/error.log" -c "$dir/conf"
HOME=$dir root/usr/bin/caddy run --config Caddyfile --adapter caddyfile >caddy.log 2>&1 &
echo $! >caddy.pid
for p in "$front" "$other"; do for _ in $(seq 300); do curl -sf -o /dev/null "http://127.0.0.1:$p/" && break || sleep 0.1; done; done
ask() { curl -si "http://127.0.0.1:$1" | tr -d '\r' | grep -iE '^(HTTP|set-cookie|www-auth|app )' | sed 's/^HTTP[^ ]* //' | paste -sd'|'; }
out="nginx: $(ask "$front/")
nginx, refused: $(ask "$front/closed")
caddy: $(ask "$other/")"
echo "$out"
want='nginx: 200 OK|Set-Cookie: sid=new; Path=/; HttpOnly|app was sent Set-Cookie: none
nginx, refused: 302 Moved Temporarily|WWW-Authenticate: Basic realm="auth"
caddy: 200 OK|app was sent Set-Cookie: sid=new; Path=/; HttpOnly,csrf=new; Path=/'
[ "$out" = "$want" ]
echo "as stated"
