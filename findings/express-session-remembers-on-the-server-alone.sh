#!/usr/bin/env bash
# npm express-session, a person who is signed in and ticks "stay signed in": req.session.cookie.maxAge = a year, and nothing else changes.
#
# A guess: the documentation says to set maxAge for such a box, so the answer has the cookie again with the new end.
# Behaviour: no Set-Cookie. What is compared to see whether the session has changed leaves its cookie out. The store does take the new end, and
# req.session.cookie.maxAge says a year on every later request, but the browser drops its cookie at the old end. It works if the same
# request also changes a value, such as at the sign-in itself, which is how it is tested.
#
# Seen with express-session 1.18.2 and Express 5.1.0 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund express-session@1.18.2 express@5.1.0
cat >ask.mjs <<'JS'
import express from "express";
import session from "express-session";
const hour = 3_600_000;
const app = express();
app.use(session({ secret: "secret", resave: false, saveUninitialized: false, cookie: { maxAge: hour } }));
app.post("/sign-in", (request, response) => { request.session.user = "ada"; response.end(); });
app.post("/stay", (request, response) => { request.session.cookie.maxAge = 8760 * hour; response.end(); });
app.post("/stay-and-say-so", (request, response) => { request.session.cookie.maxAge = 8760 * hour; request.session.stays = true; response.end(); });
app.get("/", (request, response) => { response.end(`${request.session.user} for ${Math.round(request.session.cookie.maxAge / hour)} h`); });
const server = app.listen(0, "127.0.0.1");
await new Promise((done) => server.once("listening", done));
const url = `http://127.0.0.1:${server.address().port}`;
let cookie = "";
for (const path of ["/sign-in", "/stay", "/stay-and-say-so"]) {
  const [set] = (await fetch(url + path, { method: "POST", headers: { cookie } })).headers.getSetCookie();
  const hours = set && Math.round((Date.parse(set.match(/Expires=([^;]*)/)[1]) - Date.now()) / hour);
  cookie = set?.split(";")[0] ?? cookie;
  console.log(`${path}: the browser ${set ? `keeps it ${hours} h` : "gets no cookie"}, the server says ${await (await fetch(url, { headers: { cookie } })).text()}`);
}
server.closeAllConnections();
server.close();
JS
out=$(timeout -k 5 60 node ask.mjs)
echo "$out"
want='/sign-in: the browser keeps it 1 h, the server says ada for 1 h
/stay: the browser gets no cookie, the server says ada for 8760 h
/stay-and-say-so: the browser keeps it 8760 h, the server says ada for 8760 h'
[ "$out" = "$want" ]
echo "as stated"
