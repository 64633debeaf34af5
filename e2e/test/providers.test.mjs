// Signing in at another provider, the certified oidc-provider, on the built-in pages. It is another site than the server.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import http from "node:http";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { atAccount, atSignIn, ask, openPage, signIn, startBrowser, ticket } from "../lib/browser.mjs";
import { clientFolder, filesOf } from "../lib/example.mjs";
import { signInThere, signOutThere, startOP } from "../lib/op.mjs";
import { startPostgres } from "../lib/postgres.mjs";
import { checkSecrecy, collectAnswers } from "../lib/secrecy.mjs";
import { admin, freePort, startServer } from "../lib/server.mjs";
import { startSite } from "../lib/site.mjs";
import { addApp } from "../lib/totp.mjs";

/** Starts a provider and a server, which knows it as "example" and signs its people up, and another one, which is away, as "gone". */
async function startBoth(t, flags = []) {
  const op = await startOP(t);
  const file = await op.settings("example", { label: "Example", signup: true });
  const gone = await op.settings("gone", { label: "Gone", issuer: `http://127.0.0.1:${await freePort()}` });
  const server = await startServer(t, ["--provider", `example=${file}`, "--provider", `gone=${gone}`, ...flags], "localhost");
  op.connect(server.url, "example");
  await server.makeAdmin();
  return { op, server };
}

const button = (page) => page.getByRole("button", { name: "Continue with Example" });

/** Signs in by the button of the sign-in page. */
async function signInBy(page, server, name, next = "") {
  await page.goto(`${server.url}/signin${next && `?next=${encodeURIComponent(next)}`}`);
  await button(page).click();
  await signInThere(page, name);
}

/** Sends a request of the page's session. */
async function send(page, method, path, body) {
  const init = { method, headers: { "Content-Type": "application/json" }, ...(body && { body: JSON.stringify(body) }) };
  const answer = await ask(page, path, init);
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body);
}

const attempts = async (page) => (await page.context().cookies()).filter(({ name }) => name.startsWith("cloakroom_oidc_"));

test("signing in at a provider", async (t) => {
  const { op, server } = await startBoth(t);
  const browser = await startBrowser(t);

  await t.test("a button leads there and back, and a new person gets an account", async (t) => {
    const page = await openPage(t, browser);
    const response = await page.goto(`${server.url}/signin`);
    const policy = response.headers()["content-security-policy"];
    assert.match(policy, /form-action 'self'/);
    assert.ok(!policy.includes(op.issuer), policy);
    await button(page).waitFor();
    await checkAccessible(page, "a provider's button");
    await button(page).click();
    await page.getByPlaceholder("Enter any login").waitFor();
    assert.equal((await attempts(page)).length, 1);
    await signInThere(page, "grace");
    await atAccount(page);
    await page.getByText("grace@example.com").first().waitFor();
    await page.getByText("at another provider").waitFor();
    assert.ok(await ticket(page));
    assert.equal((await attempts(page)).length, 0);
  });

  await t.test("the browser ends where it wanted to go, and other tabs hear of it", async (t) => {
    const page = await openPage(t, browser);
    const other = await page.context().newPage();
    await other.goto(`${server.url}/signin`);
    await atSignIn(other);
    await signInBy(page, server, "grace", "/auth/account?a=b#c");
    await page.waitForURL("**/auth/account?a=b");
    await page.getByRole("heading", { name: "Your account" }).waitFor();
    await other.getByText("You’re signed in").waitFor();
  });

  await t.test("a person who cancels there is told so, and can try again", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin?next=%2Fauth%2Faccount%3Fa`);
    await button(page).click();
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByText("The provider has refused, or you have cancelled there").waitFor();
    assert.equal(page.url(), `${server.url}/signin?next=%2Fauth%2Faccount%3Fa`);
    await checkAccessible(page, "a refusal");
    await button(page).click();
    await signInThere(page, "grace");
    await page.waitForURL("**/auth/account?a");
  });

  await t.test("an attempt that this browser hasn't begun is lost, and the button is there again", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    await button(page).click();
    await page.getByPlaceholder("Enter any login").waitFor();
    await page.context().clearCookies({ name: /^cloakroom_oidc_/ });
    await signInThere(page, "grace");
    await page.getByText("This attempt was begun in another browser").waitFor();
    assert.equal(await ticket(page), undefined);
    await button(page).click();
    await atAccount(page); // the provider still knows the person
  });

  await t.test("the last way in stays, and a person who has only a provider goes there again", async (t) => {
    const page = await openPage(t, browser);
    await signInBy(page, server, "grace");
    await atAccount(page);
    await page.getByRole("heading", { name: "Linked accounts" }).waitFor();
    await page.getByRole("button", { name: "Unlink Example" }).click();
    await page.getByRole("button", { name: "Unlink it" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Sign in as grace at your provider again").waitFor();
    await checkAccessible(page, "again at the provider");
    await dialog.getByRole("button", { name: "Continue with Example" }).click();
    await signInThere(page, "grace", { permitted: true });
    await atAccount(page);
    await page.getByRole("button", { name: "Unlink Example" }).click();
    await page.getByRole("button", { name: "Unlink it" }).click();
    await page.getByText("This link is the only way to sign in to the account").waitFor();
    assert.equal((await send(page, "GET", "/api/auth/links")).links.length, 1);
  });

  await t.test("a provider that is away costs its own button", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    await page.getByRole("button", { name: "Continue with Gone" }).click();
    await page.getByText("The provider doesn’t answer just now").waitFor();
    await checkAccessible(page, "a provider that is away");
    assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
    await signInBy(page, server, "grace");
    await atAccount(page);
  });
});

test("an account that is linked to a provider", async (t) => {
  const { op, server } = await startBoth(t);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const elsewhere = await openPage(t, browser);
  let app;

  await t.test("the account page links it", async () => {
    await signIn(page, server);
    await page.getByRole("button", { name: "Link Example" }).click();
    await signInThere(page, "ada-there");
    await page.getByText("Your account at Example is linked").waitFor();
    assert.equal(page.url(), `${server.url}/auth/account`);
    await page.getByText("ada-there@example.com").waitFor();
    await checkAccessible(page, "linked accounts");
    const [{ provider, email }] = (await send(page, "GET", "/api/auth/links")).links;
    assert.deepEqual({ provider, email }, { provider: "example", email: "ada-there@example.com" });
  });

  await t.test("the provider then signs in the same person", async () => {
    await signInBy(elsewhere, server, "ada-there");
    await atAccount(elsewhere);
    assert.equal((await send(elsewhere, "GET", "/api/me")).username, admin.username);
  });

  await t.test("it is linked to one person", async (t) => {
    const bob = { username: "bob", password: "another hanger for a coat" };
    await ask(page, "/api/auth/admin/users", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(bob) });
    const other = await openPage(t, browser);
    await other.goto(`${server.url}/signin`);
    await send(other, "POST", "/api/auth/login", bob);
    await other.goto(`${server.url}/auth/account`);
    await other.getByRole("button", { name: "Link Example" }).click();
    await signInThere(other, "ada-there");
    await other.getByText("That account is linked to another user here.").waitFor();
    assert.deepEqual((await send(other, "GET", "/api/auth/links")).links, []);
  });

  await t.test("what was signed in with it ends with the link", async () => {
    await page.getByRole("button", { name: "Unlink Example" }).click();
    await page.getByRole("button", { name: "Unlink it" }).click();
    await page.getByText("Example is no longer linked").waitFor();
    await atSignIn(elsewhere);
    await elsewhere.goto(`${server.url}/signin`);
    await button(elsewhere).click();
    await atAccount(elsewhere); // as a new person: an address alone links nothing
    assert.equal((await send(elsewhere, "GET", "/api/me")).username, "ada-there");
    await send(elsewhere, "POST", "/api/auth/logout");
  });

  await t.test("the own second factor is asked for after the provider", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    ({ app } = await addApp((...request) => send(page, ...request)));
    await page.reload(); // what the page has asked meanwhile was asked with the ticket from before
    await page.getByRole("button", { name: "Link Example" }).click();
    await signInThere(page, "ada-too");
    await page.getByText("Your account at Example is linked").waitFor();
    await page.goto(`${server.url}/auth/account`);
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await atSignIn(page);
    await page.goto(`${server.url}/signin?next=%2Fauth%2Faccount%3Fafter`);
    await button(page).click();
    await page.getByRole("heading", { name: "One more step" }).waitFor();
    assert.equal(await ticket(page), undefined);
    await page.reload();
    await page.getByLabel("Code", { exact: true }).fill(await app.code());
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL("**/auth/account?after");
    const current = (await send(page, "GET", "/api/auth/sessions")).sessions.find(({ current }) => current);
    assert.equal(current.level, 2);
  });

  await t.test("a sign-out at the provider ends the session before it answers, and the open page shows it", async (t) => {
    const page = await openPage(t, browser);
    await signInBy(page, server, "grace-too");
    await atAccount(page);
    const provider = await page.context().newPage();
    await signOutThere(provider, op);
    const answer = await ask(page, "/api/me").catch(() => ({ status: 401 })); // the page may be on its way to the sign-in
    assert.equal(answer.status, 401);
    await atSignIn(page);
    await page.getByText("Sign in again to continue").waitFor();
  });
});

test("an app of another origin with a page of its own", async (t) => {
  const pages = await filesOf(clientFolder, "/client/");
  const site = `http://localhost:${await startSite(t, pages)}`;
  const { server } = await startBoth(t, ["--origin", site]);
  pages["/"] = `<!doctype html><title>app</title><p id="who"></p><script type="module">
    import { createAuth } from "/client/index.js";
    window.auth = createAuth({ url: "${server.url}" });
    const show = () => (who.textContent = [auth.getState().status, auth.getState().user?.username].join(" "));
    auth.subscribe(show);
    show();
  </script>`;
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const who = (text) => page.locator("#who").getByText(text).waitFor({ timeout: 120_000 });
  const start = () => page.evaluate(() => auth.startProvider("example", { next: "/?a=b" }));
  let app;

  await t.test("the browser comes back to it signed in", async () => {
    await page.goto(site);
    await who("anonymous");
    await start();
    await signInThere(page, "grace");
    await page.waitForURL(`${site}/?a=b`);
    await who("authenticated grace");
  });

  await t.test("a refusal is told in the address", async () => {
    await page.context().clearCookies();
    await page.goto(site);
    await who("anonymous");
    await start();
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.waitForURL(`${site}/?a=b#error=provider_refused`);
    await who("anonymous");
  });

  await t.test("the second step is due there", async (t) => {
    const account = await openPage(t, browser);
    await signIn(account, server);
    ({ app } = await addApp((...request) => send(account, ...request)));
    await account.reload(); // what the page has asked meanwhile was asked with the ticket from before
    await account.getByRole("button", { name: "Link Example" }).click();
    await signInThere(account, "ada-there");
    await account.getByText("Your account at Example is linked").waitFor();
    await start();
    await signInThere(page, "ada-there");
    await page.waitForURL(`${site}/?a=b#pending`);
    await who("pending");
    await page.evaluate((code) => auth.getState().pending.second(code).then(() => undefined), await app.code());
    await who(`authenticated ${admin.username}`);
  });
});

test("a provider that answers by a form", async (t) => {
  const op = await startOP(t);
  const file = await op.settings("example", { label: "Example", signup: true, response_mode: "form_post" });
  const server = await startServer(t, ["--provider", `example=${file}`, "--csrf", "strict"], "localhost");
  op.connect(server.url, "example");
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const posted = [];
  page.on("request", (request) => request.method() === "POST" && request.url().endsWith("/callback") && posted.push(request.allHeaders()));
  await signInBy(page, server, "grace", "/auth/account?form");
  await page.waitForURL("**/auth/account?form");
  await page.getByText("grace@example.com").first().waitFor();
  const headers = await posted[0];
  assert.equal(headers["sec-fetch-site"], "cross-site");
  assert.equal(headers["cookie"] ?? "", "", "the form came with cookies");
});

// RFC 9700, section 4.4: one provider leads the browser to another, so as to be given the code that the other makes out.
test("two providers are not mixed up", async (t) => {
  const [bad, good] = [await startOP(t), await startOP(t)];
  const files = [await bad.settings("bad", { label: "Bad", signup: true }), await good.settings("good", { label: "Good", signup: true })];
  const server = await startServer(t, ["--provider", `bad=${files[0]}`, "--provider", `good=${files[1]}`], "localhost");
  const callback = (name) => `${server.url}/api/auth/oidc/${name}/callback`;
  bad.connect(server.url, "bad");
  good.connect(server.url, "good", { redirect_uris: [callback("good"), callback("bad")] });
  await server.makeAdmin();
  const browser = await startBrowser(t);

  /** Begins at the bad provider, which leads the browser to the good one with another address to come back to. */
  async function misled(t, back) {
    const page = await openPage(t, browser);
    await page.route(`${bad.issuer}/auth?*`, (route) => {
      const address = new URL(route.request().url());
      address.searchParams.set("client_id", "good");
      address.searchParams.set("redirect_uri", back);
      return route.fulfill({ status: 302, headers: { Location: `${good.issuer}/auth${address.search}` } });
    });
    await page.goto(`${server.url}/signin`);
    await page.getByRole("button", { name: "Continue with Bad" }).click();
    await signInThere(page, "grace");
    return page;
  }

  await t.test("the answer says its issuer, which is not the one that was asked", async (t) => {
    const page = await misled(t, callback("bad"));
    await page.getByText("The provider’s answer doesn’t belong to this attempt").waitFor();
    assert.equal(await ticket(page), undefined);
  });

  await t.test("each provider has its own way back, on which the attempt at another is none", async (t) => {
    const page = await misled(t, callback("good"));
    await page.getByText("This attempt was begun in another browser").waitFor();
    assert.equal(await ticket(page), undefined);
  });

  assert.deepEqual([...bad.asked, ...good.asked].filter((what) => what === "POST /token"), [], "a code was sent to a provider");
  await t.test("both work by themselves", async (t) => {
    for (const name of ["Bad", "Good"]) {
      const page = await openPage(t, browser);
      await page.goto(`${server.url}/signin`);
      await page.getByRole("button", { name: `Continue with ${name}` }).click();
      await signInThere(page, `grace-${name.toLowerCase()}`);
      await atAccount(page);
    }
  });
});

/** An application that asks the provider who the token is for, and answers with that and the token's hash. */
async function startApplication(t, op) {
  const listener = http.createServer(async (request, response) => {
    const { authorization = "" } = request.headers;
    const told = await fetch(`${op.issuer}/me`, { headers: { Authorization: authorization } });
    const { sub } = told.ok ? await told.json() : {};
    response.end(JSON.stringify({ sub, token: createHash("sha256").update(authorization).digest("hex") }));
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => {
    listener.close(resolve);
    listener.closeAllConnections();
  }));
  return `http://127.0.0.1:${listener.address().port}`;
}

/** Asks a node, at its port, under the name of the server. */
function askNode(server, port, path, cookie) {
  return new Promise((resolve, reject) => {
    const headers = { Host: new URL(server.url).host, Cookie: cookie };
    http.get({ host: "127.0.0.1", port, path, headers }, (response) => {
      let body = "";
      response.on("data", (chunk) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode, body }));
    }).on("error", reject);
  });
}

for (const nodes of process.env.CLOAKROOM_LONG ? [1, 3] : [3]) {
  test(`an application gets the tokens of a provider, on ${nodes === 1 ? "one node" : "three nodes"}`, async (t) => {
    const op = await startOP(t);
    const file = await op.settings("example", {
      label: "Example", signup: true, keep_tokens: true, scopes: ["openid", "email", "profile", "offline_access"], parameters: { prompt: "consent" },
    });
    const application = await startApplication(t, op);
    const flags = ["--provider", `example=${file}`, "--upstream", `/things=${application}`, "--upstream-token", "/things=example"];
    let server;
    if (nodes > 1) flags.push("--db", (await startPostgres(t, () => server?.stop())).url);
    server = await startServer(t, flags, "localhost");
    // Each refresh token counts once, and an access token for eight seconds.
    op.connect(server.url, "example", {}, { rotateRefreshToken: true, ttl: { AccessToken: 8, Grant: 3600, IdToken: 3600, Interaction: 3600, RefreshToken: 3600, Session: 3600 } });
    await server.makeAdmin();
    const ports = [new URL(server.url).port];
    while (ports.length < nodes) ports.push(await server.beside(t));
    const browser = await startBrowser(t);
    const page = await openPage(t, browser);
    const { answers, settled } = collectAnswers(page.context());
    await signInBy(page, server, "grace");
    await atAccount(page);
    const cookie = (await page.context().cookies(server.url)).filter(({ name }) => name === "sessionid").map(({ name, value }) => `${name}=${value}`).join("; ");
    const first = JSON.parse((await ask(page, "/things/1")).body);
    assert.equal(first.sub, "grace");
    const exchanged = () => op.asked.filter((what) => what === "POST /token").length;
    const before = exchanged();
    await new Promise((resolve) => setTimeout(resolve, 8_000)); // until the access token has ended
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => askNode(server, ports[i % nodes], "/things/1", cookie)));
    assert.deepEqual(new Set(all.map(({ status }) => status)), new Set([200]), all[0].body);
    assert.equal(exchanged(), before + 1, "renewals");
    assert.equal(new Set(all.map(({ body }) => body)).size, 1, "tokens");
    const renewed = JSON.parse(all[0].body);
    assert.equal(renewed.sub, "grace");
    assert.notEqual(renewed.token, first.token);

    for (const path of ["/api/me", "/api/auth/sessions", "/api/auth/links", "/things/2"]) await ask(page, path);
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await atSignIn(page);
    for (const port of ports) assert.equal((await askNode(server, port, "/things/1", cookie)).status, 401);
    for (const end = Date.now() + 60_000; !op.asked.includes("POST /token/revocation"); await new Promise((resolve) => setTimeout(resolve, 50))) {
      assert.ok(Date.now() < end, "the tokens were not revoked");
    }
    await settled();
    assert.ok(op.tokens.length >= 6, `${op.tokens.length} tokens`);
    const ours = answers.filter(({ url }) => url.startsWith(server.url));
    const stored = await server.stored();
    await checkSecrecy(op.tokens, page, ours, { inReach: "csrftoken", inHeap: "Keep me signed in" });
    for (const token of op.tokens) {
      assert.ok(!stored.includes(token), "a token is stored");
      assert.ok(!server.log.includes(token), "a token is in the log");
    }
  });
}

test("a sign-out leads to the provider, where the person signs out as well", async (t) => {
  const op = await startOP(t);
  const file = await op.settings("example", { label: "Example", signup: true, end_session: true });
  const server = await startServer(t, ["--provider", `example=${file}`], "localhost");
  op.connect(server.url, "example", { post_logout_redirect_uris: [`${server.url}/signin`] });
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await signInBy(page, server, "grace");
  await atAccount(page);
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByRole("button", { name: "Yes" }).waitFor();
  assert.equal(await ticket(page), undefined, "it isn't signed out here yet");
  await page.getByRole("button", { name: "Yes" }).click();
  await atSignIn(page);
  await button(page).click();
  await page.getByPlaceholder("Enter any login").waitFor(); // the provider doesn't know the person any more
  await page.goto(`${server.url}/signin`);
  await signIn(page, server); // a session of a password has no provider
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await atSignIn(page);
});

test("tokens of a provider stay out of sight", async (t) => {
  const { op, server } = await startBoth(t);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const { answers, settled } = collectAnswers(page.context());
  await signInBy(page, server, "grace");
  await atAccount(page);
  await page.getByRole("heading", { name: "Linked accounts" }).waitFor();
  for (const path of ["/api/me", "/api/auth/sessions", "/api/auth/links", "/api/auth/factors"]) await ask(page, path);
  await page.getByRole("button", { name: "Sign out", exact: true }).click(); // which ends the stream of events
  await atSignIn(page);
  await settled();
  assert.equal(op.tokens.length, 2, "an access token and an ID token");
  const ours = answers.filter(({ url }) => url.startsWith(server.url));
  const stored = await server.stored();
  assert.ok(stored.includes(op.issuer), "what is stored was not searched");
  await checkSecrecy(op.tokens, page, ours, { inReach: "csrftoken", inHeap: "Keep me signed in" });
  for (const token of op.tokens) {
    assert.ok(!stored.includes(token), "a token is stored");
    assert.ok(!server.log.includes(token), "a token is in the log");
  }
});
