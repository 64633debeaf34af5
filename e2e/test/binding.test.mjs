// Sessions that are bound to their browser, in a real Chromium with software keys, over TLS.

import assert from "node:assert/strict";
import test from "node:test";
import { ask, openPage, startBrowser } from "../lib/browser.mjs";
import { startPostgres } from "../lib/postgres.mjs";
import { admin, startServer } from "../lib/server.mjs";
import { startSite } from "../lib/site.mjs";
import { makeCertificate, startProxy } from "../lib/tls.mjs";

const newPassword = "another hanger for each coat";
const refresh = "POST /api/auth/device/refresh";

/** Browser flags: both features are off by default on Linux. Without `quota`, Chromium signs as often as it must. */
function flags(certificate, quota) {
  return [
    `--enable-features=DeviceBoundSessions${quota ? "" : ":RefreshQuota/false"},EnableBoundSessionCredentialsSoftwareKeysForManualTesting`,
    "--host-resolver-rules=MAP *.test 127.0.0.1", certificate.flag,
  ];
}

/** Waits until `found` returns something true, and returns it. */
async function until(what, found) {
  for (const end = Date.now() + 600_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const result = await found();
    if (result) return result;
  }
  throw new Error(`${what}: it hasn't come`);
}

async function cookie(page, name) {
  return (await page.context().cookies()).find((one) => one.name === name);
}

const bound = (page) => cookie(page, "__Host-bound");
const ticket = (page) => cookie(page, "__Host-Http-sessionid");

/** Makes the bound cookie end, as it does by itself after ten minutes. A page that still loads can renew it at once. */
async function endCookie(page) {
  await page.context().clearCookies({ name: "__Host-bound" });
}

/** Starts a server that binds sessions, behind a proxy with TLS. */
async function startBinding(t, certificate, more = () => []) {
  const proxy = await startProxy(t, certificate);
  const url = `https://auth.shop.test:${proxy.port}`;
  const server = await startServer(t, ["--bind-devices", "--trusted-proxy", "127.0.0.1", ...more(proxy)], "127.0.0.1", url);
  proxy.to = server.local;
  server.proxy = proxy;
  return server;
}

/** Makes the administrator from a page. */
async function setUp(page, server) {
  const secret = new URL(await server.setupLink()).hash.slice(1);
  await page.goto(`${server.url}/signin`);
  const made = await ask(page, "/api/auth/setup", post({ secret, ...admin }));
  assert.equal(made.status, 200, made.body);
}

function post(body) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/** Signs in on the page, and waits until the session is bound. */
async function signInBound(page, server, password = admin.password) {
  await page.goto(`${server.url}/signin`);
  const answer = await ask(page, "/api/auth/login", post({ username: admin.username, password }));
  assert.equal(answer.status, 200, answer.body);
  await until("the bound cookie", () => bound(page));
  // The cookie can be that of a session before, whose registration was under way.
  await until("the session is bound", async () => (await current(page)).bound);
  await works(page);
}

async function works(page) {
  const answer = await ask(page, "/api/me");
  assert.equal(answer.status, 200, answer.body);
}

async function current(page) {
  const answer = await ask(page, "/api/auth/sessions");
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body).sessions.find((one) => one.current);
}

/** What /api/me answers: the status and the code. */
async function state(page) {
  const { status, body } = await ask(page, "/api/me");
  return `${status} ${status === 200 ? "" : JSON.parse(body).code}`.trim();
}

test("sessions bound to their browser", async (t) => {
  const certificate = await makeCertificate("auth.shop.test", "app.shop.test");
  const spa = await startProxy(t, certificate);
  spa.to = `http://127.0.0.1:${await startSite(t, { "/": "<!doctype html><title>The app</title>" })}`;
  const server = await startBinding(t, certificate, () => ["--origin", `https://app.shop.test:${spa.port}`]);
  const { proxy } = server;
  const browser = await startBrowser(t, flags(certificate), { whole: true });
  await setUp(await openPage(t, browser), server);

  /** How many refreshes an act causes. */
  async function refreshes(act) {
    const before = proxy.seen.length;
    await act();
    return proxy.seen.slice(before).filter((line) => line === refresh).length;
  }

  await t.test("DB01 a session is bound, and the pages say so", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    await page.goto(`${server.url}/auth/account`);
    await page.getByText("Bound to its browser").first().waitFor();
    assert.match(server.log, /session_bound/);
  });

  await t.test("DB01 the cookie is renewed at its end, once for all that waits, in two tabs", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    const other = await page.context().newPage();
    await other.goto(`${server.url}/auth/account`);
    for (let round = 0; round < 3; round++) {
      const n = await refreshes(async () => {
        await endCookie(page);
        await Promise.all([page, other].flatMap((one) => [works(one), works(one), works(one), works(one)]));
      });
      assert.equal(n, 1, "requests to refresh");
      assert.ok(await bound(page));
    }
    await endCookie(page);
    await page.reload(); // an open page navigates
    await works(page);
    assert.ok(await bound(page));
  });

  await t.test("DB09 it is renewed after the server was restarted under an open page", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    await server.stop();
    await server.start();
    await works(page);
    await endCookie(page);
    await works(page);
    assert.ok(await bound(page));
  });

  await t.test("DB01 a page of a sibling host causes the refresh", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    await page.goto(`https://app.shop.test:${spa.port}/`);
    const fromThere = () => ask(page, `${server.url}/api/me`, { credentials: "include" });
    assert.equal((await fromThere()).status, 200);
    const n = await refreshes(async () => {
      await endCookie(page);
      assert.equal((await fromThere()).status, 200);
    });
    assert.equal(n, 1);
  });

  await t.test("DB01 DB02 a copied ticket opens nothing, and a copied pair is a copy only", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    const thief = await openPage(t, browser);
    await thief.goto(`${server.url}/signin`);
    await thief.context().addCookies([await ticket(page)]);
    assert.equal(await state(thief), "401 device_unproven");
    assert.match(server.log, /session_unproven/);
    await thief.context().addCookies([await bound(page)]);
    assert.equal(await state(thief), "200");
    await endCookie(thief);
    assert.equal(await refreshes(async () => assert.equal(await state(thief), "401 device_unproven")), 0, "another browser has no key");
    await works(page);
  });

  /** Checks that the browser gets no cookie for a session that has ended, and gives up. */
  async function isOver(page, old) {
    await page.context().clearCookies({ name: "__Host-bound" });
    await page.context().addCookies([old]);
    assert.match(await state(page), /^401 /);
    assert.equal(await bound(page), undefined);
    assert.equal(await refreshes(() => state(page)), 0, "the browser still has its key");
  }

  await t.test("DB08 a sign-out ends it for good", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    const old = await ticket(page);
    assert.equal((await ask(page, "/api/auth/logout", { method: "POST" })).status, 200);
    await isOver(page, old);
  });

  await t.test("DB08 a revocation ends it for good", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    const old = await ticket(page);
    await server.run("session", "revoke", (await current(page)).id);
    await isOver(page, old);
  });

  await t.test("DB08 another sign-in in the browser is bound anew", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    const first = (await current(page)).id;
    const answer = await ask(page, "/api/auth/login", post({ username: admin.username, password: admin.password }));
    assert.equal(answer.status, 200, answer.body);
    await until("the new session is bound", async () => (await current(page)).bound);
    assert.notEqual((await current(page)).id, first);
    await endCookie(page);
    await works(page);
    assert.equal((await current(page)).bound, true);
    const n = await refreshes(async () => {
      await endCookie(page);
      await works(page);
    });
    assert.equal(n, 1, "the browser has forgotten the first");
  });

  await t.test("DB09 while refreshes fail, the answer is 503 and the session goes on", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    proxy.fail = (path) => (path === "/api/auth/device/refresh" ? 503 : undefined);
    await endCookie(page);
    // With CLOAKROOM_LONG=1 for a minute, after which Chromium waits for some time before it tries again.
    for (const end = Date.now() + (process.env.CLOAKROOM_LONG ? 60_000 : 3_000); Date.now() < end; ) {
      assert.equal(await state(page), "503 device_unproven");
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    proxy.fail = () => undefined;
    await until("the session works again", async () => (await state(page)) === "200");
  });

  await t.test("DB08 a new password elsewhere ends it for good", async (t) => {
    const page = await openPage(t, browser);
    await signInBound(page, server);
    const old = await ticket(page);
    const elsewhere = await openPage(t, browser);
    await signInBound(elsewhere, server);
    const changed = await ask(elsewhere, "/api/auth/password/change", post({ current_password: admin.password, new_password: newPassword }));
    assert.equal(changed.status, 200, changed.body);
    await isOver(page, old);
    await endCookie(elsewhere);
    await works(elsewhere); // its own session got a new ticket, and stays bound
    assert.equal((await current(elsewhere)).bound, true);
  });
});

test("DB09 with sessions in PostgreSQL, which restarts under an open page", async (t) => {
  const certificate = await makeCertificate("auth.shop.test");
  let server;
  const postgres = await startPostgres(t, () => server?.stop());
  server = await startBinding(t, certificate, () => ["--db", postgres.url]);
  const browser = await startBrowser(t, flags(certificate), { whole: true });
  const page = await openPage(t, browser);
  await setUp(page, server);
  await signInBound(page, server);
  await postgres.stop();
  await endCookie(page);
  assert.match(await state(page), /^503 /);
  await postgres.start();
  await until("the session works again", async () => (await state(page)) === "200");
  assert.equal((await current(page)).bound, true);
});

test("DB09 the browser's quota of signatures signs no one out", async (t) => {
  const certificate = await makeCertificate("auth.shop.test");
  const server = await startBinding(t, certificate);
  const browser = await startBrowser(t, flags(certificate, true), { whole: true });
  const page = await openPage(t, browser);
  await setUp(page, server);
  await signInBound(page, server);
  const seen = new Set();
  for (let round = 0; round < 10; round++) {
    await endCookie(page);
    seen.add(await state(page));
  }
  assert.deepEqual([...seen].sort(), ["200", "503 device_unproven"]);
});
