#!/usr/bin/env bash
# npm express-rate-limit with skipSuccessfulRequests, as for a sign-in: limit 5, and eight people behind one address who sign in rightly at the same moment.
#
# A guess: skipSuccessfulRequests means that only failures count, so right passwords are never refused.
# Behaviour: each request counts when it comes and is taken off again when its answer has been sent. While five are being checked the sixth gets 429, though not
# one has failed. Password hashes are slow by design, so an office or a test that signs in several people in parallel meets it. One after the other
# all eight pass.
#
# Seen with express-rate-limit 8.7.5 and Express 5.1.0 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund express-rate-limit@8.7.5 express@5.1.0
cat >ask.mjs <<'JS'
import express from "express";
import { rateLimit } from "express-rate-limit";
const app = express();
const limit = () => rateLimit({ limit: 5, windowMs: 3_600_000, skipSuccessfulRequests: true });
let waiting = [];
app.post("/together", limit(), (request, response) => waiting.push(response));
app.post("/in-turn", limit(), (request, response) => response.end());
const server = app.listen(0, "127.0.0.1");
await new Promise((done) => server.once("listening", done));
const url = `http://127.0.0.1:${server.address().port}`;
let ended = 0;
// The five that are let in are answered when the other three have their answer.
const asks = Array.from({ length: 8 }, async () => {
  const { status } = await fetch(`${url}/together`, { method: "POST" });
  if (++ended === 3) waiting.forEach((response) => response.end());
  return status;
});
console.log(`together: ${(await Promise.all(asks)).sort().join(" ")}`);
const statuses = [];
for (let n = 0; n < 8; n++) statuses.push((await fetch(`${url}/in-turn`, { method: "POST" })).status);
console.log(`in turn: ${statuses.join(" ")}`);
server.closeAllConnections();
server.close();
JS
out=$(timeout -k 5 60 node ask.mjs)
echo "$out"
want='together: 200 200 200 200 200 429 429 429
in turn: 200 200 200 200 200 200 200 200'
[ "$out" = "$want" ]
echo "as stated"
