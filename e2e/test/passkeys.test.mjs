// Passkeys in a real browser with a virtual authenticator. The pages are the test's own, and use the client.

import assert from "node:assert/strict";
import test from "node:test";
import { addAuthenticator, answered, suggests, watch } from "../lib/authenticator.mjs";
import { atAccount, atSignIn, openPage, signIn as signInByPassword, startBrowser } from "../lib/browser.mjs";
import { clientFolder, filesOf } from "../lib/example.mjs";
import { admin, startServer } from "../lib/server.mjs";
import { startSite, startTLS } from "../lib/site.mjs";

const signInPage = (url) => `<!doctype html><title>passkeys</title><p id="who"></p>
<input id="name" autocomplete="username webauthn"><button id="passkey">Passkey</button>
<script type="module">
  import { createAuth } from "/client/index.js";
  import { get } from "/client/passkey.js";
  window.auth = createAuth({ url: "${url}" });
  window.get = get;
  const show = () => (who.textContent = [auth.getState().status, auth.getState().user?.username].join(" "));
  auth.subscribe(show);
  show();
  passkey.onclick = () => (window.clicked = auth.passkey().then((user) => user?.username ?? "no one", (error) => nameOf(error)));
  window.nameOf = (error) => (typeof error.code === "string" ? error.code : error.name);
</script>`;

const { username, password } = admin;
const who = (page, text) => page.locator("#who").getByText(text).waitFor({ timeout: 120_000 });
const signIn = (page) => page.evaluate((credentials) => auth.login(credentials).then(({ user }) => user.username), { username, password });
const call = (page, method, path, body) =>
  page.evaluate(([method, path, body]) => auth.client.call(method, path, body).catch((error) => ({ code: error.code })), [method, "/api/auth/" + path, body]);

/** Calls a function of `auth`, and returns its result, or the code or name of its error. */
const ask = (page, name, ...args) =>
  page.evaluate(([name, args]) => auth[name](...args).catch((error) => ({ code: nameOf(error) })), [name, args]);

/** Starts a server whose pages are at another port of localhost. */
async function startBoth(t, options) {
  const pages = await filesOf(clientFolder, "/client/");
  const site = `http://localhost:${await startSite(t, pages, options)}`;
  const server = await startServer(t, ["--origin", site], "localhost");
  await server.makeAdmin();
  pages["/"] = signInPage(server.url);
  return { server, site };
}

/** Opens a page in a new browser profile, with an authenticator. */
async function open(t, browser, site, options) {
  const page = await openPage(t, browser);
  const authenticator = await addAuthenticator(page, options);
  await watch(page);
  await page.goto(site);
  await page.waitForFunction(() => window.auth);
  return { page, authenticator };
}

test("passkeys", async (t) => {
  const browser = await startBrowser(t);
  const { server, site } = await startBoth(t);

  /** Opens a page, signs in with the password, adds a passkey, and signs out unless `stay`. */
  async function enrol(t, { stay = false, options, ...passkey } = {}) {
    const { page, authenticator } = await open(t, browser, site, options);
    await signIn(page);
    const added = await ask(page, "addPasskey", { name: "Laptop", ...passkey });
    assert.equal(added.factor?.name, "Laptop", JSON.stringify(added));
    t.after(() => server.run("user", "factors", username, "--remove", added.factor.id).catch(() => {}));
    if (!stay) {
      await page.evaluate(() => auth.logout());
      await who(page, "anonymous");
    }
    return { page, authenticator, added };
  }

  await t.test("a passkey is added, and the field offers it", async (t) => {
    const { page, authenticator, added } = await enrol(t);
    const [credential, ...more] = await authenticator.credentials();
    assert.deepEqual([credential.rpId, credential.userName, more.length], ["localhost", username, 0]);
    assert.equal(Buffer.from(credential.userHandle, "base64").length, 32);
    assert.equal(added.factor.kind, "passkey");
    assert.equal((await ask(page, "autofill")).username, username);
    await who(page, `authenticated ${username}`);
    const { sessions } = await call(page, "GET", "sessions");
    assert.equal(sessions.find((session) => session.current).method, "passkey");
  });

  await t.test("the button signs in while the field waits", async (t) => {
    const { page, authenticator } = await enrol(t);
    await authenticator.touch(false);
    await page.evaluate(() => {
      window.waiting = auth.autofill().then((user) => user ?? "nothing");
    });
    await suggests(page);
    await authenticator.touch(true);
    await page.locator("#passkey").click();
    assert.equal(await page.evaluate(() => clicked), username);
    assert.equal(await page.evaluate(() => waiting), "nothing");
    await who(page, `authenticated ${username}`);
  });

  await t.test("without verification of the person nothing happens", async (t) => {
    const { page, authenticator } = await enrol(t);
    await authenticator.verify(false);
    await page.locator("#passkey").click();
    assert.equal(await page.evaluate(() => clicked), "no one");
    await who(page, "anonymous");
  });

  await t.test("the field goes on offering passkeys after the dialog was closed", async (t) => {
    const { page, authenticator } = await enrol(t);
    await authenticator.touch(false);
    await page.evaluate(() => {
      window.waiting = auth.autofill().then((user) => user?.username ?? "nothing");
    });
    await suggests(page);
    await page.evaluate(() => {
      // From outside, a dialog can't be closed but by a signal.
      const dialog = new AbortController();
      window.closeDialog = () => dialog.abort();
      const { get } = navigator.credentials;
      navigator.credentials.get = (options) => get.call(navigator.credentials, options.mediation ? options : { ...options, signal: dialog.signal });
    });
    await page.locator("#passkey").click();
    await page.waitForFunction(() => questions.some((it) => !it.suggestions && !it.end));
    await authenticator.touch(true); // from the next question on
    await page.evaluate(() => closeDialog());
    assert.equal(await page.evaluate(() => clicked), "no one");
    assert.equal(await page.evaluate(() => waiting), username);
    await who(page, `authenticated ${username}`);
  });

  await t.test("two tabs have a challenge each, and hear of each other", async (t) => {
    const { page, authenticator } = await enrol(t);
    const tab = await page.context().newPage();
    const second = await addAuthenticator(tab);
    for (const credential of await authenticator.credentials()) await second.add(credential);
    await tab.goto(site);
    await who(tab, "anonymous");
    const options = await call(page, "POST", "passkey/options");
    assert.equal((await ask(tab, "passkey")).username, username);
    await who(page, `authenticated ${username}`);
    const credential = await page.evaluate((options) => get(options), options);
    assert.equal((await call(page, "POST", "passkey/login", { credential })).username, username);
    assert.equal((await call(page, "POST", "passkey/login", { credential })).code, "invalid_credentials");
  });

  await t.test("it is the second step after the password", async (t) => {
    const { page } = await enrol(t, { stay: true });
    assert.equal((await call(page, "PATCH", "factors", { second_step: true })).second_step, true);
    await page.evaluate(() => auth.logout());
    const step = await page.evaluate(async (credentials) => {
      const { done, pending } = await auth.login(credentials);
      return done ? "none" : (await pending.passkey()).username;
    }, { username, password });
    assert.equal(step, username);
    await who(page, `authenticated ${username}`);
  });

  await t.test("it makes the sign-in fresh again", async (t) => {
    const { page } = await enrol(t, { stay: true });
    assert.equal((await ask(page, "reauthenticateByPasskey")).username, username);
  });

  await t.test("an authenticator has one passkey of an account", async (t) => {
    const { page, authenticator } = await enrol(t, { stay: true });
    assert.equal((await ask(page, "addPasskey")).code, "factor_exists");
    assert.equal((await authenticator.credentials()).length, 1);
  });

  await t.test("a removed passkey is gone from the browser, too", async (t) => {
    const { page, authenticator, added } = await enrol(t, { stay: true });
    await ask(page, "removePasskey", added.factor.id);
    assert.deepEqual((await call(page, "GET", "factors")).factors, []);
    assert.deepEqual(await authenticator.credentials(), []);
  });

  await t.test("a passkey that was removed elsewhere is forgotten when it is used", async (t) => {
    const { page, authenticator, added } = await enrol(t);
    const elsewhere = await open(t, browser, site);
    await signIn(elsewhere.page);
    await ask(elsewhere.page, "removePasskey", added.factor.id);
    assert.equal((await authenticator.credentials()).length, 1);
    assert.equal((await ask(page, "passkey")).code, "passkey_unknown");
    assert.deepEqual(await authenticator.credentials(), []);
  });
});

test("N05 two servers under one relying party leave each other's passkeys alone", async (t) => {
  const browser = await startBrowser(t);
  const [one, two] = [await startBoth(t), await startBoth(t)];
  const { page, authenticator } = await open(t, browser, one.site);
  await signIn(page);
  await ask(page, "addPasskey");
  assert.equal((await authenticator.credentials()).length, 1);

  await page.goto(two.site);
  await page.waitForFunction(() => window.auth);
  assert.equal((await ask(page, "passkey")).code, "invalid_credentials");
  assert.equal((await authenticator.credentials()).length, 1);

  await page.evaluate(() => auth.logout());
  await signIn(page);
  const added = await ask(page, "addPasskey");
  assert.equal((await authenticator.credentials()).length, 2);
  await ask(page, "removePasskey", added.factor.id);
  assert.equal((await authenticator.credentials()).length, 1);

  await page.goto(one.site);
  await page.waitForFunction(() => window.auth);
  assert.equal((await ask(page, "passkey")).username, username);
});

test("a page that offers passkeys comes back as it was, and offers them again", async (t) => {
  const browser = await startBrowser(t, [], { back: true, whole: true });
  const { site } = await startBoth(t, { cached: true });
  const { page, authenticator } = await open(t, browser, site);
  await signIn(page);
  await ask(page, "addPasskey");
  await page.evaluate(() => auth.logout());
  await who(page, "anonymous");
  await authenticator.touch(false);
  await page.evaluate(() => {
    window.waiting = auth.autofill().then((user) => user?.username ?? "nothing");
    addEventListener("pageshow", ({ persisted }) => (window.persisted = persisted));
  });
  await suggests(page);
  await page.locator("#name").fill("half a na");
  await page.goto(`${site}/client/index.js`);
  await authenticator.touch(true); // from the next question on
  await page.goBack({ waitUntil: "commit" });
  await page.waitForFunction(() => window.persisted);
  assert.equal(await page.locator("#name").inputValue(), "half a na");
  assert.equal(await page.evaluate(() => questions[0].end), "AbortError");
  assert.equal(await page.evaluate(() => waiting), username);
  await who(page, `authenticated ${username}`);
});

test("related origins: a host beside the domain uses its passkeys if the domain names it", async (t) => {
  const pages = await filesOf(clientFolder, "/client/");
  const sitePort = await startSite(t, pages);
  const [url, site, other] = ["https://auth.id.example.test", "https://www.example.test", "https://shop.example.test"];
  const server = await startServer(t, ["--url", url, "--origin", site, "--passkey-domain", "id.example.test"]);
  const { port } = new URL(server.url);
  const flags = await startTLS(t, { "auth.id.example.test": port, "id.example.test": port, "www.example.test": sitePort, "shop.example.test": sitePort });
  const browser = await startBrowser(t, flags);
  pages["/"] = signInPage(url);
  const page = await openPage(t, browser);
  const authenticator = await addAuthenticator(page);
  await page.goto(`${url}/signin`);
  const secret = new URL(await server.setupLink()).hash.slice(1);
  const setUp = await page.evaluate(async (body) => {
    const { status } = await fetch("/api/auth/setup", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    return status;
  }, { secret, ...admin });
  assert.equal(setUp, 200);
  await page.context().clearCookies();

  await page.goto(site);
  await page.waitForFunction(() => window.auth);
  await signIn(page);
  const added = await ask(page, "addPasskey");
  assert.equal(added.factor?.rp_id, "id.example.test", JSON.stringify(added));
  assert.deepEqual((await authenticator.credentials()).map(({ rpId }) => rpId), ["id.example.test"]);
  await page.evaluate(() => auth.logout());
  assert.equal((await ask(page, "passkey")).username, username);
  await page.context().clearCookies();
  await page.goto(`${url}/signin`); // the field offers it at the domain's own host, too
  await atAccount(page);

  await page.goto(other);
  const refused = await page.evaluate(() => {
    const publicKey = { challenge: new Uint8Array(32), rpId: "id.example.test" };
    return navigator.credentials.get({ publicKey }).then(() => "answered", (error) => error.name);
  });
  assert.equal(refused, "SecurityError");
});

test("a security key is a second factor, and its removal reaches the key", async (t) => {
  const browser = await startBrowser(t);
  const { site } = await startBoth(t);
  const key = { transport: "usb", hasResidentKey: false, hasUserVerification: false, isUserVerified: false };
  const { page, authenticator } = await open(t, browser, site, key);
  await signIn(page);
  const passkey = await ask(page, "addPasskey");
  assert.equal(passkey, undefined, "a key without a memory holds no passkey");
  assert.equal(await page.evaluate(() => auth.getState().status), "authenticated");

  const added = await ask(page, "addPasskey", { name: "Key", securityKey: true });
  assert.equal(added.factor?.kind, "security_key", JSON.stringify(added));
  const [credential, ...more] = await authenticator.credentials();
  assert.deepEqual([credential.isResidentCredential, credential.rpId, more.length], [false, "localhost", 0]);
  assert.equal((await ask(page, "addPasskey", { securityKey: true })).code, "factor_exists");

  // Alone it signs no one in, and with the password it does.
  await page.evaluate(() => auth.logout());
  await who(page, "anonymous");
  assert.equal(await ask(page, "passkey"), undefined);
  const step = await page.evaluate(async (credentials) => {
    const { done, pending } = await auth.login(credentials);
    return done ? "none" : (await pending.passkey()).username;
  }, { username, password });
  assert.equal(step, username);
  const { sessions } = await call(page, "GET", "sessions");
  const { level, methods } = sessions.find((session) => session.current);
  assert.deepEqual({ level, methods }, { level: 2, methods: ["hwk", "mfa", "pwd"] });

  // Beside it a passkey of another authenticator: what is left is told to both.
  const laptop = await addAuthenticator(page);
  await authenticator.touch(false);
  const second = await ask(page, "addPasskey", { name: "Laptop" });
  assert.equal(second.factor?.kind, "passkey", JSON.stringify(second));
  await ask(page, "removePasskey", second.factor.id);
  assert.deepEqual([(await laptop.credentials()).length, (await authenticator.credentials()).length], [0, 1]);
  await ask(page, "removePasskey", added.factor.id);
  assert.deepEqual(await authenticator.credentials(), []);
});

test("passkeys on our own pages", async (t) => {
  const browser = await startBrowser(t);
  const server = await startServer(t, [], "localhost");
  await server.makeAdmin();
  const page = await openPage(t, browser);
  const authenticator = await addAuthenticator(page);
  await watch(page);
  await signInByPassword(page, server);

  await page.getByRole("button", { name: "Add a passkey" }).click();
  const form = page.getByRole("region", { name: "Add a passkey" });
  await form.getByLabel("Name").fill("Laptop");
  await form.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByRole("button", { name: "I have kept them" }).click();
  await page.getByRole("button", { name: "Remove Laptop" }).waitFor();
  assert.equal((await authenticator.credentials()).length, 1);

  await page.context().clearCookies();
  await authenticator.touch(false);
  await page.goto(`${server.url}/signin`);
  await atSignIn(page);
  await suggests(page);
  await authenticator.touch(true);
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await atAccount(page);

  await page.context().clearCookies();
  await page.goto(`${server.url}/signin`); // the field offers it, and the browser answers at once
  await atAccount(page);

  await page.getByRole("button", { name: "Remove Laptop" }).click();
  await page.getByRole("button", { name: "Remove it" }).click();
  await page.getByText("Laptop has been removed.").waitFor();
  assert.deepEqual(await authenticator.credentials(), []);
});
