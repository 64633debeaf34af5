#!/usr/bin/env bash
# Chromium, <input type="email">, and an address whose domain is ada@straße.example or ada@bücher.example.
#
# A guess: the server gets what the person typed. If a browser writes the domain in ASCII, then as it does for a link: straße.example is
# xn--strae-oqa.example for new URL() and for all that asks the DNS.
# Behaviour: what is typed is rewritten, for a form that is sent and for input.value alike, and by the older rules (IDNA 2003): straße becomes strasse, βόλος gets
# its final ς as σ. These are other domains, which others may own, so a confirmation by mail goes to a stranger. bücher becomes xn--bcher-kva, so an account that
# was made in a page and one that a program made by the typed text differ too. A value that a script sets stays as it is, so a test that sets it so sees nothing;
# type="text" with inputmode="email" keeps the text.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1. Needs a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1
cat >type.mjs <<'JS'
import { createServer } from "node:http";
import { chromium } from "playwright-core";
let posted;
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk)).on("end", () => {
    if (request.method === "POST") posted = new URLSearchParams(body);
    response.setHeader("Content-Type", "text/html").end(`<!doctype html><meta charset=utf-8><link rel=icon href=data:,>
      <form method=post><input type=email name=email><input inputmode=email name=text><button>Send</button></form>`);
  });
});
await new Promise((done) => server.listen(0, "localhost", done));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage();
for (const domain of ["straße.example", "βόλος.example", "bücher.example"]) {
  await page.goto(`http://localhost:${server.address().port}/`);
  await page.locator("[name=email]").pressSequentially(`ada@${domain}`);
  await page.locator("[name=text]").pressSequentially(`ada@${domain}`);
  const value = await page.locator("[name=email]").inputValue();
  const scripted = await page.evaluate((value) => Object.assign(document.createElement("input"), { type: "email", value }).value, `ada@${domain}`);
  const host = await page.evaluate((domain) => new URL(`https://${domain}`).hostname, domain);
  await Promise.all([page.waitForEvent("load"), page.click("button")]);
  console.log(`${domain}: value ${value}, sent ${posted.get("email")}, as text ${posted.get("text")}, by a script ${scripted}, a link's host ${host}`);
}
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout -k 5 90 node type.mjs)
echo "$out"
want='straße.example: value ada@strasse.example, sent ada@strasse.example, as text ada@straße.example, by a script ada@straße.example, a link'\''s host xn--strae-oqa.example
βόλος.example: value ada@xn--nxasmq6b.example, sent ada@xn--nxasmq6b.example, as text ada@βόλος.example, by a script ada@βόλος.example, a link'\''s host xn--nxasmm1c.example
bücher.example: value ada@xn--bcher-kva.example, sent ada@xn--bcher-kva.example, as text ada@bücher.example, by a script ada@bücher.example, a link'\''s host xn--bcher-kva.example'
[ "$out" = "$want" ]
echo "as stated"
