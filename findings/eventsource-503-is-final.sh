#!/usr/bin/env bash
# EventSource in Node: npm eventsource 2 and 4, and undici's; a stream that is answered once with 503.
#
# A guess: an event stream connects again by itself, so a proxy that answers 502 or 503 for a moment, while a server restarts, costs
# a few seconds.
# Behaviour: eventsource 4 and undici do what the HTML standard says: a stream that ends is asked for again, an answer other than 200
# ends it for good, readyState 2, and one request is all. Version 2 of eventsource tries again after 500, 502, 503 and 504, and not
# after 401 and 429. A client that must live through a deployment needs a loop of its own around EventSource, and a program that
# moves from version 2 to 4 loses the one it had.
#
# Seen with eventsource 2.0.2 and 4.1.0, and undici 7.16.0, on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund eventsource2@npm:eventsource@2.0.2 eventsource4@npm:eventsource@4.1.0 undici@7.16.0
cat >ask.mjs <<'JS'
import { createServer } from "node:http";
import Two from "eventsource2";
import { EventSource as Four } from "eventsource4";
import { EventSource as Undici } from "undici";
for (const [name, Source] of [["eventsource 2", Two], ["eventsource 4", Four], ["undici", Undici]]) {
  for (const status of [200, 401, 502, 503]) {
    let requests = 0;
    let second;
    const again = new Promise((done) => (second = done));
    const server = createServer((request, response) => {
      if (++requests === 2) second("asked again");
      response.writeHead(status, status === 200 ? { "content-type": "text/event-stream" } : {});
      response.end(status === 200 ? "retry: 50\n\n" : "");
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    const source = new Source(`http://127.0.0.1:${server.address().port}/`);
    source.onerror = () => {};
    // An answer that isn't tried again is waited for; ten times the delay after which version 2 asks again is enough to tell.
    const given = new Promise((done) => setTimeout(() => source.readyState === 2 && done("given up"), 10_000));
    console.log(`${name}, ${status}: ${await Promise.race([again, given])}`);
    source.close();
    server.closeAllConnections();
    server.close();
  }
}
process.exit(0);
JS
out=$(timeout 120 node ask.mjs 2>/dev/null)
echo "$out"
want='eventsource 2, 200: asked again
eventsource 2, 401: given up
eventsource 2, 502: asked again
eventsource 2, 503: asked again
eventsource 4, 200: asked again
eventsource 4, 401: given up
eventsource 4, 502: given up
eventsource 4, 503: given up
undici, 200: asked again
undici, 401: given up
undici, 502: given up
undici, 503: given up'
[ "$out" = "$want" ]
echo "as stated"
