#!/usr/bin/env bash
# EventSource in Chromium and in Node (npm eventsource 2 and 4, undici): a front that redirects a stream to one of its nodes with 302 or 307, and the
# node goes away.
#
# A guess: to connect again is to ask for the EventSource's own URL again, so the front, which knows that the node has gone, names another one. A temporary
# redirect is temporary.
# Behaviour: Chromium asks the node's URL from then on, for ever, whatever the redirect was; source.url still names the front's. undici does too, and
# gives up when the node doesn't answer. eventsource 2 stays with the node after 302, and returns to the front after 307; eventsource 4 returns
# each time. So a stream can't be moved by a redirect: the page has to make a new EventSource when errors go on.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1; eventsource 4.1.1 and 2.0.2 and undici 6.29.1 on Node 20.
# Needs a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1 eventsource@4.1.1 eventsource2@npm:eventsource@2.0.2 undici@6.29.1
cat >listen.mjs <<'JS'
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { EventSource as EventSource4 } from "eventsource";
import EventSource2 from "eventsource2";
import { EventSource as Undici } from "undici";
const serve = async (handler) => {
  const server = createServer((request, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    handler(request, response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => (server.closeAllConnections(), server.close()) };
};
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
// after is whether the front is asked again once the node, which has served one stream, has gone, by the time of the client's fourth error or its last.
async function after(status, open) {
  let asked = 0;
  const node = await serve((request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).end("retry: 20\n\ndata: x\n\n", () => setImmediate(node.close));
  });
  const front = await serve((request, response) => {
    if (request.url === "/") return response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>");
    asked++;
    response.writeHead(status, { Location: `${node.url}/stream` }).end();
  });
  const close = await open(front.url);
  await close();
  front.close();
  return asked > 1 ? "returns to the front" : "asks the node alone";
}
const fourErrors = (EventSource, url) => new Promise((done) => {
  const source = new EventSource(url);
  let errors = 0;
  source.onerror = () => errors++;
  const timer = setInterval(() => {
    if (errors < 4 && source.readyState !== 2) return;
    clearInterval(timer);
    done(source);
  }, 50);
});
const inNode = (EventSource) => async (url) => {
  const source = await fourErrors(EventSource, `${url}/stream`);
  return () => source.close();
};
const clients = {
  Chromium: async (url) => {
    const page = await browser.newPage();
    await page.goto(`${url}/`);
    await page.evaluate(`(${fourErrors})(EventSource, "/stream").then(() => {})`);
    return () => page.close();
  },
  undici: inNode(Undici), "eventsource 2": inNode(EventSource2), "eventsource 4": inNode(EventSource4),
};
for (const [name, open] of Object.entries(clients))
  console.log(`${name}: after 302 it ${await after(302, open)}, after 307 it ${await after(307, open)}`);
await browser.close();
process.exit();
JS
out=$(timeout -k 5 90 node --no-warnings listen.mjs)
echo "$out"
want='Chromium: after 302 it asks the node alone, after 307 it asks the node alone
undici: after 302 it asks the node alone, after 307 it asks the node alone
eventsource 2: after 302 it asks the node alone, after 307 it returns to the front
eventsource 4: after 302 it returns to the front, after 307 it returns to the front'
[ "$out" = "$want" ]
echo "as stated"
