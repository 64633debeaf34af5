import assert from "node:assert/strict";
import test from "node:test";
import { ask, atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser, ticket } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

const firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:146.0) Gecko/20100101 Firefox/146.0";
const safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1";

test("the account page", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const devices = (page) => page.locator("li.device");
  const device = (page, name) => devices(page).filter({ hasText: name });
  /** A page that lists the other, in another browser, among the devices. */
  const signedInTwice = async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    const other = await openPage(t, browser, { userAgent: firefox });
    await signIn(other, server);
    await page.reload();
    await device(page, "Firefox on Windows").waitFor();
    return [page, other];
  };

  await t.test("unknown browsers are distinguished by the names they send", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    for (const userAgent of ["Kiosk/7.1 (hall)", "Kiosk/7.1 (" + "very".repeat(60) + " long)"]) {
      await signIn(await openPage(t, browser, { userAgent }), server);
    }
    await page.reload();
    await device(page, "Unknown device").getByText("Kiosk/7.1 (hall)").waitFor();
    assert.equal(await device(page, "Unknown device").count(), 2);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/devices.png`, fullPage: true });
    await page.getByRole("button", { name: "Sign out Kiosk/7.1 (hall)" }).click();
    await page.getByRole("button", { name: "Sign it out" }).click();
    await page.getByRole("status").getByText("Kiosk/7.1 (hall) has been signed out.").waitFor();
  });

  await t.test("another device is ended from this one", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    await device(page, "This device").getByText("Chrome on Linux").waitFor();
    await device(page, "This device").getByText("127.0.0.1").waitFor();
    assert.equal(await device(page, "This device").getByRole("button").count(), 0, "there is a button to sign out this device");

    const other = await openPage(t, browser, { userAgent: firefox });
    await signIn(other, server);
    await page.reload();
    const row = device(page, "Firefox on Windows");
    const end = row.getByRole("button", { name: "Sign out Firefox on Windows" });

    await end.click();
    await page.keyboard.press("Escape"); // thinks better of it
    await end.waitFor();
    assert.ok(await end.evaluate((button) => button === document.activeElement), "the focus got lost");
    assert.equal((await ask(other, "/api/me")).status, 200);

    await end.click();
    await row.getByRole("button", { name: "Sign it out" }).click();
    await page.getByRole("status").getByText("Firefox on Windows has been signed out.").waitFor();
    assert.equal(await row.count(), 0);

    const me = await ask(other, "/api/me");
    assert.equal(me.status, 401);
    assert.equal(JSON.parse(me.body).code, "session_ended");
    await atSignIn(other); // by itself
    await other.getByText("This device was signed out from another one").waitFor();
    assert.equal((await ask(page, "/api/me")).status, 200);
  });

  await t.test("a user changes the name that the page shows", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    const names = page.locator("section", { has: page.getByRole("heading", { name: "Your name and language" }) });
    await names.getByLabel("First name").fill("Ada");
    await names.getByLabel("Last name").fill("Lovelace");
    await names.getByRole("button", { name: "Save" }).click();
    await names.getByRole("status").getByText("Saved.").waitFor();
    await page.locator(".who").getByText("Ada Lovelace").waitFor();
    await page.reload();
    await page.locator(".who").getByText("Ada Lovelace").waitFor();
    await names.getByLabel("First name").fill("x".repeat(151));
    await names.getByRole("button", { name: "Save" }).click();
    await names.getByText(/150/).waitFor(); // why not
    assert.equal(await names.getByLabel("First name").inputValue(), "x".repeat(151), "what was typed is lost");
    await names.getByLabel("First name").fill("");
    await names.getByLabel("Last name").fill("");
    await names.getByRole("button", { name: "Save" }).click();
    await names.getByRole("status").getByText("Saved.").waitFor();
  });

  await t.test("a user chooses the language of mails and pages, which another browser shows once it has signed in", async (t) => {
    const page = await openPage(t, browser, { locale: "en-US" });
    await signIn(page, server);
    const names = page.locator("section", { has: page.getByRole("heading", { name: "Your name and language" }) });
    await names.getByLabel("Language of messages and pages").selectOption("Deutsch");
    await names.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "Dein Name und deine Sprache" }).waitFor();
    const other = await openPage(t, browser, { locale: "en-US" });
    await other.goto(`${server.url}/signin`);
    await other.getByLabel("Username").fill(admin.username);
    await fillPassword(other, "Password", admin.password);
    await other.getByRole("button", { name: "Sign in" }).click();
    await other.waitForURL("**/auth/account");
    await other.reload(); // the words of a page are those of its document
    await other.getByRole("heading", { name: "Dein Name und deine Sprache" }).waitFor();
    assert.equal(JSON.parse((await ask(other, "/api/me")).body).language, "de");
    await other.getByLabel("Sprache von Nachrichten und Seiten").selectOption("");
    await other.getByRole("button", { name: "Speichern", exact: true }).click();
    await other.getByRole("heading", { name: "Your name and language" }).waitFor();
  });

  await t.test("a language of the account is none of the browser's, whose own outlives a change of the name", async (t) => {
    const page = await openPage(t, browser, { locale: "en-US" });
    await signIn(page, server);
    const english = page.locator("section", { has: page.getByRole("heading", { name: "Your name and language" }) });
    const german = page.locator("section", { has: page.getByRole("heading", { name: "Dein Name und deine Sprache" }) });
    const chosen = async () => (await page.context().cookies()).find((c) => c.name === "cloakroom_language")?.value;
    const language = async () => JSON.parse((await ask(page, "/api/me")).body).language;
    await english.getByLabel("Language of messages and pages").selectOption("Deutsch");
    await english.getByRole("button", { name: "Save" }).click();
    await german.waitFor();
    assert.equal(await chosen(), undefined, "the language of the account became one of the browser");

    await page.getByLabel("Sprache", { exact: true }).selectOption("English"); // at the foot
    await english.getByLabel("First name").fill("Augusta");
    await english.getByRole("button", { name: "Save" }).click();
    await english.getByRole("status").getByText("Saved.").waitFor();
    await page.reload();
    await english.getByLabel("First name").waitFor();
    assert.deepEqual([await chosen(), await language()], ["en", "de"]);

    const headers = { "Content-Type": "application/json" };
    assert.equal((await ask(page, "/api/auth/me", { method: "PATCH", headers, body: '{"first_name":"","language":""}' })).status, 200);
  });

  await t.test("all other devices are ended at once", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    const others = [await openPage(t, browser, { userAgent: firefox }), await openPage(t, browser, { userAgent: safari })];
    for (const other of others) await signIn(other, server);
    await page.reload();
    await device(page, "Safari on iPhone").waitFor();
    await page.getByRole("button", { name: "Sign out all other devices" }).click();
    await page.getByRole("button", { name: "Sign them out" }).click();
    await page.getByRole("status").getByText(/other devices? signed out/).waitFor();
    assert.equal(await devices(page).count(), 1);
    for (const other of others) assert.equal((await ask(other, "/api/me")).status, 401);
    assert.equal((await ask(page, "/api/me")).status, 200);
  });

  await t.test("if the server requires the password again, the page asks for it and continues", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    const other = await openPage(t, browser, { userAgent: firefox });
    await signIn(other, server);
    await page.reload();
    let stale = true;
    await page.route("**/api/auth/sessions/*", (route) => {
      if (!stale) return route.continue();
      return route.fulfill({ status: 403, contentType: "application/problem+json", body: '{"status":403,"code":"fresh_sign_in_required"}' });
    });
    const end = async () => {
      await device(page, "Firefox on Windows").getByRole("button", { name: "Sign out Firefox on Windows" }).click();
      await device(page, "Firefox on Windows").getByRole("button", { name: "Sign it out" }).click();
    };
    const dialog = page.getByRole("dialog");

    await end();
    await dialog.getByLabel("Password", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await device(page, "Firefox on Windows").getByRole("button", { name: "Cancel" }).click();
    assert.equal((await ask(other, "/api/me")).status, 200);

    await end();
    await dialog.getByLabel("Password", { exact: true }).fill("not her password, at all");
    await dialog.getByRole("button", { name: "Continue" }).click();
    await dialog.locator('[aria-invalid="true"]').waitFor();
    await dialog.getByLabel("Password", { exact: true }).fill(admin.password);
    const before = await ticket(page);
    stale = false;
    await dialog.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("status").getByText("Firefox on Windows has been signed out.").waitFor();
    assert.equal(await dialog.count(), 0);
    assert.notEqual((await ticket(page)).value, before.value, "S05: entering the password again gives a new ticket");
    assert.equal((await ask(other, "/api/me")).status, 401);
  });

  await t.test("a sign-out ends this session in every tab, and Back shows nothing of it", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    const tab = await page.context().newPage();
    await tab.goto(`${server.url}/auth/account`);
    await atAccount(tab);
    await page.bringToFront();
    const old = await ticket(page);

    await page.goto(`${server.url}/healthz`);
    await page.goBack();
    await atAccount(page);
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await atSignIn(page);
    assert.equal(await ticket(page), undefined, "the cookie is still there");
    assert.equal(await page.getByText("You were signed out").count(), 0);
    const again = await fetch(`${server.url}/api/me`, { headers: { Cookie: `sessionid=${old.value}` } });
    assert.equal(again.status, 401, "X01: the old ticket still opens");

    await page.goBack();
    await page.waitForLoadState();
    await page.waitForTimeout(500);
    assert.equal(await page.getByText(admin.email).count(), 0, "Back shows the account");
    await tab.bringToFront();
    await atSignIn(tab);
  });

  await t.test("a sign-out everywhere ends every session", async (t) => {
    const [page, other] = await signedInTwice(t);
    await page.getByRole("button", { name: "Sign out everywhere" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Sign out everywhere" }).click();
    await page.getByRole("group", { name: "and this one" }).getByRole("button", { name: "Sign out everywhere" }).click();
    await atSignIn(page);
    await atSignIn(other);
    assert.equal(await ticket(page), undefined);
  });

  await t.test("changing the password", async (t) => {
    const [page, other] = await signedInTwice(t);
    const form = page.getByRole("region", { name: "Change your password" });
    const send = form.getByRole("button", { name: "Change password" });
    const wrong = (name) => form.locator(`input[name="${name}"][aria-invalid="true"]`);
    const changed = "two hangers for each coat";

    await fillPassword(form, "Current password", "not her password, at all");
    await fillPassword(form, "New password", changed);
    await send.click();
    await wrong("current_password").waitFor();
    assert.equal(await wrong("new_password").count(), 0);

    await fillPassword(form, "Current password", admin.password);
    await fillPassword(form, "New password", "2718281828459045");
    await send.click();
    await wrong("new_password").waitFor();
    await fillPassword(form, "New password", "short");
    await send.click();
    await form.locator(".field-errors").getByText(/15 characters/).waitFor();
    assert.equal((await ask(other, "/api/me")).status, 200, "a refused change ended another device");

    const before = await ticket(page);
    await fillPassword(form, "New password", changed);
    await send.click();
    await form.getByRole("status").getByText("Your password has been changed").waitFor();
    assert.notEqual((await ticket(page)).value, before.value, "S05: the ticket is the same");
    await device(page, "Firefox on Windows").waitFor({ state: "detached" });
    assert.equal(await form.getByLabel("New password").first().inputValue(), "");

    await atSignIn(other);
    await other.getByText("because the password was changed").waitFor();
    await page.reload();
    await atAccount(page);
    assert.equal((await server.post("/api/auth/login", { username: admin.username, password: admin.password })).status, 401);
    await signIn(other, server, { password: changed });
  });
});

test("a session that is about to end", async (t) => {
  const server = await startServer(t, ["--idle", "64s", "--max-sessions", "1"]);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await signIn(page, server);

  await t.test("is announced a minute before, and can be extended", async () => {
    const notice = page.getByText("will be signed out in less than a minute");
    await notice.waitFor();
    await page.getByRole("button", { name: "Stay signed in" }).click();
    await notice.waitFor({ state: "detached" });
    const listens = page.waitForResponse((r) => r.url().endsWith("/api/auth/events") && r.ok());
    await page.reload();
    await atAccount(page);
    await listens; // only then it learns why its session ends
  });

  await t.test("says so if there are too many of them", async () => {
    const { username, password } = admin;
    assert.equal((await server.post("/api/auth/login", { username, password })).status, 200);
    await atSignIn(page);
    await page.getByText("your account was signed in on too many devices").waitFor();
  });
});
