#!/usr/bin/env bash
# lighttpd's mod_proxy, HAProxy, nginx and Caddy in front of an event stream, with nothing set for it.
#
# A guess: a proxy hands on what the API has sent as soon as it is there. nginx is the exception, since it buffers, and an API that says
# "X-Accel-Buffering: no", as many do, has seen to that.
# Behaviour: HAProxy and Caddy hand each event on at once, nginx does with that header. lighttpd keeps the whole answer back until the API has ended it,
# the status and the headers too: an EventSource behind it doesn't even open. The header means nothing to it. With
# server.stream-response-body = 1 the events come at once.
#
# Seen with lighttpd 1.4.69, HAProxy 2.6.12, nginx 1.22.1 and Caddy 2.6.2, all from Debian 12; client and API on Node 20.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= lighttpd=1.4.69-1 haproxy=2.6.12-1+deb12u4 nginx=1.22.1-9+deb12u11 caddy libxxhash0 liblua5.4-0 liblua5.3-0 libopentracing-c-wrapper0 \
  libopentracing1 libnettle8 libpcre2-8-0 >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >ask.mjs <<'JS'
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { createServer as plain } from "node:net";
const dir = process.cwd();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let ended;
// Thirty events, one each 100 ms; "/" alone answers at once.
const api = createServer(async (request, response) => {
  if (request.url === "/") return response.end("up");
  ended = false;
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store", ...(request.url === "/asked" && { "X-Accel-Buffering": "no" }) });
  for (let count = 0; count < 30; count++) {
    response.write(`data: ${count}\n\n`);
    await pause(100);
  }
  ended = true;
  response.end();
}).listen(0, "127.0.0.1");
await once(api, "listening");
const { port: behind } = api.address();
const free = async () => {
  const probe = plain().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
};
const lighttpd = (port) => `server.document-root = "${dir}"
server.bind = "127.0.0.1"
server.port = ${port}
server.upload-dirs = ("${dir}")
server.modules = ("mod_proxy")
proxy.server = ("" => (("host" => "127.0.0.1", "port" => ${behind})))
`;
const nginx = (port) => `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/log; events {}
http {
  access_log off; client_body_temp_path ${dir}/t1; proxy_temp_path ${dir}/t2; fastcgi_temp_path ${dir}/t3; uwsgi_temp_path ${dir}/t4; scgi_temp_path ${dir}/t5;
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${behind}; } }
}
`;
const proxies = {
  lighttpd: [lighttpd, (file) => ["lighttpd", "-D", "-f", file, "-m", `${dir}/root/usr/lib/lighttpd`], "/events"],
  "lighttpd, X-Accel-Buffering: no": [lighttpd, (file) => ["lighttpd", "-D", "-f", file, "-m", `${dir}/root/usr/lib/lighttpd`], "/asked"],
  "lighttpd, stream-response-body 1": [(port) => lighttpd(port) + "server.stream-response-body = 1\n", (file) => ["lighttpd", "-D", "-f", file, "-m", `${dir}/root/usr/lib/lighttpd`], "/events"],
  HAProxy: [(port) => `defaults
  mode http
  timeout connect 60s
  timeout client 60s
  timeout server 60s
listen all
  bind 127.0.0.1:${port}
  server api 127.0.0.1:${behind}
`, (file) => ["haproxy", "-db", "-f", file], "/events"],
  nginx: [nginx, (file) => ["nginx", "-e", `${dir}/log`, "-c", file], "/events"],
  "nginx, X-Accel-Buffering: no": [nginx, (file) => ["nginx", "-e", `${dir}/log`, "-c", file], "/asked"],
  Caddy: [(port) => `{
  admin off
}
http://127.0.0.1:${port} {
  reverse_proxy 127.0.0.1:${behind}
}
`, (file) => ["caddy", "run", "--adapter", "caddyfile", "--config", file], "/events"],
};
const path = (program) => `${dir}/root/usr/${program === "caddy" ? "bin" : "sbin"}/${program}`;
for (const [name, [config, command, asked]] of Object.entries(proxies)) {
  const port = await free();
  const file = `${dir}/config`;
  writeFileSync(file, config(port));
  const [program, ...words] = command(file);
  const environment = { ...process.env, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir };
  if (program !== "caddy") environment.LD_LIBRARY_PATH = process.env.LIBRARIES;
  const proxy = spawn(path(program), words, { stdio: ["ignore", "ignore", "ignore"], env: environment });
  const gone = once(proxy, "exit");
  try {
    for (let tries = 0; ; tries++) {
      if (await fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text(), () => "") === "up") break;
      if (tries > 300) throw new Error(`${name} doesn't start`);
      await pause(100);
    }
    const [early, late, opened] = await new Promise((done, fail) => {
      get(`http://127.0.0.1:${port}${asked}`, (answer) => {
        const opened = !ended;
        let early = 0, late = 0;
        answer.on("data", (bytes) => {
          const events = String(bytes).split("\n\n").length - 1;
          if (ended) late += events;
          else early += events;
        });
        answer.on("end", () => done([early, late, opened]));
      }).on("error", fail);
    });
    console.log(`${name}: ${opened ? "opens" : "doesn't open"} before the end, ${early > 0 ? "events" : "none"} before it, ${early + late} in all`);
  } finally {
    proxy.kill();
    await gone;
  }
}
api.closeAllConnections();
api.close();
JS
out=$(LIBRARIES="$(echo "$dir"/root/usr/lib/*-linux-gnu)" timeout 300 node ask.mjs)
echo "$out"
want='lighttpd: doesn'"'"'t open before the end, none before it, 30 in all
lighttpd, X-Accel-Buffering: no: doesn'"'"'t open before the end, none before it, 30 in all
lighttpd, stream-response-body 1: opens before the end, events before it, 30 in all
HAProxy: opens before the end, events before it, 30 in all
nginx: doesn'"'"'t open before the end, none before it, 30 in all
nginx, X-Accel-Buffering: no: opens before the end, events before it, 30 in all
Caddy: opens before the end, events before it, 30 in all'
[ "$out" = "$want" ]
echo "as stated"
