// The pages and the client in Firefox, which sends, stores and restores things by rules of its own. Playwright drives only a Firefox of
// its own; puppeteer drives Debian's by WebDriver BiDi. FIREFOX names another one than /usr/bin/firefox-esr.

import assert from "node:assert/strict";
import test from "node:test";
import puppeteer from "puppeteer-core";
import { clientFolder, filesOf } from "../lib/example.mjs";
import { admin, startServer } from "../lib/server.mjs";
import { startSite } from "../lib/site.mjs";
import { authenticator } from "../lib/totp.mjs";

const limit = { timeout: 120_000 }; // only a hang reaches it

async function startFirefox(t) {
  const executablePath = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
  const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true, ...limit });
  t.after(() => browser.close());
  return browser;
}

async function newPage(context) {
  const page = await context.newPage();
  page.setDefaultNavigationTimeout(limit.timeout);
  return page;
}

/** Opens a page in a profile of its own. The test fails at its end if the page has thrown an error. */
async function open(t, browser, address) {
  const context = await browser.createBrowserContext();
  const page = await newPage(context);
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  t.after(async () => {
    await context.close();
    assert.deepEqual(errors, []);
  });
  await page.goto(address);
  return page;
}

const shows = (page, text) => page.waitForFunction((text) => document.body.innerText.includes(text), limit, text);
const fill = (page, label, text) => page.locator(`::-p-aria([name="${label}"][role="textbox"])`).setTimeout(limit.timeout).fill(text);
const press = (page, name) => page.locator(`::-p-aria([name="${name}"][role="button"])`).setTimeout(limit.timeout).click();
const fillPassword = (page, text) => page.locator("input[type=password]").setTimeout(limit.timeout).fill(text);

async function showPassword(page) {
  await fill(page, "Username or e-mail", admin.username);
  await fillPassword(page, admin.password);
  await press(page, "Sign in");
}

test("the pages in Firefox", async (t) => {
  const server = await startServer(t, [], "localhost");
  const browser = await startFirefox(t);
  const page = await open(t, browser, await server.setupLink());
  const account = `${server.url}/auth/account`;
  const atAccount = (page) => page.waitForFunction((account) => location.href === account && document.body.innerText.includes("Ways in"), limit, account);
  let app;

  await t.test("the first account is made, and is signed in", async () => {
    await fill(page, "Username", admin.username);
    await fillPassword(page, admin.password);
    await press(page, "Create the account");
    await page.waitForFunction(() => !location.pathname.endsWith("/setup"), limit);
    await page.goto(account);
    await atAccount(page);
    await shows(page, "Firefox on Linux");
  });

  await t.test("an authenticator app is set up, and its code is asked for", async () => {
    await press(page, "Set up an authenticator app");
    const key = await page.waitForSelector(".key code", limit);
    app = authenticator(await key.evaluate((code) => code.innerText));
    await fill(page, "Code", await app.code());
    await press(page, "Turn it on");
    await shows(page, "recovery codes");
    const other = await open(t, browser, `${server.url}/signin`);
    await showPassword(other);
    await shows(other, "One more step");
    await fill(other, "Code", await app.code());
    await press(other, "Sign in");
    await other.waitForFunction(() => !location.pathname.endsWith("/signin"), limit);
    await other.goto(account);
    await atAccount(other);
  });

  await t.test("a session that is ended elsewhere leaves its page at once", async () => {
    const other = await open(t, browser, `${server.url}/signin`);
    await showPassword(other);
    await fill(other, "Code", await app.code());
    await press(other, "Sign in");
    await other.waitForFunction(() => !location.pathname.endsWith("/signin"), limit);
    await other.goto(account);
    await atAccount(other);
    await server.run("session", "revoke-all", admin.username);
    await other.waitForFunction(() => location.pathname === "/signin", limit);
    await shows(other, "Sign in again");
  });
});

test("the client in Firefox, from another origin of the same site", async (t) => {
  const pages = await filesOf(clientFolder, "/client/");
  const site = `http://localhost:${await startSite(t, pages)}`;
  const server = await startServer(t, ["--origin", site], "localhost");
  await server.makeAdmin();
  pages["/"] = `<!doctype html><title>app</title><p id="who"></p><script type="module">
    import { createAuth } from "/client/index.js";
    window.auth = createAuth({ url: "${server.url}" });
    auth.subscribe(() => (who.textContent = auth.getState().status));
    who.textContent = auth.getState().status;
  </script>`;
  const browser = await startFirefox(t);
  const page = await open(t, browser, site);
  await shows(page, "anonymous");
  const { username, password } = admin;
  const signIn = () => page.evaluate((credentials) => auth.login(credentials).then(({ user }) => user.username), { username, password });
  assert.equal(await signIn(), username);
  await shows(page, "authenticated");

  const tab = await newPage(page.browserContext());
  await tab.goto(site);
  await shows(tab, "authenticated");
  await tab.evaluate(() => auth.logout());
  await shows(page, "anonymous"); // the other tab hears of it

  assert.equal(await signIn(), username);
  await server.run("session", "revoke-all", username);
  await shows(page, "anonymous"); // and of an end that the server tells
});
