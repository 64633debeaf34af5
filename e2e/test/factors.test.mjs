// Second factors on the built-in pages: authenticator apps, recovery codes, passkeys and security keys.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { addAuthenticator, suggests, watch } from "../lib/authenticator.mjs";
import { checkAccessible } from "../lib/axe.mjs";
import { atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser, ticket } from "../lib/browser.mjs";
import { keyboardOf } from "../lib/keyboard.mjs";
import { admin, startServer } from "../lib/server.mjs";
import { authenticator, readQR } from "../lib/totp.mjs";

const phone = { width: 390, height: 844 };

/** Shows the password on the sign-in page, and waits for the second step. */
async function firstStep(page, server) {
  await page.goto(`${server.url}/signin`);
  await page.getByLabel("Username").fill(admin.username);
  await fillPassword(page, "Password", admin.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "One more step" }).waitFor();
}

async function enterCode(page, code) {
  await page.getByLabel("Code", { exact: true }).fill(code);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Answers the next request to `path` as a server does that wants a fresh sign-in. */
function demandOnce(page, path, problem) {
  return page.route(path, (route) => route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify({ status: 403, ...problem }) }), { times: 1 });
}

test("an authenticator app and recovery codes", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const { username, password } = admin;
  const login = (agent) => server.post("/api/auth/login", { username, password }, { "User-Agent": agent });
  assert.equal((await login("curl/8.14.1")).status, 200);
  const [token] = /cloak_\w+/.exec(await server.run("token", "create", username, "--name", "nightly backup"));
  const withToken = () => fetch(`${server.url}/api/me`, { headers: { Authorization: `Bearer ${token}` } });
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { acceptDownloads: true });
  const codeField = page.getByLabel("Code", { exact: true });
  const told = (text) => page.getByRole("status").getByText(text).waitFor();
  let app;
  let codes;

  await t.test("the page says what the first one ends, before the button", async () => {
    assert.equal((await withToken()).status, 200);
    await signIn(page, server);
    await page.getByText("You have no second factor yet").waitFor();
    await page.getByRole("button", { name: "Set up an authenticator app" }).click();
    await page.getByRole("heading", { name: "Set up an authenticator app" }).waitFor();
    const ends = page.getByRole("region", { name: "Set up an authenticator app" }).getByRole("listitem");
    assert.deepEqual((await ends.allInnerTexts()).sort(), ["Signed in: a Node program", "Signed in: curl", "Token: nightly backup"]);
    await checkAccessible(page, "setting an app up");
  });

  await t.test("the QR code in the page has the key that is shown, in both themes", async () => {
    const key = (await page.locator(".key code").innerText()).replaceAll(" ", "");
    for (const colorScheme of ["dark", "light"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const uri = new URL(await readQR(page, page.getByRole("img", { name: "QR code" })));
      assert.equal(uri.protocol, "otpauth:");
      assert.equal(uri.searchParams.get("secret"), key);
    }
    const link = new URL(await page.getByRole("link", { name: "Open it in an app" }).getAttribute("href"));
    assert.equal(link.protocol, "otpauth:");
    assert.equal(link.searchParams.get("secret"), key);
    app = authenticator(key);
  });

  await t.test("a code that is wrong sets nothing up", async () => {
    await codeField.fill(app.staleCode());
    await page.getByRole("button", { name: "Turn it on" }).click();
    await page.getByText("This code is not right").waitFor();
    assert.ok(await codeField.evaluate((field) => field === document.activeElement));
    assert.equal((await withToken()).status, 200);
  });

  await t.test("a right one does: the other devices and the token end, and this device stays", async () => {
    await codeField.fill(await app.code());
    await page.getByRole("button", { name: "Turn it on" }).click();
    await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
    codes = await page.getByRole("list", { name: "Your recovery codes" }).getByRole("listitem").allInnerTexts();
    assert.equal(new Set(codes).size, 10);
    assert.equal((await withToken()).status, 401);
    await page.getByText("curl").waitFor({ state: "detached" });
    await checkAccessible(page, "recovery codes");
  });

  await t.test("recovery codes can be downloaded, and only they are printed", async () => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download", exact: true }).click()]);
    assert.equal(file.suggestedFilename(), "cloakroom-recovery-codes.txt");
    const lines = (await readFile(await file.path(), "utf8")).trim().split("\n");
    assert.match(lines[0], /^Recovery codes for 127\.0\.0\.1/);
    assert.deepEqual(lines.slice(2), codes);
    await page.emulateMedia({ media: "print" });
    assert.ok(await page.getByText(codes[0]).isVisible());
    for (const text of ["Your account", "Where you’re signed in", "Change your password", "Authenticator app", "I have kept them"]) {
      assert.equal(await page.getByText(text, { exact: true }).first().isVisible(), false, `${text} is printed`);
    }
    await page.emulateMedia({ media: "screen" });
  });

  await t.test("once they are kept they aren't shown again", async () => {
    await page.getByRole("button", { name: "I have kept them" }).click();
    await page.getByText("10 recovery codes are left").waitFor();
    await page.reload();
    await page.getByText("10 recovery codes are left").waitFor();
    assert.equal(await page.getByText(codes[0]).count(), 0);
  });

  await t.test("the password alone leads to the second step, which a reload keeps", async () => {
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await atSignIn(page);
    await firstStep(page, server);
    assert.equal(await ticket(page), undefined);
    assert.ok(await codeField.evaluate((field) => field === document.activeElement));
    assert.deepEqual(await codeField.evaluate((field) => [field.autocomplete, field.inputMode, field.type]), ["one-time-code", "", "text"]);
    await checkAccessible(page, "the second step");
    await page.reload();
    await page.getByRole("heading", { name: "One more step" }).waitFor();
    const other = await page.context().newPage();
    await other.goto(`${server.url}/signin`);
    await atSignIn(other); // another tab can sign in as someone else
    await other.close();
  });

  await t.test("a wrong code says how many tries are left, and the last one ends the sign-in", async () => {
    for (const left of ["4 tries are left", "3 tries are left", "2 tries are left", "One try is left", "no more tries"]) {
      await enterCode(page, app.staleCode());
      await page.getByText(left).waitFor();
    }
    await checkAccessible(page, "no more tries");
    await enterCode(page, app.staleCode());
    await page.getByText("This sign-in has ended").waitFor();
    await atSignIn(page);
  });

  await t.test("it can be given up", async () => {
    await firstStep(page, server);
    await page.getByRole("button", { name: "Start over" }).click();
    await atSignIn(page);
    await page.reload();
    await atSignIn(page);
    assert.equal(await page.getByText("This sign-in has ended").count(), 0);
  });

  await t.test("too many attempts have to wait", async (t) => {
    const page = await openPage(t, browser);
    await page.route("**/api/auth/login/second", (route) =>
      route.fulfill({ status: 429, headers: { "Retry-After": "30" }, contentType: "application/problem+json", body: '{"status":429,"code":"throttled"}' }));
    await firstStep(page, server);
    await enterCode(page, "123456");
    await page.getByRole("alert").getByText("Too many attempts").waitFor();
    assert.equal(await page.getByRole("button", { name: "Sign in" }).getAttribute("aria-disabled"), "true");
  });

  await t.test("a browser that drops the cookie of the first step is told so", async (t) => {
    const page = await openPage(t, browser);
    await page.route("**/api/auth/login", async (route) => { // the answer without its cookie
      const pending = { kind: "second", factors: ["totp"], expires_at: "2030-01-01T00:00:00Z" };
      await route.fulfill({ status: 401, contentType: "application/problem+json", body: JSON.stringify({ status: 401, code: "second_factor_required", pending }) });
    });
    await firstStep(page, server);
    await page.getByRole("alert").getByText("didn’t store the sign-in cookie").waitFor();
  });

  await t.test("a code of the app signs in, and leads where the person wanted to go", async () => {
    await page.goto(`${server.url}/signin?next=${encodeURIComponent("/auth/admin/groups")}`);
    await page.getByLabel("Username").fill(username);
    await fillPassword(page, "Password", password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await enterCode(page, await app.code());
    await page.getByRole("heading", { name: "Groups" }).waitFor();
  });

  await t.test("a recovery code does, however it is typed, and once", async (t) => {
    const lost = await openPage(t, browser);
    await firstStep(lost, server);
    await enterCode(lost, codes[0].toLowerCase().replaceAll("-", " "));
    await atAccount(lost);
    await lost.getByText("9 recovery codes are left").waitFor();
    await lost.getByText("If you have lost your device, remove it here").waitFor();
    assert.equal(await page.getByText("If you have lost your device").count(), 0, "who has signed in with the app is told so");
    await lost.getByRole("button", { name: "Sign out", exact: true }).click();
    await atSignIn(lost);
    await firstStep(lost, server);
    await enterCode(lost, codes[0]);
    await lost.getByText("4 tries are left").waitFor();
  });

  await t.test("the dialog asks for what would do: the password or a code, or both", async () => {
    await page.goto(`${server.url}/auth/account`);
    await atAccount(page);
    const ask = async (problem) => {
      await demandOnce(page, "**/api/auth/factors/recovery", problem);
      await page.getByRole("button", { name: "Make new codes" }).click();
      await page.getByRole("group").getByRole("button", { name: "Make new codes" }).click();
      await page.getByRole("dialog").waitFor();
    };
    const dialog = page.getByRole("dialog");
    await ask({ code: "fresh_sign_in_required", factors: ["password", "totp", "recovery_code"] });
    assert.equal(await dialog.getByLabel("Code", { exact: true }).count(), 0);
    await dialog.getByRole("button", { name: "Use a code instead" }).click();
    await dialog.getByLabel("Code", { exact: true }).waitFor();
    assert.equal(await dialog.getByLabel("Password", { exact: true }).count(), 0);
    await checkAccessible(page, "the dialog for a code");
    await page.keyboard.press("Escape");
    await page.getByRole("group").getByRole("button", { name: "Cancel" }).click();

    await ask({ code: "full_sign_in_required", factors: ["password+totp", "password+recovery_code"] });
    await dialog.getByLabel("Password", { exact: true }).fill(password);
    await dialog.getByLabel("Code", { exact: true }).fill("123 45");
    await dialog.getByRole("button", { name: "Continue" }).click();
    await dialog.getByText("Enter the six digits").waitFor();
    await dialog.getByLabel("Code", { exact: true }).fill(codes[1]);
    await dialog.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  });

  await t.test("a new set replaces the former", async (t) => {
    const former = codes;
    codes = await page.getByRole("list", { name: "Your recovery codes" }).getByRole("listitem").allInnerTexts();
    await page.getByRole("button", { name: "I have kept them" }).click();
    await page.getByText("10 recovery codes are left").waitFor();
    const lost = await openPage(t, browser);
    await firstStep(lost, server);
    await enterCode(lost, former[2]);
    await lost.getByText("4 tries are left").waitFor();
    await enterCode(lost, codes[2]);
    await atAccount(lost);
  });

  await t.test("it is renamed, and removed: the password is enough again", async (t) => {
    await page.getByRole("button", { name: "Rename Authenticator app" }).click();
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("Phone in the hall");
    await page.getByRole("button", { name: "Save" }).first().click();
    await told("It is called Phone in the hall now.");
    await page.getByRole("button", { name: "Remove Phone in the hall" }).click();
    await page.getByText("Your password alone is then enough to sign in. Your recovery codes stop working.").waitFor();
    await page.getByRole("button", { name: "Remove it" }).click();
    await told("Phone in the hall has been removed.");
    await page.getByText("You have no second factor yet").waitFor();
    const other = await openPage(t, browser);
    await signIn(other, server);
  });
});

test("with the keyboard alone, on a phone", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { viewport: phone, colorScheme: "dark" });
  const keys = keyboardOf(page);
  const fits = async (where) => {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(wide, 0, `${where}: it has to be scrolled sideways`);
    await checkAccessible(page, where);
  };

  await signIn(page, server);
  await page.getByText("You have no second factor yet").waitFor();
  await keys.press("Set up an authenticator app");
  await page.getByRole("img", { name: "QR code" }).waitFor();
  await fits("setting an app up");
  const app = authenticator(await page.locator(".key code").innerText());
  await keys.type("Code", await app.code());
  await keys.key("Enter");
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  await fits("recovery codes");
  const [code] = await page.getByRole("list", { name: "Your recovery codes" }).getByRole("listitem").allInnerTexts();
  await keys.press("I have kept them");
  await keys.press("Rename Authenticator app");
  await keys.type("Name", "Phone");
  await fits("renaming");
  await keys.key("Enter");
  await page.getByText("It is called Phone now.").waitFor();
  await keys.press("Sign out");
  await atSignIn(page);

  await keys.type(/^Username/, admin.username);
  await keys.type("Password", admin.password);
  await keys.key("Enter");
  await page.getByRole("heading", { name: "One more step" }).waitFor();
  await fits("the second step");
  await page.keyboard.type(app.staleCode()); // the field has the focus
  await keys.key("Enter");
  await page.getByText("4 tries are left").waitFor();
  await fits("a wrong code");
  await page.keyboard.type(code); // the wrong one is selected, so typing replaces it
  await keys.key("Enter");
  await atAccount(page);

  await page.getByText("9 recovery codes are left").waitFor();
  await keys.press("Make new codes");
  await keys.press("Make new codes"); // the same words, as the answer to the question
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  await keys.press("I have kept them");
  await keys.press("Remove Phone");
  await keys.key("Escape");
  await keys.press("Remove Phone");
  await fits("the question before a removal");
  await keys.press("Remove it");
  await page.getByText("Phone has been removed.").waitFor();
});

test("an administrator sees the second factors of a user, and removes them all", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await signIn(page, server);
  const user = { username: "grace", password: "a compiler for each tongue" };
  await page.evaluate(async (user) => {
    await fetch("/api/auth/admin/users", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(user) });
  }, user);
  const hers = await openPage(t, browser);
  await hers.goto(`${server.url}/signin`);
  await hers.getByLabel("Username").fill(user.username);
  await fillPassword(hers, "Password", user.password);
  await hers.getByRole("button", { name: "Sign in" }).click();
  await atAccount(hers);
  await hers.getByRole("button", { name: "Set up an authenticator app" }).click();
  const app = authenticator(await hers.locator(".key code").innerText());
  await hers.getByLabel("Code", { exact: true }).fill(await app.code());
  await hers.getByRole("button", { name: "Turn it on" }).click();
  await hers.getByRole("button", { name: "I have kept them" }).click();

  await page.goto(`${server.url}/auth/admin/users`);
  await page.getByRole("link", { name: "grace" }).click();
  const factors = page.getByRole("region", { name: "Second factors" });
  await factors.getByRole("button", { name: "Show second factors" }).click();
  await factors.getByRole("rowheader", { name: "Authenticator app" }).waitFor();
  await factors.getByText("10 recovery codes are left").waitFor();
  await checkAccessible(page, "a user's factors");
  await factors.getByRole("button", { name: "Remove all" }).click();
  await factors.getByRole("button", { name: "Remove them" }).click();
  await factors.getByText("The second factors of grace have been removed.").waitFor();
  await factors.getByText("signs in with the password alone").waitFor();
  await atSignIn(hers);
  const response = await server.post("/api/auth/login", user);
  assert.equal(response.status, 200, await response.text());
});

test("where a second factor is required, it is set up on the way in", async (t) => {
  const server = await startServer(t, ["--second-factor", "required", "--enrol-on-password"]);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { viewport: phone });
  const heading = page.getByRole("heading", { name: "Set up a second factor", level: 1 });
  await page.goto(await server.setupLink());
  await page.getByLabel("Username").fill(admin.username);
  await fillPassword(page, "Password", admin.password);
  await page.getByRole("button", { name: "Create the account" }).click();
  await heading.waitFor();
  assert.equal(await ticket(page), undefined);
  await page.getByRole("img", { name: "QR code" }).waitFor();
  await checkAccessible(page, "setting an app up on the way in");
  await page.reload();
  await heading.waitFor();
  await page.getByRole("button", { name: "Start over" }).click();

  await atSignIn(page);
  await page.getByLabel("Username").fill(admin.username);
  await fillPassword(page, "Password", admin.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  const app = authenticator(await page.locator(".key code").innerText());
  await page.getByLabel("Code", { exact: true }).fill(app.staleCode());
  await page.getByRole("button", { name: "Turn it on" }).click();
  await page.getByText("This code is not right").waitFor();
  await page.getByLabel("Code", { exact: true }).fill(await app.code());
  await page.getByRole("button", { name: "Turn it on" }).click();
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  await checkAccessible(page, "recovery codes on the way in");
  await page.getByRole("button", { name: "I have kept them" }).click();
  await atAccount(page);
  await page.getByText("This server asks you for a second factor").waitFor();
  await page.getByRole("button", { name: "Remove Authenticator app" }).click();
  await page.getByRole("button", { name: "Remove it" }).click();
  await page.getByText("you can’t remove your last one").or(page.getByText("you can't remove your last one")).first().waitFor();
});

test("recovery codes of a factor that was set up on the way in are shown also if the browser drops the cookie", async (t) => {
  const server = await startServer(t, ["--second-factor", "required", "--enrol-on-password"]);
  await server.makeAdmin().catch(() => {}); // it is answered that a second factor is to be set up
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await page.route("**/api/auth/login/enrol/totp", (route) =>
    route.fulfill({ status: 503, headers: { "Retry-After": "1" }, contentType: "application/problem+json", body: '{"status":503,"code":"unavailable"}' }), { times: 1 });
  await page.goto(`${server.url}/signin`);
  await page.getByLabel("Username").fill(admin.username);
  await fillPassword(page, "Password", admin.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Start over" }).waitFor();
  await checkAccessible(page, "an outage on the way in");
  await page.getByRole("button", { name: "Try now" }).click();
  const app = authenticator(await page.locator(".key code").innerText());
  await page.route("**/api/auth/login/enrol/totp/confirm", async (route) => {
    const response = await route.fetch();
    await page.context().clearCookies();
    const { "set-cookie": _, ...headers } = response.headers();
    await route.fulfill({ response, headers });
  });
  await page.getByLabel("Code", { exact: true }).fill(await app.code());
  await page.getByRole("button", { name: "Turn it on" }).click();
  await page.getByRole("alert").getByText("didn’t store the sign-in cookie").waitFor();
  const codes = await page.getByRole("list", { name: "Your recovery codes" }).getByRole("listitem").allInnerTexts();
  assert.equal(codes.length, 10);
  await page.unrouteAll();
  await page.getByRole("button", { name: "I have kept them" }).click();
  await atSignIn(page);
  assert.equal(await page.getByRole("list", { name: "Your recovery codes" }).count(), 0);
  await firstStep(page, server);
  await enterCode(page, codes[0]);
  await atAccount(page);
});

test("where a second factor is required, a passkey is set up on the way in", async (t) => {
  const server = await startServer(t, ["--second-factor", "required", "--enrol-on-password"], "localhost");
  await server.makeAdmin().catch(() => {}); // it is answered that a second factor is to be set up
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { viewport: phone });
  const authenticator = await addAuthenticator(page, { isUserVerified: false });
  const add = page.getByRole("button", { name: "Add a passkey" });
  await page.goto(`${server.url}/signin`);
  await page.getByLabel("Username").fill(admin.username);
  await fillPassword(page, "Password", admin.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await add.waitFor();
  await checkAccessible(page, "the choice of a factor on the way in");
  await page.getByRole("button", { name: "Set up an authenticator app" }).click();
  await page.getByRole("img", { name: "QR code" }).waitFor();
  await page.getByRole("button", { name: "Choose another way" }).click();
  const asked = page.waitForResponse((it) => it.url().endsWith("/api/auth/login/enrol/passkey/options"));
  await add.click(); // the person isn't verified, which is as if the dialog was closed
  await asked;
  await page.locator("button[aria-disabled=false]", { hasText: "Add a passkey" }).waitFor();
  assert.equal(await ticket(page), undefined);
  await authenticator.verify(true);
  await add.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  assert.equal((await authenticator.credentials()).length, 1);
  await page.getByRole("button", { name: "I have kept them" }).click();
  await atAccount(page);
  await page.getByRole("button", { name: "Remove Passkey" }).waitFor();
});

test("passkeys and security keys on the pages", async (t) => {
  const server = await startServer(t, [], "localhost"); // browsers refuse passkeys at an IP address
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { viewport: phone });
  const authenticator = await addAuthenticator(page);
  await watch(page);
  const section = page.getByRole("region", { name: "Ways in", exact: true });
  const told = (text) => section.getByRole("status").getByText(text).waitFor();
  const signOut = async () => {
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await atSignIn(page);
  };

  await t.test("a passkey is added, and ends nothing", async () => {
    await signIn(page, server);
    await section.getByRole("button", { name: "Add a passkey" }).click();
    await checkAccessible(page, "adding a passkey");
    assert.equal(await section.getByText("This device stays signed in").count(), 0);
    await section.getByLabel("Name").fill("Laptop");
    await section.getByRole("button", { name: "Add a passkey" }).click();
    await section.getByRole("button", { name: "I have kept them" }).click();
    await told("The passkey has been added.");
    await section.getByRole("heading", { name: "Laptop" }).waitFor();
    await page.getByText("a Node program").waitFor(); // the device that made the account
  });

  await t.test("it signs in by the button, and from the field", async () => {
    await authenticator.touch(false); // or the suggestions of the field would sign in before the form is seen
    await signOut();
    await suggests(page);
    await authenticator.touch(true); // from the next question on
    await page.getByRole("button", { name: "Use a passkey", exact: true }).click();
    await atAccount(page);
  });

  await t.test("the switch asks for it after the password", async () => {
    await section.getByRole("button", { name: "Ask for a second step" }).click();
    await checkAccessible(page, "the question before the switch");
    await section.getByRole("button", { name: "Ask for it" }).click();
    await told("A second step is asked for");
    await page.getByText("a Node program").waitFor({ state: "detached" });
  });

  await t.test("it proves again who the person is", async () => {
    await demandOnce(page, "**/api/auth/factors/recovery", { code: "full_sign_in_required", factors: ["passkey", "password+recovery_code"] });
    await section.getByRole("button", { name: "Make new codes" }).click();
    await section.getByRole("group").getByRole("button", { name: "Make new codes" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Use a passkey or security key" }).click();
    await section.getByRole("button", { name: "I have kept them" }).click();
  });

  await t.test("removed, it is gone", async () => {
    await section.getByRole("button", { name: "Remove Laptop" }).click();
    await section.getByRole("button", { name: "Remove it" }).click();
    await told("Laptop has been removed.");
    await section.getByText("You have no second factor yet").waitFor();
  });
});

test("a security key is the second step", async (t) => {
  const server = await startServer(t, [], "localhost");
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await addAuthenticator(page, { transport: "usb", hasResidentKey: false, hasUserVerification: false, isUserVerified: false });
  const section = page.getByRole("region", { name: "Ways in", exact: true });
  await signIn(page, server);
  await section.getByRole("button", { name: "Add a security key" }).click();
  await section.getByText("Signed in: a Node program").waitFor();
  await checkAccessible(page, "adding a security key");
  await section.getByRole("button", { name: "Add a security key" }).click();
  await section.getByRole("button", { name: "I have kept them" }).click();
  await page.getByText("a Node program").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await atSignIn(page);
  await firstStep(page, server);
  await checkAccessible(page, "the second step with a key");
  await page.getByRole("button", { name: "Use a passkey or security key" }).click();
  await atAccount(page);
});
