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
    const link = /^http\S+$/m.exec(await server.mail("reset"))[0];
    assert.ok(link.startsWith(`${server.url}/auth/reset#`), link);
    const elsewhere = await openPage(t, browser);
    await elsewhere.goto(link);
    await fillPassword(elsewhere, "New password", changed);
    assert.equal((await ask(page, "/api/me")).status, 200, "opening the link has changed something");
    await elsewhere.getByRole("button", { name: "Set the password" }).click();
    await elsewhere.getByRole("heading", { name: "Your password is set" }).waitFor();
    assert.equal((await ask(elsewhere, "/api/me")).status, 401, "the link signed the user in");
    await atSignIn(page); // by itself
    await signIn(page, server, { password: changed });
    await atAccount(page);
    assert.match(await server.mail("password_changed"), /was changed/);
    assert.ok(!server.log.includes(link.split("#")[1]), "the log has the secret");
  });

  await t.test("a link that was used leads to a new one", async (t) => {
    const link = /^http\S+$/m.exec(await server.mail("reset"))[0];
    const elsewhere = await openPage(t, browser);
    await elsewhere.goto(link);
    await fillPassword(elsewhere, "New password", "three hangers for each coat");
    await elsewhere.getByRole("button", { name: "Set the password" }).click();
    await elsewhere.getByRole("heading", { name: "This link doesn’t work" }).waitFor();
    await elsewhere.getByRole("link", { name: "Send a new link by mail" }).click();
    await elsewhere.getByRole("heading", { name: "Forgot your password?" }).waitFor();
  });
});
