import assert from "node:assert/strict";
import test from "node:test";
import { addAuthenticator } from "../lib/authenticator.mjs";
import { checkAccessible } from "../lib/axe.mjs";
import { ask, atAccount, fillPassword, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

const password = "three umbrellas in the stand";

test("an account is asked for in one browser and made in another", async (t) => {
  const server = await startServer(t, ["--signup", "open"]);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);

  await t.test("the sign-in page offers none before there is an administrator", async () => {
    await page.goto(`${server.url}/signin`);
    await page.getByText("There are no accounts yet").waitFor();
    assert.equal(await page.getByRole("link", { name: "Create an account" }).count(), 0);
    await page.goto(`${server.url}/auth/signup`);
    await page.getByLabel("E-mail").fill("eve@example.com");
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.getByRole("heading", { name: "No new accounts here" }).waitFor();
  });

  await server.makeAdmin();

  await t.test("the page says the same for every address, and keeps one that is refused", async () => {
    await page.goto(`${server.url}/signin`);
    await page.getByRole("link", { name: "Create an account" }).click();
    await page.getByRole("heading", { name: "Create an account" }).waitFor();
    assert.equal(page.url(), `${server.url}/auth/signup`);
    await checkAccessible(page, "signup");
    await page.getByLabel("E-mail").fill("bob@nowhere");
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.getByText("Enter a valid email address.").waitFor();
    assert.equal(await page.getByLabel("E-mail").inputValue(), "bob@nowhere");
    for (const address of [admin.email, "bob@example.com"]) {
      await page.goto(`${server.url}/auth/signup`);
      await page.getByLabel("E-mail").fill(address);
      await page.getByRole("button", { name: "Send the link" }).click();
      await page.getByRole("heading", { name: "Look into your mail" }).waitFor();
      await page.getByText(`A message to ${address} is on its way.`).waitFor();
    }
    await checkAccessible(page, "signup, sent");
  });

  await t.test("a person who has an account is told so", async () => {
    const message = await server.mail("signup_known");
    assert.match(message, new RegExp(`have\\s+one\\s+already: ${admin.username}\\.`));
    assert.ok(!message.includes("#"), message);
  });

  await t.test("the link makes the account once it has a name and a password", async (t) => {
    const link = /^http\S+$/m.exec(await server.mail("signup"))[0];
    assert.ok(link.startsWith(`${server.url}/auth/welcome#`), link);
    for (const method of ["GET", "HEAD"]) assert.equal((await fetch(link, { method })).status, 200); // as a scanner of mail does
    const elsewhere = await openPage(t, browser);
    await elsewhere.goto(link);
    await elsewhere.getByRole("heading", { name: "Create your account" }).waitFor();
    assert.equal(elsewhere.url(), `${server.url}/auth/welcome`);
    await elsewhere.getByText("The account gets the address bob@example.com.").waitFor();
    await checkAccessible(elsewhere, "welcome");
    await elsewhere.getByLabel("Username").fill(admin.username);
    await fillPassword(elsewhere, "Password", password);
    await elsewhere.getByRole("button", { name: "Create the account" }).click();
    await elsewhere.getByText("A user with that username already exists.").waitFor();
    assert.equal(await elsewhere.getByLabel("Password", { exact: true }).inputValue(), password);
    assert.equal((await server.run("user", "list")).includes("bob@example.com"), false, "opening the link has made an account");
    await elsewhere.getByLabel("Username").fill("bob");
    await elsewhere.getByRole("button", { name: "Create the account" }).click();
    await atAccount(elsewhere);
    const me = await ask(elsewhere, "/api/me");
    assert.equal(me.status, 200);
    assert.equal((await ask(page, "/api/me")).status, 401, "the browser that asked is signed in");
    assert.ok(!server.log.includes(link.split("#")[1]), "the log has the secret");

    const again = await openPage(t, browser);
    await again.goto(link);
    await again.getByRole("heading", { name: "This link doesn’t work" }).waitFor();
    await checkAccessible(again, "welcome, link used");
    await again.getByRole("link", { name: "Ask for a new link" }).click();
    await again.getByRole("heading", { name: "Create an account" }).waitFor();
  });
});

test("an administrator invites", async (t) => {
  const server = await startServer(t, ["--signup", "invite"]);
  await server.makeAdmin();
  await server.run("group", "add", "editors");
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await signIn(page, server);
  const told = (text) => page.getByRole("status").getByText(text);

  await page.goto(`${server.url}/auth/admin/users`);
  await page.getByRole("link", { name: "Invitations" }).click();
  await page.getByText("There are no open invitations.").waitFor();
  await page.getByLabel("E-mail").fill("bob@example.com");
  const groups = page.getByRole("combobox", { name: "Groups" });
  await groups.fill("editors");
  await page.getByRole("option").first().waitFor();
  await groups.press("Enter");
  await page.getByRole("button", { name: "Invite", exact: true }).click();
  await told("bob@example.com is invited.").waitFor();
  await page.getByRole("row").filter({ hasText: "bob@example.com" }).getByText("editors").waitFor();
  await checkAccessible(page, "invitations");
  const link = /^http\S+$/m.exec(await server.mail("invitation"))[0];

  const guest = await openPage(t, browser);
  await guest.goto(link);
  await guest.getByText("The account gets the address bob@example.com.").waitFor();
  await guest.getByLabel("Username").fill("bob");
  await fillPassword(guest, "Password", password);
  await guest.getByRole("button", { name: "Create the account" }).click();
  await atAccount(guest);
  assert.deepEqual(JSON.parse((await ask(guest, "/api/me")).body).groups, ["editors"]);

  await page.getByLabel("E-mail").fill("eve@example.com");
  await page.getByLabel(/^Show me the link/).check();
  await page.getByRole("button", { name: "Invite", exact: true }).click();
  const printed = await page.locator("pre code").textContent();
  assert.ok(printed.startsWith(`${server.url}/auth/welcome#`), printed);
  await page.getByRole("button", { name: "Withdraw the invitation of eve@example.com" }).click();
  await page.getByRole("button", { name: "Withdraw it", exact: true }).click();
  await told("The invitation of eve@example.com is withdrawn.").waitFor();

  await t.test("an address arrives as it was typed, and what the server refuses is told at the field", async () => {
    const field = page.getByLabel("E-mail");
    const invite = async (text) => {
      await field.fill("");
      await field.pressSequentially(text); // what a script sets isn't rewritten
      await page.getByRole("button", { name: "Invite", exact: true }).click();
    };
    await invite("ada@straße.example");
    await told("ada@straße.example is invited.").waitFor();
    const { body } = await ask(page, "/api/auth/admin/invitations");
    assert.match(body, /"ada@straße\.example"/);
    assert.doesNotMatch(body, /strasse/); // another domain
    await invite("ada");
    await page.getByText("Enter a valid email address.").waitFor();
    assert.equal(await field.getAttribute("aria-invalid"), "true");
  });

  const late = await openPage(t, browser);
  await late.goto(printed);
  await late.getByRole("heading", { name: "This link doesn’t work" }).waitFor();
  await late.getByText("Ask the person who has invited you for a new one.").waitFor();
  assert.equal(await late.getByRole("link", { name: "Ask for a new link" }).count(), 0);
});

test("an account begins with a passkey in place of a password", async (t) => {
  const server = await startServer(t, ["--signup", "open"], "localhost"); // browsers refuse passkeys at an IP address
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const asking = await openPage(t, browser);
  await asking.goto(`${server.url}/auth/signup`);
  await asking.getByLabel("E-mail").fill("bob@example.com");
  await asking.getByRole("button", { name: "Send the link" }).click();
  await asking.getByRole("heading", { name: "Look into your mail" }).waitFor();
  const link = /^http\S+$/m.exec(await server.mail("signup"))[0];

  const page = await openPage(t, browser);
  const authenticator = await addAuthenticator(page);
  const create = page.getByRole("button", { name: "Create the account with a passkey" });
  const known = async () => (await server.run("user", "list")).includes("bob@example.com");
  await page.goto(link);
  await page.getByLabel("Username").fill("bob");
  await page.getByRole("button", { name: "Use a passkey instead of a password" }).click();
  assert.equal(await page.getByLabel("Password", { exact: true }).count(), 0);
  assert.equal(await page.getByLabel("Username").inputValue(), "bob");
  await checkAccessible(page, "welcome, passkey");
  await page.getByRole("button", { name: "Use a password instead" }).click();
  await page.getByLabel("Password", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Use a passkey instead of a password" }).click();

  await t.test("nothing is made before the passkey is", async () => {
    await page.getByLabel("Username").fill(admin.username);
    await create.click();
    await page.getByText("A user with that username already exists.").waitFor();
    assert.equal((await authenticator.credentials()).length, 0, "a passkey was made for a name that is taken");
    await authenticator.verify(false); // the device refuses, as if the person had closed the dialog
    await page.getByLabel("Username").fill("bob");
    const options = page.waitForResponse((response) => response.url().endsWith("/signup/passkey/options"));
    await create.click();
    await options;
    await create.and(page.locator(":enabled")).waitFor();
    assert.equal(await known(), false, "an account was made without a passkey");
    await authenticator.verify(true);
  });

  await t.test("the passkey makes the account, and its recovery codes are shown", async () => {
    await create.click();
    await page.getByRole("heading", { name: "Your account was created" }).waitFor();
    assert.equal(await page.getByRole("list", { name: "Your recovery codes" }).getByRole("listitem").count(), 10);
    await checkAccessible(page, "welcome, recovery codes");
    await page.getByRole("button", { name: "I have kept them" }).click();
    await atAccount(page);
    assert.equal(JSON.parse((await ask(page, "/api/me")).body).username, "bob");
    const [credential, ...more] = await authenticator.credentials();
    assert.deepEqual([credential.userName, credential.rpId, more.length], ["bob", "localhost", 0]);
  });

  await t.test("it signs in alone, and the link is spent", async () => {
    await page.goto(link);
    await page.getByRole("heading", { name: "This link doesn’t work" }).waitFor();
    await page.context().clearCookies();
    await page.goto(`${server.url}/signin`); // whose suggestions the device accepts at once
    await atAccount(page);
    assert.equal(JSON.parse((await ask(page, "/api/me")).body).username, "bob");
  });
});

test("recovery codes of a new account are shown also if the browser drops its cookie", async (t) => {
  const server = await startServer(t, ["--signup", "open"], "localhost");
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await page.goto(`${server.url}/auth/signup`);
  await page.getByLabel("E-mail").fill("bob@example.com");
  await page.getByRole("button", { name: "Send the link" }).click();
  await page.getByRole("heading", { name: "Look into your mail" }).waitFor();
  const link = /^http\S+$/m.exec(await server.mail("signup"))[0];

  await addAuthenticator(page);
  await page.route("**/api/auth/signup/passkey", async (route) => {
    const response = await route.fetch();
    await page.context().clearCookies();
    const { "set-cookie": _, ...headers } = response.headers();
    await route.fulfill({ response, headers });
  });
  await page.goto(link);
  await page.getByLabel("Username").fill("bob");
  await page.getByRole("button", { name: "Use a passkey instead of a password" }).click();
  await page.getByRole("button", { name: "Create the account with a passkey" }).click();
  await page.getByRole("alert").getByText("didn’t store the sign-in cookie").waitFor();
  assert.equal(await page.getByRole("list", { name: "Your recovery codes" }).getByRole("listitem").count(), 10);
  await page.unrouteAll();
  await page.getByRole("button", { name: "I have kept them" }).click();
  await page.getByRole("heading", { name: "Your account was created" }).waitFor();
  assert.equal(await page.getByRole("list", { name: "Your recovery codes" }).count(), 0);
  await page.getByRole("link", { name: "Back to sign-in" }).click();
  await atAccount(page); // the device accepts the suggestion of its passkey at once
});
