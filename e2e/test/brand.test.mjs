// The pages in the look of another product.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { atAccount, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";
import { startSite } from "../lib/site.mjs";
import { authenticator } from "../lib/totp.mjs";

/** Writes the files of a look into a folder, which is removed after the test. */
async function lookFiles(t, files) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "look-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  return (name) => path.join(folder, name);
}

async function inBothThemes(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await checkAccessible(page, `${name}, ${colorScheme}`);
  }
}

const hat = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 32"><style>path { fill: #7a1fa2 }</style><path d="M2 26h60v4H2zM16 24V4h32v20z"/></svg>`;

test("sign-in, second step and reset, in another look and in German", async (t) => {
  const file = await lookFiles(t, { "hat.svg": hat, "hat.css": ":root { --round: 0; --round-large: 0 } .stub { text-transform: uppercase }" });
  const server = await startServer(t, [
    "--name", "Hut & Söhne", "--accent", "#7a1fa2", "--logo", file("hat.svg"), "--style", file("hat.css"), "--link-help", "/help", "--link-privacy", "https://example.com/privacy",
  ]);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { locale: "de-DE" });
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));

  const { link } = JSON.parse(await server.run("user", "reset", admin.username, "--url", server.url, "--json"));
  await page.goto(link);
  await page.getByRole("heading", { name: "Setze ein neues Passwort" }).waitFor();
  assert.equal(await page.title(), "Neues Passwort · Hut & Söhne");
  await inBothThemes(page, "reset");
  await page.getByLabel("Neues Passwort", { exact: true }).fill("zwei Haken für jeden Mantel");
  await page.getByRole("button", { name: "Passwort setzen" }).click();
  await page.getByRole("heading", { name: "Dein Passwort ist gesetzt" }).waitFor();
  await page.getByRole("link", { name: "Zur Anmeldung" }).click();

  const signIn = async () => {
    await page.getByLabel("Benutzername oder E-Mail").fill(admin.username);
    await page.getByLabel("Passwort", { exact: true }).fill("zwei Haken für jeden Mantel");
    await page.getByRole("button", { name: "Anmelden", exact: true }).click();
  };
  await page.getByRole("heading", { name: "Anmelden" }).waitFor();
  await inBothThemes(page, "signin");
  await page.emulateMedia({ colorScheme: "light" });
  const look = await page.evaluate(() => {
    const button = getComputedStyle(document.querySelector(".button-main"));
    const logo = document.querySelector(".logo");
    return { background: button.backgroundColor, radius: button.borderRadius, drawn: logo.naturalWidth > 0, icon: document.querySelector('link[rel="icon"]').href === logo.src };
  });
  assert.deepEqual(look, { background: "rgb(122, 31, 162)", radius: "0px", drawn: true, icon: true });
  assert.equal(await page.getByRole("link", { name: "Hilfe" }).getAttribute("href"), "/help");
  assert.equal(await page.getByRole("link", { name: "Datenschutz" }).getAttribute("href"), "https://example.com/privacy");
  await signIn();
  await page.getByRole("heading", { name: "Dein Konto" }).waitFor();

  await page.getByRole("button", { name: "Authenticator-App einrichten" }).click();
  const app = authenticator(await page.locator(".key code").innerText());
  await page.getByLabel("Code", { exact: true }).fill(await app.code());
  await page.getByRole("button", { name: "Einschalten" }).click();
  await page.getByRole("button", { name: "Ich habe sie aufbewahrt" }).click();
  await inBothThemes(page, "account");
  await page.getByRole("button", { name: "Abmelden", exact: true }).click();
  await page.getByRole("heading", { name: "Anmelden" }).waitFor();
  await signIn();
  await page.getByRole("heading", { name: "Noch ein Schritt" }).waitFor();
  await inBothThemes(page, "second step");
  await page.getByLabel("Code", { exact: true }).fill(await app.code());
  await page.getByRole("button", { name: "Anmelden", exact: true }).click();
  await page.getByRole("heading", { name: "Dein Konto" }).waitFor();
  assert.deepEqual(requests.filter((url) => new URL(url).origin !== server.url && !url.startsWith("data:")), []);
});

/** An app of another origin, which shows who is signed in at the server. */
const app = (server) => `<!doctype html><title>App</title><p id="who"></p>
<a href="${server}/auth/signup">Mitmachen</a> <a href="${server}/signin">Herein</a>
<script>
  fetch("${server}/api/me", { credentials: "include" }).then(async (answer) => {
    document.getElementById("who").textContent = answer.ok ? "Hallo " + (await answer.json()).username : "Gast, " + answer.status;
  });
</script>`;

test("each way in from an app of another origin, in another look and in German, on a phone", async (t) => {
  const pages = {};
  const port = await startSite(t, pages);
  const origin = `http://127.0.0.1:${port}`;
  const file = await lookFiles(t, { "hat.svg": hat, "hat.css": ":root { --round: 0; --round-large: 0 }" });
  const server = await startServer(t, [
    "--signup", "open", "--origin", origin, "--name", "Hut & Söhne", "--accent", "#7a1fa2", "--logo", file("hat.svg"), "--style", file("hat.css"),
  ]);
  pages["/"] = app(server.url);
  await server.makeAdmin();
  const plain = await startServer(t);
  const policyOf = async (url) => (await fetch(`${url}/auth/signup`)).headers.get("content-security-policy");
  assert.equal(await policyOf(server.url), await policyOf(plain.url), "a look changes no policy");

  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { locale: "de-DE", viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(origin);
  await page.getByText("Gast, 401").waitFor();
  await page.getByRole("link", { name: "Mitmachen" }).click();
  await page.getByRole("heading", { name: "Lege ein Konto an" }).waitFor();
  assert.equal(await page.title(), "Neues Konto · Hut & Söhne");
  await inBothThemes(page, "sign-up");
  await page.getByLabel("E-Mail").fill("bob@example.com");
  await page.getByRole("button", { name: "Link schicken" }).click();
  await page.getByRole("heading", { name: "Sieh in deine E-Mails" }).waitFor();
  await inBothThemes(page, "sign-up, sent");

  const message = await server.mail("signup");
  assert.match(message, /Hut & Söhne/);
  await page.goto(/^http\S+$/m.exec(message)[0]);
  await page.getByRole("heading", { name: "Lege dein Konto an" }).waitFor();
  await page.getByLabel("Benutzername").fill("bob");
  await page.getByLabel("Passwort", { exact: true }).fill("kurz");
  await page.getByRole("button", { name: "Konto anlegen" }).click();
  await page.getByText("Dieses Passwort ist zu kurz. Es muss mindestens 15 Zeichen haben.").waitFor();
  await inBothThemes(page, "welcome, refused");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than the phone`);
  await page.getByLabel("Passwort", { exact: true }).fill("zwei Haken für jeden Mantel");
  await page.getByRole("button", { name: "Konto anlegen" }).click();
  await page.getByRole("heading", { name: "Dein Konto", exact: true }).waitFor();
  await page.goto(origin);
  await page.getByText("Hallo bob").waitFor();

  await page.goto(`${server.url}/auth/account`);
  await page.getByRole("button", { name: "Authenticator-App einrichten" }).click();
  const phone = authenticator(await page.locator(".key code").innerText());
  await page.getByLabel("Code", { exact: true }).fill(await phone.code());
  await page.getByRole("button", { name: "Einschalten" }).click();
  await page.getByRole("button", { name: "Ich habe sie aufbewahrt" }).click();
  await page.getByRole("button", { name: "Abmelden", exact: true }).click();
  await page.getByRole("heading", { name: "Anmelden" }).waitFor();

  const { link } = JSON.parse(await server.run("user", "reset", "bob", "--url", server.url, "--json"));
  await page.goto(link);
  await page.getByLabel("Neues Passwort", { exact: true }).fill("drei Haken für jeden Mantel");
  await inBothThemes(page, "reset");
  await page.getByRole("button", { name: "Passwort setzen" }).click();
  await page.getByRole("heading", { name: "Dein Passwort ist gesetzt" }).waitFor();

  await page.goto(origin);
  await page.getByText("Gast, 401").waitFor();
  await page.getByRole("link", { name: "Herein" }).click();
  await page.getByRole("heading", { name: "Anmelden" }).waitFor();
  await inBothThemes(page, "sign-in");
  await page.getByLabel("Benutzername oder E-Mail").fill("bob");
  await page.getByLabel("Passwort", { exact: true }).fill("drei Haken für jeden Mantel");
  await page.getByRole("button", { name: "Anmelden", exact: true }).click();
  await page.getByRole("heading", { name: "Noch ein Schritt" }).waitFor();
  await inBothThemes(page, "second step");
  await page.getByLabel("Code", { exact: true }).fill(await phone.code());
  await page.getByRole("button", { name: "Anmelden", exact: true }).click();
  await page.getByRole("heading", { name: "Dein Konto", exact: true }).waitFor();
  await page.goto(origin);
  await page.getByText("Hallo bob").waitFor();
  assert.deepEqual(requests.filter((url) => ![server.url, origin].includes(new URL(url).origin) && !url.startsWith("data:")), []);
});

// As docs/look.md has it, with a form of its own.
const ownPage = `<!doctype html><title>Come in</title><main><h1>Come in</h1><form><input name="username" aria-label="Name">
<input name="password" type="password" aria-label="Secret"><button>Go</button></form><p id="ways"></p></main>
<script>
  fetch("/api/auth/methods").then((answer) => answer.json()).then((methods) => {
    document.getElementById("ways").textContent = "password: " + methods.password;
  });
  document.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await fetch("/api/auth/login", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(event.target))),
    });
    if (!answer.ok) return (document.getElementById("ways").textContent = (await answer.json()).code);
    const next = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
    location.replace(next.origin === location.origin ? next : "/");
  });
</script>`;

test("a sign-in page of one's own, in front of an upstream", async (t) => {
  const pages = { "/": "<!doctype html><h1>Home</h1>", "/login": ownPage, "/orders": "<!doctype html><h1>Orders</h1>" };
  const port = await startSite(t, pages);
  const server = await startServer(t, ["--upstream", `/=http://127.0.0.1:${port}`, "--sign-in-path", "/login"]);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const comeIn = async (page, password) => {
    await page.getByRole("heading", { name: "Come in" }).waitFor();
    await page.getByText("password: true").waitFor();
    await page.getByLabel("Name").fill(admin.username);
    await page.getByLabel("Secret").fill(password);
    await page.getByRole("button", { name: "Go" }).click();
  };

  const page = await openPage(t, browser);
  await page.goto(`${server.url}/orders?open=1`);
  assert.deepEqual([...new URL(page.url()).searchParams], [["next", "/orders?open=1"]], "it gets next, and nothing else");
  assert.equal(new URL(page.url()).pathname, "/login");
  await comeIn(page, "not the password at all");
  await page.getByText("invalid_credentials").waitFor();
  await page.goto(`${server.url}/orders?open=1`);
  await comeIn(page, admin.password);
  await page.getByRole("heading", { name: "Orders" }).waitFor();
  assert.equal(page.url(), `${server.url}/orders?open=1`);

  // A link that a stranger has written leads to no other site, and Cloakroom's own page stays.
  const elsewhere = await openPage(t, browser);
  await elsewhere.goto(`${server.url}/login?next=${encodeURIComponent("//evil.example/orders")}`);
  await comeIn(elsewhere, admin.password);
  await elsewhere.getByRole("heading", { name: "Home" }).waitFor();
  const guest = await openPage(t, browser);
  await signIn(guest, server);
  await atAccount(guest);
});

test("H09 a hostile logo and style sheet run nothing, load nothing from elsewhere, and see no secret", async (t) => {
  const reached = [];
  const file = await lookFiles(t, {
    "logo.svg": `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="alert(1)" viewBox="0 0 9 9">
      <script>alert(2); fetch("https://evil.example/svg")</script>
      <image href="https://evil.example/image" width="9" height="9"/>
      <foreignObject width="9" height="9"><body xmlns="http://www.w3.org/1999/xhtml"><iframe src="https://evil.example/frame"/><img src="x" onerror="alert(3)"/></body></foreignObject>
      <a href="javascript:alert(4)"><rect width="9" height="9"/></a></svg>`,
    // What the check at the start lets through: an address in another form, and a request for what was typed.
    "own.css": `
      .stub { background: image-set("https://evil.example/set" 1x) }
      .ticket-body { background: u\\72l(https://evil.example/escaped) }
      @font-face { font-family: x; src: ur\\l(https://evil.example/font) } html { font-family: x }
      input[type=password][value^="a"] { background: url(/typed-a) }
      input[value*="a hanger"] { background: url(/typed-b) } code[title], [data-secret], [value^="cloak_"] { background: url(/typed-c) }`,
  });
  const server = await startServer(t, ["--logo", file("logo.svg"), "--style", file("own.css")]);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { tolerant: true });
  page.on("dialog", () => assert.fail("a script ran"));
  await page.context().route("https://evil.example/**", (route) => (reached.push(route.request().url()), route.abort()));
  const requests = [];
  page.context().on("request", (request) => requests.push(request.url()));
  await page.goto(`${server.url}/signin`);
  await page.getByLabel("Username").fill(admin.username);
  await page.getByLabel("Password", { exact: true }).fill(admin.password);
  const logo = await page.locator(".logo").evaluate((image) => image.src);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Your account" }).waitFor();
  await page.goto(logo); // by itself
  await page.waitForLoadState("networkidle");
  assert.deepEqual(reached, [], "a request that the policy has blocked goes nowhere");
  assert.deepEqual(requests.filter((url) => url.includes("/typed-")), []);
});
