#!/usr/bin/env bash
# Chromium, a page with "Content-Security-Policy: form-action 'self'", as npm helmet sets it unasked, and a form that signs out at the page's own
# server, which answers 303 to the provider's page for the end of a session.
#
# A guess: form-action is about where a form is sent, and this one goes to 'self'. The redirect after it is a GET of the server's choice, as after a link.
# Behaviour: the POST is sent, its cookie is removed, and then the redirect is blocked: the page stays as it was and looks signed in, and the person is
# signed in at the provider still. The console names the form's own URL as the violation, which is 'self', and not the provider's. A redirect by way
# of an own page doesn't help, nor does target=_blank; an answer 200 whose page moves on by a refresh does, as does a link.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1, and the policy of helmet 8.1.0.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1 helmet@8.1.0
cat >leave.mjs <<'JS'
import { createServer } from "node:http";
import helmet from "helmet";
import { chromium } from "playwright-core";
const protect = helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } }, strictTransportSecurity: false });
let arrived = [];
let port;
const server = createServer((request, response) => {
  const path = request.url;
  const provider = `http://provider.example:${port}/end`;
  arrived.push(request.headers.host.startsWith("provider") ? "the provider" : path);
  if (["/out", "/own", "/moves"].includes(path)) response.setHeader("Set-Cookie", "sid=; Path=/; Max-Age=0");
  if (path === "/out" || path === "/then") return response.writeHead(303, { Location: provider }).end();
  if (path === "/own") return response.writeHead(303, { Location: "/then" }).end();
  response.setHeader("Content-Type", "text/html");
  if (path === "/moves") return response.end(`<!doctype html><link rel=icon href=data:,><meta http-equiv=refresh content="0; url=${provider}">`);
  if (path === "/page") response.setHeader("Set-Cookie", "sid=1; Path=/");
  protect(request, response, () => response.end(`<!doctype html><link rel=icon href=data:,>
    <form method=post action=/out><button>form</button></form><form method=post action=/own><button>own</button></form>
    <form method=post action=/out target=_blank><button>new</button></form>
    <form method=post action=/moves><button>moves</button></form><a href=/out>link</a>`));
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
port = server.address().port;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP *.example 127.0.0.1"] });
for (const [what, text] of Object.entries({ "a form": "form", "a form, by an own page": "own", "a form in a new tab": "new", "a form, and a page that moves on": "moves", "a link": "link" })) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://app.example:${port}/page`);
  arrived = [];
  const ends = new Promise((done) => {
    context.on("console", (message) => message.text().includes("form-action") && done(`blocked, "${/'http:\/\/[^/]*(\/\w+)'/.exec(message.text())[1]}"`));
    context.on("response", (response) => response.url().includes("provider") && done("passes"));
  });
  await page.getByText(text, { exact: true }).click();
  const end = await ends;
  console.log(`${what}: ${arrived.join(", ")}; ${end}; ${(await context.cookies()).length ? "the cookie is there" : "the cookie is gone"}`);
  await context.close();
}
await browser.close();
process.exit(0);
JS
out=$(timeout 120 node leave.mjs 2>/dev/null)
echo "$out"
want='a form: /out; blocked, "/out"; the cookie is gone
a form, by an own page: /own, /then; blocked, "/own"; the cookie is gone
a form in a new tab: /out; blocked, "/out"; the cookie is gone
a form, and a page that moves on: /moves, the provider; passes; the cookie is gone
a link: /out, the provider; passes; the cookie is gone'
[ "$out" = "$want" ]
echo "as stated"
