// Everything that people and administrators do, without a mouse; at each step the focus must be visible.

import assert from "node:assert/strict";
import test from "node:test";
import { atAccount, atSignIn, openPage, startBrowser, ticket } from "../lib/browser.mjs";
import { keyboardOf } from "../lib/keyboard.mjs";
import { admin, startServer } from "../lib/server.mjs";

const changed = "two hangers for each coat";
const grace = "a compiler for each tongue";

test("with the keyboard alone", async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const keys = keyboardOf(page);
  const heading = (name) => page.getByRole("heading", { name, level: 1, exact: true }).waitFor();
  const told = (text) => page.getByRole("status").getByText(text).waitFor();

  /** Another device, which signs in as a program does. */
  async function device(username, password, agent = "curl/8.14.1") {
    const response = await server.post("/api/auth/login", { username, password }, { "User-Agent": agent });
    assert.equal(response.status, 200, await response.text());
  }

  await t.test("the first administrator is made", async () => {
    await page.goto(await server.setupLink());
    await page.getByLabel("Username").waitFor();
    await keys.type("Username", admin.username);
    await keys.type(/^E-mail/, admin.email);
    await keys.type(/^Password/, admin.password);
    await keys.press("Create the account");
    await atAccount(page);
  });

  await t.test("a person signs out, and in again", async () => {
    await keys.press("Sign out");
    await atSignIn(page);
    await keys.type(/^Username/, admin.username);
    await keys.type("Password", "not her password, at all");
    await keys.key("Enter");
    await page.getByRole("alert").waitFor();
    await keys.type("Password", admin.password);
    await keys.to("Show the password");
    await keys.key("Space");
    await keys.tick("Keep me signed in");
    await keys.press("Sign in");
    await atAccount(page);
    assert.equal((await ticket(page)).expires, -1, "the tick was not taken away");
  });

  await t.test("one device is ended, then all others", async () => {
    await device(admin.username, admin.password);
    await device(admin.username, admin.password, "Wget/1.25.0");
    await device(admin.username, admin.password, "HTTPie/3.2.4");
    await page.reload();
    await page.getByText("curl").waitFor();
    await keys.press("Sign out curl");
    await keys.key("Escape");
    await keys.press("Sign out curl");
    await keys.press("Sign it out");
    await told("curl has been signed out.");
    await keys.press("Sign out all other devices");
    await keys.press("Sign them out");
    await told("signed out");
    assert.equal(await page.getByText("HTTPie").count(), 0);
  });

  await t.test("a token is made, and ended", async () => {
    await keys.press("Show tokens");
    await keys.type(/^Name/, "nightly backup");
    await keys.to(/^Expires after/);
    await keys.key("ArrowDown");
    await keys.press("Create a token");
    await keys.press("I have saved it");
    await keys.press("Revoke the token nightly backup");
    await keys.press("Revoke it");
    await told("The token nightly backup has been revoked.");
  });

  await t.test("the password is changed", async () => {
    await keys.type("Current password", admin.password);
    await keys.type(/^New password/, changed);
    await keys.press("Change password");
    await told("Your password has been changed");
  });

  await t.test("a group is made, and changed", async () => {
    await keys.press("Administration");
    await heading("Users");
    await keys.press("Groups");
    await heading("Groups");
    await keys.type("Name", "editors");
    await keys.pick(/^Permissions/, "blog.add_post");
    await keys.pick(/^Permissions/, "blog.view_post");
    await keys.press("Create the group");
    await told("editors has been created.");
    await keys.press("Change editors");
    await keys.to(/^Permissions/);
    await keys.key("ArrowLeft"); // onto the last of those that are picked
    await keys.key("Delete");
    await keys.press("Save");
    await told("editors has been changed.");
    assert.deepEqual(await page.getByRole("region", { name: "editors" }).getByRole("listitem").allInnerTexts(), ["blog.add_post"]);
  });

  await t.test("a user is made, searched, and changed", async () => {
    await keys.press("Users");
    await keys.press("New user");
    await heading("New user");
    await keys.type("Username", "grace");
    await keys.type(/^Password/, grace);
    await keys.pick(/^Groups/, "edi");
    await keys.press("Create the user");
    await heading("grace");
    await keys.type(/^Last name/, "Hopper");
    await keys.tick(/^Staff/);
    await keys.press("Save");
    await told("Saved");
    await keys.press("All users");
    await heading("Users");
    await keys.type("Search by name or e-mail", "no user of this name");
    await page.getByText("No users match").waitFor();
    await keys.type("Search by name or e-mail", "hopp");
    await keys.press("grace");
    await heading("grace");
    assert.equal(await page.getByLabel("Last name").inputValue(), "Hopper");
  });

  await t.test("a user is sent a link, signed out everywhere, disabled, and deleted", async () => {
    await keys.press("Create a link");
    await keys.press("I have saved it");
    await keys.press("Sign out everywhere");
    await keys.press("Sign them out");
    await told("grace has been signed out everywhere.");
    await keys.press("Disable");
    await keys.press("Disable"); // the same word, as the answer to the question
    await told("grace has been disabled.");
    await keys.press("Enable");
    await told("grace has been enabled.");
    await device("grace", grace);
    await keys.press("Signed in now");
    await heading("Signed in now");
    await keys.press("Sign out curl of grace");
    await keys.press("Sign it out");
    await page.getByRole("cell").getByText("curl").waitFor({ state: "detached" });
    await keys.press("Users");
    await keys.press("grace");
    await keys.press("Delete");
    await keys.press("Delete for good");
    await told("grace has been deleted.");
  });

  await t.test("a group is deleted", async () => {
    await keys.press("Groups");
    await keys.press("Delete editors");
    await keys.press("Delete it");
    await told("editors has been deleted.");
  });

  await t.test("the audit log is narrowed, and exported", async () => {
    await keys.press("Audit log");
    await heading("Audit log");
    await keys.to("Event");
    await keys.key("I"); // Internal server error, of which there is none
    await page.getByText("No events match").waitFor();
    await keys.key("Home"); // any
    await keys.press("Show only events of ada");
    await page.getByText("Only events by or about ada").waitFor();
    const [file] = await Promise.all([page.waitForEvent("download"), keys.press("Export as CSV")]);
    assert.equal(file.suggestedFilename(), "audit.csv");
    await keys.press("Show all users");
  });

  await t.test("the password is entered again if the server requires it", async () => {
    let stale = true;
    await page.route("**/api/auth/admin/users*", (route) => stale
      ? route.fulfill({ status: 403, contentType: "application/problem+json", body: '{"status":403,"code":"fresh_sign_in_required"}' })
      : route.continue());
    await keys.press("Users");
    await page.getByRole("dialog").waitFor();
    await keys.type("Password", changed);
    stale = false;
    await keys.key("Enter");
    await page.getByRole("main").getByRole("link", { name: admin.username }).waitFor();
    await page.unrouteAll();
  });

  await t.test("a new password is set on a link", async () => {
    const { link } = JSON.parse(await server.run("user", "reset", admin.username, "--url", server.url, "--json"));
    await page.goto(link);
    await page.getByLabel("New password", { exact: true }).waitFor();
    await keys.type(/^New password/, admin.password);
    await keys.press("Set the password");
    await heading("Your password is set");
    await keys.press("Go to sign-in");
    await atSignIn(page);
  });
});
