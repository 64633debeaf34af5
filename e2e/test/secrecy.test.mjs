import assert from "node:assert/strict";
import test from "node:test";
import { ask, atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser, ticket } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

test("the ticket stays out of sight", async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);

  // Everything that the browser sees of the server during a whole life: set up, sign in, use, change, end.
  const seen = [];
  const pending = [];
  page.context().on("response", (response) => pending.push(keep(response)));
  async function keep(response) {
    const headers = await response.headersArray();
    const body = await response.body().catch(() => Buffer.alloc(0)); // a redirect has none
    seen.push({ url: response.url(), headers, body: body.toString("latin1") });
  }
  const tickets = new Set();
  const shown = [];
  async function note() {
    tickets.add((await ticket(page)).value);
    shown.push(await page.evaluate(async () => JSON.stringify({
      cookie: document.cookie,
      storage: [{ ...localStorage }, { ...sessionStorage }],
      databases: await indexedDB.databases(),
      caches: await caches.keys(),
      document: document.documentElement.outerHTML,
      address: location.href,
      globals: Object.keys(window),
    })));
  }

  const changed = "two hangers for each coat";
  await page.goto(await server.setupLink());
  await page.getByLabel("Username").fill(admin.username);
  await fillPassword(page, "Password", admin.password);
  await page.getByRole("button", { name: "Create the account" }).click();
  await atAccount(page);
  await note();
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await atSignIn(page);
  await signIn(page, server);
  await note();
  for (const path of ["/api/me", "/api/auth/sessions", "/api/auth/csrf", "/api/auth/setup", "/api/none"]) await ask(page, path);
  await fillPassword(page, "Current password", admin.password);
  await fillPassword(page, "New password", changed);
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByText("Your password is changed").waitFor();
  await note();
  const last = await ticket(page);
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await atSignIn(page);
  await Promise.all(pending);

  await t.test("K04 no body, address or other header carries it", () => {
    assert.equal(tickets.size, 3, "each sign-in and the password change give a ticket of their own");
    assert.ok(seen.length > 20);
    for (const { url, headers, body } of seen) {
      const rest = headers.filter(({ name }) => name.toLowerCase() !== "set-cookie").map(({ value }) => value).join("\n");
      for (const secret of tickets) {
        assert.ok(secret.length >= 43);
        assert.ok(![url, rest, body].join("\n").includes(secret), `${url} carries the ticket`);
      }
    }
  });

  await t.test("K04 no script can find it", () => {
    for (const text of shown) {
      for (const secret of tickets) assert.ok(!text.includes(secret));
      assert.ok(!text.includes("sessionid"), "document.cookie names the session's cookie");
    }
  });

  await t.test("the pages keep nothing in the browser", () => {
    for (const text of shown) {
      const { storage, databases, caches } = JSON.parse(text);
      assert.deepEqual({ storage, databases, caches }, { storage: [{}, {}], databases: [], caches: [] });
    }
  });

  await t.test("K01 K02 its cookie is HttpOnly, SameSite=Lax, for this host alone", () => {
    const { httpOnly, sameSite, path, domain } = last;
    assert.deepEqual({ httpOnly, sameSite, path, domain }, { httpOnly: true, sameSite: "Lax", path: "/", domain: "127.0.0.1" });
  });

  await t.test("K05 an answer that sets it may be kept by nobody", () => {
    const setting = seen.filter(({ headers }) => headers.some(({ name, value }) => /^set-cookie$/i.test(name) && value.startsWith("sessionid=")));
    assert.ok(setting.length >= 5, `${setting.length} answers set the cookie`);
    for (const { url, headers } of setting) {
      const value = (name) => headers.filter((h) => h.name.toLowerCase() === name).map((h) => h.value).join(", ");
      assert.match(value("cache-control"), /no-store/, url);
      assert.match(value("vary"), /Cookie/i, url);
    }
  });

  await t.test("L03 the log has neither tickets nor passwords", () => {
    assert.match(server.log, /authn/);
    for (const secret of [...tickets, admin.password, changed]) assert.ok(!server.log.includes(secret));
  });

  await t.test("the setup link's secret is in no request and no answer", async () => {
    for (const { url, body } of seen) assert.ok(!/auth\/setup#/.test(url + body.slice(0, 100_000)) || url.startsWith(server.url + "/auth/setup#"), url);
  });
});
