import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { ask, atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser, ticket } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

const bob = { username: "bob", email: "bob@example.com", password: "two hangers for each coat" };

test("people take their data along, and delete their accounts", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const section = (page) => page.locator("section", { has: page.getByRole("heading", { name: "Your data" }) });
  const bobSignsIn = async (options) => {
    const page = await openPage(t, browser, options);
    await page.goto(`${server.url}/signin`);
    await page.getByLabel("Username").fill(bob.username);
    await fillPassword(page, "Password", bob.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await atAccount(page);
    return page;
  };
  const adas = await openPage(t, browser);
  await signIn(adas, server);
  const made = await ask(adas, "/api/auth/admin/users", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(bob),
  });
  assert.equal(made.status, 200, made.body);
  const page = await bobSignsIn();

  await t.test("the file has what is kept about its user", async () => {
    const downloaded = page.waitForEvent("download");
    await section(page).getByRole("button", { name: "Download your data" }).click();
    const download = await downloaded;
    assert.equal(download.suggestedFilename(), "account.json");
    const text = await readFile(await download.path(), "utf8");
    const data = JSON.parse(text);
    assert.equal(data.account.username, "bob");
    assert.equal(data.account.email, bob.email);
    assert.equal(data.sessions.length, 1);
    assert.equal(data.sessions[0].user_agent, await page.evaluate(() => navigator.userAgent));
    assert.ok(data.events.some(({ event, by, ip }) => event === "session_created" && by === "you" && ip === "127.0.0.1"), text);
    assert.ok(data.events.some(({ event, by }) => event === "user_created" && by === "administrator"), text);
    assert.ok(!text.includes(admin.username) && !text.includes((await ticket(page)).value) && !text.includes("argon2"), text);
    await section(page).getByRole("status").getByText("The file is in your downloads").waitFor();
  });

  await t.test("another name deletes nothing", async () => {
    const it = section(page);
    await it.getByRole("button", { name: "Delete your account" }).click();
    await it.getByLabel("Type your username, bob, to confirm").fill(admin.username);
    await it.getByRole("button", { name: "Delete for good" }).click();
    await it.getByText("This isn't your username.").waitFor();
    await checkAccessible(page, "account, deletion");
    await it.getByRole("button", { name: "Keep the account" }).click();
    await it.getByRole("button", { name: "Delete your account" }).waitFor();
    assert.equal((await ask(page, "/api/me")).status, 200);
  });

  await t.test("the name deletes the account, and signs out everywhere", async () => {
    const other = await bobSignsIn();
    const it = section(page);
    await it.getByRole("button", { name: "Delete your account" }).click();
    await it.getByLabel("Type your username, bob, to confirm").fill(bob.username);
    await it.getByRole("button", { name: "Delete for good" }).click();
    for (const left of [page, other]) {
      await atSignIn(left); // by itself
      await left.getByText("The account was deleted, so you are signed out everywhere.").waitFor();
    }
    assert.equal(await ticket(page), undefined);
    await page.getByLabel("Username").fill(bob.username);
    await fillPassword(page, "Password", bob.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("The username or the password is wrong").waitFor();
    assert.match(await server.mail("account_deleted"), /The account bob at .* was deleted/);
    assert.equal((await ask(adas, "/api/auth/admin/users?search=bob")).body.includes("bob@"), false);
  });

  await t.test("the last superuser stays", async () => {
    await adas.bringToFront();
    const it = section(adas);
    await it.getByRole("button", { name: "Delete your account" }).click();
    await it.getByLabel("Type your username, ada, to confirm").fill(admin.username);
    await it.getByRole("button", { name: "Delete for good" }).click();
    await it.getByText("You are the only administrator who can do everything.").waitFor();
    await adas.reload();
    await atAccount(adas);
  });

  await t.test("the words are German for a German browser", async (t) => {
    const german = await openPage(t, browser, { locale: "de-DE" });
    await german.context().addCookies(await adas.context().cookies());
    await german.goto(`${server.url}/auth/account`);
    const it = german.locator("section", { has: german.getByRole("heading", { name: "Deine Daten" }) });
    await it.getByRole("button", { name: "Deine Daten herunterladen" }).waitFor();
    await it.getByRole("button", { name: "Konto löschen" }).click();
    await it.getByLabel("Gib zur Bestätigung deinen Benutzernamen ein: ada").fill("bob");
    await it.getByRole("button", { name: "Endgültig löschen" }).click();
    await it.getByText("Das ist nicht dein Benutzername.").waitFor();
  });
});

test("what is switched off isn't offered", async (t) => {
  const server = await startServer(t, ["--no-account-deletion", "--no-account-data"]);
  await server.makeAdmin();
  const page = await openPage(t, await startBrowser(t));
  await signIn(page, server);
  await page.getByRole("heading", { name: "E-mail address" }).waitFor(); // is shown for the same answer
  assert.equal(await page.getByRole("heading", { name: "Your data" }).count(), 0);
  for (const path of ["data", "delete"]) assert.equal((await ask(page, `/api/auth/account/${path}`, { method: "POST" })).status, 404);
});
