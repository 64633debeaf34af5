import assert from "node:assert/strict";
import test from "node:test";
import { fillPassword, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

test("the tokens of a user", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await page.context().grantPermissions(["clipboard-write", "clipboard-read"], { origin: server.url });
  await signIn(page, server);
  const tokens = page.getByRole("region", { name: "Tokens for programs" });
  const me = (token) => fetch(`${server.url}/api/me`, { headers: { Authorization: `Bearer ${token}` } });
  let token;

  await t.test("one is made, shown once, copied, and works", async () => {
    await tokens.getByRole("button", { name: "Show tokens" }).click();
    await tokens.getByText("You have no tokens").waitFor();
    await tokens.getByLabel("Name").fill("nightly backup");
    await tokens.getByLabel("Expires after").selectOption("30 days");
    await tokens.getByRole("button", { name: "Create a token" }).click();
    await tokens.getByText("it won’t be shown again").waitFor();
    token = await tokens.locator("pre").innerText();
    await tokens.getByRole("button", { name: "Copy" }).click();
    await tokens.getByRole("button", { name: "Copied" }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
    assert.equal((await me(token)).status, 200);
    await tokens.getByRole("button", { name: "I have saved it" }).click();
    assert.ok(!(await page.content()).includes(token), "the token is still shown");
    await tokens.getByRole("heading", { name: "nightly backup" }).waitFor();
  });

  await t.test("it is ended, after a question", async () => {
    await tokens.getByRole("button", { name: "Revoke the token nightly backup" }).click();
    await page.keyboard.press("Escape");
    assert.equal((await me(token)).status, 200);
    await tokens.getByRole("button", { name: "Revoke the token nightly backup" }).click();
    await tokens.getByRole("button", { name: "Revoke it" }).click();
    await tokens.getByRole("status").getByText("nightly backup has been revoked").waitFor();
    assert.equal((await me(token)).status, 401);
  });

  await t.test("if the server requires the password again, the page asks for it and continues", async () => {
    await page.reload();
    let stale = true;
    await page.route("**/api/auth/tokens", (route) => stale
      ? route.fulfill({ status: 403, contentType: "application/problem+json", body: '{"status":403,"code":"fresh_sign_in_required"}' })
      : route.continue());
    await tokens.getByRole("button", { name: "Show tokens" }).click();
    const dialog = page.getByRole("dialog");
    await fillPassword(dialog, "Password", admin.password);
    stale = false;
    await dialog.getByRole("button", { name: "Continue" }).click();
    await tokens.getByText("You have no tokens").waitFor();
  });
});
