import assert from "node:assert/strict";
import test from "node:test";
import { atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

test("the first administrator is made in the browser", async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const link = await server.setupLink();
  const form = page.getByRole("button", { name: "Create the account" });

  await t.test("the sign-in page says that there are no accounts yet", async () => {
    await page.goto(server.url);
    await atSignIn(page);
    await page.getByText("There are no accounts yet").waitFor();
  });

  await t.test("the page without its secret says what to do", async () => {
    await page.goto(`${server.url}/auth/setup`);
    await page.getByRole("heading", { name: "The setup link is incomplete" }).waitFor();
    await page.getByText("cloakroom user add NAME --superuser").waitFor();
  });

  await t.test("a wrong secret is explained", async () => {
    await page.goto("about:blank");
    await page.goto(`${server.url}/auth/setup#not-the-secret`);
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", admin.password);
    await form.click();
    await page.getByRole("heading", { name: "This setup link doesn’t work" }).waitFor();
    await page.getByText("cloakroom serve", { exact: true }).waitFor();
  });

  await t.test("a link pasted into the same tab is taken, and its secret leaves the address bar", async () => {
    await page.goto(link);
    await form.waitFor();
    assert.equal(page.url(), `${server.url}/auth/setup`);
    await page.goBack();
    await page.goForward();
    assert.equal(page.url(), `${server.url}/auth/setup`, "the history keeps the secret");
    await page.goto("about:blank");
    await page.goto(link);
    await form.waitFor();
  });

  await t.test("a short password is refused under its field, and what was typed stays", async () => {
    await page.getByLabel("Username").fill(admin.username);
    await page.getByLabel("E-mail").fill(admin.email);
    const password = page.getByLabel("Password", { exact: true });
    await password.fill("short");
    await page.getByText("5 of 15 characters").waitFor();
    await form.click();
    await page.locator('input[name="password"][aria-invalid="true"]').waitFor();
    assert.ok(await password.evaluate((field) => field === document.activeElement), "the focus is in the wrong field");
    const described = await password.getAttribute("aria-describedby");
    const errors = await page.locator(`[id="${described.split(" ")[0]}"]`).innerText();
    assert.match(errors, /15 characters/);
    assert.equal(await page.getByLabel("Username").inputValue(), admin.username);
  });

  await t.test("the page says so if the browser doesn't store the cookie", async (t) => {
    const other = await startServer(t);
    const page = await openPage(t, browser);
    await page.route("**/api/auth/setup", async (route) => {
      const response = await route.fetch();
      await page.context().clearCookies();
      const { "set-cookie": _, ...headers } = response.headers();
      await route.fulfill({ response, headers });
    });
    await page.goto(await other.setupLink());
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", admin.password);
    await page.getByRole("button", { name: "Create the account" }).click();
    await page.getByRole("heading", { name: "The account was created" }).waitFor();
    await page.getByRole("alert").getByText("didn’t store the sign-in cookie").waitFor();
    assert.equal(new URL(page.url()).pathname, "/auth/setup");
    await page.unrouteAll();
    await page.getByRole("link", { name: "Go to sign-in" }).click();
    await signIn(page, other);
  });

  await t.test("a good one signs in at once", async () => {
    await fillPassword(page, "Password", admin.password);
    await page.getByText("long enough").waitFor();
    await form.click();
    await atAccount(page);
    await page.getByText(admin.email, { exact: true }).waitFor();
    await page.getByText("Administrator", { exact: true }).waitFor();
    await page.getByText("at first setup").waitFor();
  });

  await t.test("the link is spent", async () => {
    const other = await openPage(t, browser);
    await other.goto(link);
    await other.getByRole("heading", { name: "Already set up" }).waitFor();
    await other.getByRole("link", { name: "Go to sign-in" }).click();
    await atSignIn(other);
    assert.equal(await other.getByText("There are no accounts yet").count(), 0);
  });
});
