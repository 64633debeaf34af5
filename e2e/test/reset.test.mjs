import assert from "node:assert/strict";
import test from "node:test";
import { ask, atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

test("a password is reset from a one-time link", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const link = async () => JSON.parse(await server.run("user", "reset", admin.username, "--url", server.url, "--json")).link;
  const set = page.getByRole("button", { name: "Set the password" });
  const changed = "two hangers for each coat";

  await t.test("the page without its secret says what to do", async () => {
    await page.goto(`${server.url}/auth/reset`);
    await page.getByRole("heading", { name: "The link is incomplete" }).waitFor();
    await page.getByText("cloakroom user reset NAME").waitFor();
  });

  await t.test("a wrong secret is explained", async () => {
    await page.goto("about:blank");
    await page.goto(`${server.url}/auth/reset#not-the-secret`);
    await fillPassword(page, "New password", changed);
    await set.click();
    await page.getByRole("heading", { name: "This link doesn’t work" }).waitFor();
  });

  await t.test("the secret leaves the address bar, and a short password doesn't use up the link", async () => {
    await page.goto(await link());
    await set.waitFor();
    assert.equal(page.url(), `${server.url}/auth/reset`);
    const username = page.getByLabel("Username or e-mail"); // for password managers; it may stay empty
    assert.equal(await username.getAttribute("autocomplete"), "username");
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/reset.png` });
    await fillPassword(page, "New password", "short");
    await set.click();
    await page.locator('input[name="new_password"][aria-invalid="true"]').waitFor();
  });

  await t.test("a good password ends every session, and the user signs in with it", async (t) => {
    const other = await openPage(t, browser);
    await signIn(other, server);
    await fillPassword(page, "New password", changed);
    await set.click();
    await page.getByRole("heading", { name: "Your password is set" }).waitFor();
    await atSignIn(other); // by itself
    assert.equal((await ask(page, "/api/me")).status, 401, "the link signed the user in");
    await page.getByRole("link", { name: "Go to sign-in" }).click();
    await atSignIn(page);
    await signIn(page, server, { password: changed });
    await atAccount(page);
  });
});
