import assert from "node:assert/strict";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { ask, atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

test("a forgotten password is replaced by a link that is mailed", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const changed = "two hangers for each coat";

  await t.test("the sign-in page leads there", async () => {
    await page.goto(`${server.url}/signin`);
    await page.getByRole("link", { name: "Forgot your password?" }).click();
    await page.getByRole("heading", { name: "Forgot your password?" }).waitFor();
    assert.equal(page.url(), `${server.url}/auth/forgot`);
    await checkAccessible(page, "forgot");
  });

  await t.test("the page says the same for every address", async () => {
    for (const address of ["unknown@example.com", admin.email]) {
      await page.goto(`${server.url}/auth/forgot`);
      await page.getByLabel("E-mail").fill(address);
      await page.getByRole("button", { name: "Send the link" }).click();
      await page.getByRole("heading", { name: "Look into your mail" }).waitFor();
      await page.getByText(`If ${address} is the address of an account`).waitFor();
    }
    await checkAccessible(page, "forgot, sent");
  });

  await t.test("the link sets a password in another browser, and signs in nowhere", async (t) => {
    await signIn(page, server);
    const link = /^http\S+$/m.exec(await server.mail("reset_first"))[0];
    assert.ok(link.startsWith(`${server.url}/auth/reset#`), link);
    const elsewhere = await openPage(t, browser);
    await elsewhere.goto(link);
    await fillPassword(elsewhere, "New password", changed);
    assert.equal((await ask(page, "/api/me")).status, 200, "opening the link has changed something");
    await elsewhere.getByRole("button", { name: "Set the password" }).click();
    await elsewhere.getByRole("heading", { name: "Your password is set" }).waitFor();
    assert.equal((await ask(elsewhere, "/api/me")).status, 401, "the link signed the user in");
    await elsewhere.getByRole("link", { name: "Go to sign-in" }).click();
    await elsewhere.getByLabel("Username").fill(admin.username);
    await fillPassword(elsewhere, "Password", changed);
    await elsewhere.getByRole("button", { name: "Sign in" }).click();
    await elsewhere.getByText("Is every way into your account yours?").waitFor();
    await checkAccessible(elsewhere, "account after a reset");
    await elsewhere.getByRole("button", { name: "All are mine" }).click();
    await elsewhere.getByText("Is every way into your account yours?").waitFor({ state: "detached" });
    assert.equal(elsewhere.url(), `${server.url}/auth/account`);
    await atSignIn(page); // by itself
    await signIn(page, server, { password: changed });
    await atAccount(page);
    assert.match(await server.mail("password_changed"), /was changed/);
    assert.ok(!server.log.includes(link.split("#")[1]), "the log has the secret");
  });

  await t.test("a link that was used leads to a new one", async (t) => {
    const link = /^http\S+$/m.exec(await server.mail("reset_first"))[0];
    const elsewhere = await openPage(t, browser);
    await elsewhere.goto(link);
    await fillPassword(elsewhere, "New password", "three hangers for each coat");
    await elsewhere.getByRole("button", { name: "Set the password" }).click();
    await elsewhere.getByRole("heading", { name: "This link doesn’t work" }).waitFor();
    await elsewhere.getByRole("link", { name: "Send a new link by mail" }).click();
    await elsewhere.getByRole("heading", { name: "Forgot your password?" }).waitFor();
  });
});

test("an address is confirmed by a link, in a session of its account", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await signIn(page, server);
  await atAccount(page);
  await page.getByRole("button", { name: "Send a link" }).click();
  await page.getByText("a link is on its way").waitFor();
  const link = /^http\S+$/m.exec(await server.mail("verify"))[0];

  await t.test("elsewhere the link asks for a sign-in first", async (t) => {
    const elsewhere = await openPage(t, browser);
    await elsewhere.goto(link);
    await elsewhere.getByRole("heading", { name: "Sign in first" }).waitFor();
    await checkAccessible(elsewhere, "verify, signed out");
  });

  await t.test("a press of the button confirms it, once", async () => {
    await page.goto(link);
    await page.getByRole("heading", { name: "Confirm your address" }).waitFor();
    assert.equal(page.url(), `${server.url}/auth/verify`);
    await checkAccessible(page, "verify");
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText(`You receive mail at ${admin.email}.`).waitFor();
    await page.goto(link);
    await page.reload(); // the same document would keep its answer
    await page.goto("about:blank");
    await page.goto(link);
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByRole("heading", { name: "This link doesn’t work here" }).waitFor();
  });

  await t.test("another address is confirmed by a link to it, and the former one can take the account back", async (t) => {
    await page.goto(`${server.url}/auth/account`);
    await atAccount(page);
    await page.getByLabel("New address").fill("eve@example.org");
    await page.getByRole("button", { name: "Change the address" }).click();
    await page.getByText("A message to eve@example.org is on its way.").waitFor();
    await checkAccessible(page, "account, address asked for");
    await page.goto(/^http\S+$/m.exec(await server.mail("change"))[0]);
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText("You receive mail at eve@example.org.").waitFor();
    assert.equal(JSON.parse((await ask(page, "/api/me")).body).email, "eve@example.org");

    const link = /^http\S+$/m.exec(await server.mail("email_changed"))[0];
    const elsewhere = await openPage(t, browser);
    await elsewhere.goto(link);
    await elsewhere.getByRole("heading", { name: "Take your account back" }).waitFor();
    assert.equal(elsewhere.url(), `${server.url}/auth/revert`);
    await checkAccessible(elsewhere, "revert");
    await elsewhere.getByLabel("Username").fill("eve");
    await elsewhere.getByRole("button", { name: "Take it back" }).click();
    await elsewhere.getByText("This isn't the username of the account.").waitFor();
    await elsewhere.getByLabel("Username").fill(admin.username);
    await elsewhere.getByRole("button", { name: "Take it back" }).click();
    await elsewhere.getByRole("heading", { name: "The account is yours again" }).waitFor();
    await checkAccessible(elsewhere, "revert, done");
    await page.goto(`${server.url}/auth/account`);
    await atSignIn(page);
    await elsewhere.getByRole("link", { name: "Choose a new password" }).click();
    await fillPassword(elsewhere, "New password", "one umbrella for each guest");
    await elsewhere.getByRole("button", { name: "Set the password" }).click();
    await elsewhere.getByRole("heading", { name: "Your password is set" }).waitFor();
    await signIn(elsewhere, server, { password: "one umbrella for each guest" });
    await atAccount(elsewhere);
    assert.equal(JSON.parse((await ask(elsewhere, "/api/me")).body).email, admin.email);
  });
});
