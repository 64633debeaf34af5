// The client in a real browser, without a framework.

import assert from "node:assert/strict";
import test from "node:test";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { clientFolder, filesOf } from "../lib/example.mjs";
import { admin, startServer } from "../lib/server.mjs";
import { startSite } from "../lib/site.mjs";

/** A page that shows the signed-in user, with its store in a global variable for the tests. */
const plain = (url) => `<!doctype html><title>plain</title><p id="who"></p><script type="module">
  import { createAuth } from "/client/index.js";
  window.auth = createAuth({ url: "${url}" });
  const show = () => (who.textContent = [auth.getState().status, auth.getState().user?.username].join(" "));
  auth.subscribe(show);
  show();
</script>`;

test("the client", async (t) => {
  const pages = await filesOf(clientFolder, "/client/");
  const port = await startSite(t, pages);
  const site = `http://127.0.0.1:${port}`;
  const server = await startServer(t, ["--origin", site, "--csrf", "strict"]);
  await server.makeAdmin();
  pages["/"] = plain(server.url);
  const browser = await startBrowser(t);
  const who = (page, text) => page.locator("#who").getByText(text).waitFor({ timeout: 120_000 });
  const { username, password } = admin;

  async function open(t, address = site) {
    const page = await openPage(t, browser);
    const said = [];
    page.on("console", (message) => message.text().startsWith("Cloakroom") && said.push(message.text()));
    await page.goto(address);
    return { page, said };
  }
  const signIn = (page) => page.evaluate((credentials) => auth.login(credentials).then(({ user }) => user.username), { username, password });

  await t.test("strict CSRF: it learns the token from the server, once", async (t) => {
    const { page } = await open(t);
    await who(page, "anonymous");
    const asked = [];
    page.on("request", (r) => r.method() !== "OPTIONS" && asked.push(new URL(r.url()).pathname));
    assert.equal(await signIn(page), username);
    assert.deepEqual(asked.filter((path) => /csrf|login/.test(path)), ["/api/auth/login", "/api/auth/csrf", "/api/auth/login"]);
    await page.evaluate(() => auth.logout());
    await who(page, "anonymous");
  });

  await t.test("the eighth tab works like the first, and there is one stream", async (t) => {
    const { page } = await open(t);
    await signIn(page);
    const streams = [];
    page.context().on("request", (r) => r.url().endsWith("/api/auth/events") && streams.push(r.url()));
    for (let i = 0; i < 7; i++) {
      const tab = await page.context().newPage();
      await tab.goto(site);
      await who(tab, `authenticated ${username}`);
    }
    assert.ok(streams.length <= 1, `${streams.length} streams`);
  });

  await t.test("a page whose script is gone leaves no lock behind", async (t) => {
    const { page } = await open(t);
    await signIn(page);
    const tab = await page.context().newPage();
    await tab.goto(site);
    await who(tab, "authenticated");
    const taken = tab.waitForRequest((r) => r.url().endsWith("/api/auth/events"));
    await page.close();
    await taken;
    await tab.evaluate(() => auth.logout());
    await who(tab, "anonymous");
  });

  await t.test("localhost against 127.0.0.1 is explained in the console, once", async (t) => {
    const { page, said } = await open(t, `http://localhost:${port}`);
    await who(page, "unavailable");
    assert.equal(said.length, 1);
    assert.ok(said[0].includes(`Open the page at http://127.0.0.1:${port} instead.`), said[0]);
  });

  await t.test("a page of an unlisted origin is shown the flag that lists it", async (t) => {
    const other = await startSite(t, pages);
    const { page, said } = await open(t, `http://127.0.0.1:${other}`);
    await who(page, "unavailable");
    assert.equal(said.length, 1);
    assert.ok(said[0].endsWith(`start it with --origin http://127.0.0.1:${other}`), said[0]);
  });

  await t.test("a page of a listed origin gets no warning", async (t) => {
    const { page, said } = await open(t);
    await signIn(page);
    await who(page, "authenticated");
    assert.deepEqual(said, []);
  });
});
