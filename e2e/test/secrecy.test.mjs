import assert from "node:assert/strict";
import test from "node:test";
import { ask, atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser, ticket } from "../lib/browser.mjs";
import { checkSecrecy, collectAnswers, placesInReach, placesOf } from "../lib/secrecy.mjs";
import { admin, startServer } from "../lib/server.mjs";

test("the ticket stays out of sight", async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);

  // Everything that the browser sees of the server from the set-up to the end of a session.
  const { answers: seen, settled } = collectAnswers(page.context());
  const tickets = new Set();
  const shown = [];
  async function note() {
    const secret = (await ticket(page)).value;
    tickets.add(secret);
    await checkSecrecy([secret], page, seen, { inReach: "csrftoken", inHeap: "Keep me signed in" });
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
  await page.getByText("Your password has been changed").waitFor();
  await note();
  const last = await ticket(page);
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await atSignIn(page);
  await settled();

  await t.test("K04 no body, address or other header carries any of them, nor is one in the heap", async () => {
    assert.equal(tickets.size, 3, "each sign-in and the password change give a ticket of their own");
    assert.ok(seen.length > 20);
    await checkSecrecy([...tickets], page, seen, { inReach: "csrftoken", inHeap: "Keep me signed in" });
  });

  await t.test("K04 scripts can't read even the name of its cookie", () => {
    for (const text of shown) assert.ok(!text.includes("sessionid"));
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

  await t.test("K05 an answer that sets it may not be stored", () => {
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

// Each is a way in which a ticket could become visible to scripts.
const leaks = {
  // Far into a long text, and composed there, so that the search doesn't find it in the test's own code.
  "the heap": (letters) => void (window.leak = JSON.parse(`["${"x".repeat(5000)}${letters.join("")}"]`)),
  "document.cookie": (secret) => void (document.cookie = `leak=${secret}; path=/`),
  localStorage: (secret) => localStorage.setItem("leak", secret),
  sessionStorage: (secret) => sessionStorage.setItem(secret, "leak"),
  caches: async (secret) => (await caches.open("leak")).put("/leak", new Response(`{"ticket":"${secret}"}`)),
  indexedDB: (secret) => new Promise((resolve) => {
    const request = indexedDB.open("leak", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("leak").put({ deep: [{ secret }] }, 1);
    request.onsuccess = () => resolve(request.result.close());
  }),
  "the document": (secret) => void document.documentElement.setAttribute("data-leak", secret),
  "the history": (secret) => history.replaceState({ secret }, ""),
  "the window's name": (secret) => void (window.name = secret),
  "a header of": () => fetch("/leak/header").then((response) => response.text()),
  "the body of": () => fetch("/leak/body").then((response) => response.text()),
};

/** Runs in the page. Removes what a leak has left. */
async function clear() {
  document.cookie = "leak=; path=/; max-age=0";
  localStorage.clear();
  sessionStorage.clear();
  await caches.delete("leak");
  await new Promise((resolve, reject) => Object.assign(indexedDB.deleteDatabase("leak"), { onsuccess: resolve, onerror: reject }));
  document.documentElement.removeAttribute("data-leak");
  history.replaceState(null, "");
  window.name = "";
}

test("the search finds a ticket wherever it leaks", async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const secret = "planted" + "0123456789abcdef".repeat(3);
  const page = await openPage(t, browser);
  const { answers, settled } = collectAnswers(page.context());
  await page.route("**/leak/header", (route) => route.fulfill({ headers: { "X-Leak": secret } }));
  await page.route("**/leak/body", (route) => route.fulfill({ body: `{"ticket":"${secret}"}` }));
  await page.goto(`${server.url}/signin`);
  await page.getByLabel("Username").waitFor();
  await settled();
  assert.deepEqual(await placesOf(secret, page, answers), []);

  await t.test("the heap alone", async () => {
    await page.evaluate(leaks["the heap"], [...secret]);
    assert.deepEqual(await placesOf(secret, page, answers), ["the heap"]);
  });
  for (const place of Object.keys(leaks).filter((place) => place !== "the heap")) {
    await t.test(place, async () => {
      await page.evaluate(clear);
      answers.length = 0;
      assert.deepEqual(await placesInReach(secret, page, answers), [], "an earlier leak is left");
      await page.evaluate(leaks[place], secret);
      await settled();
      const found = await placesInReach(secret, page, answers);
      assert.ok(found.some((one) => one.startsWith(place)), `found in ${found.join(", ")}`);
    });
  }
});
