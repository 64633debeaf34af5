import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { atSignIn, ask, fillPassword, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

const grace = "a compiler for each tongue";

test("the administration", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await signIn(page, server);
  const heading = (name) => page.getByRole("heading", { name, level: 1, exact: true });
  const section = (name) => page.getByRole("region", { name });
  const go = (name) => page.getByRole("navigation").getByRole("link", { name }).click();
  const told = (text) => page.getByRole("status").getByText(text);
  const login = (username, password) => server.post("/api/auth/login", { username, password });

  async function sure(button, yes) {
    await page.getByRole("button", { name: button, exact: true }).click();
    await page.getByRole("button", { name: yes, exact: true }).click();
  }
  /** Types each name into the field and takes what is offered for it. */
  async function pick(field, ...names) {
    for (const name of names) {
      await field.fill(name);
      await page.getByRole("option").first().waitFor();
      await field.press("Enter");
    }
  }
  async function toUser(name) {
    await go("Users");
    await page.getByRole("main").getByRole("link", { name, exact: true }).click();
    await heading(name).waitFor();
  }

  await t.test("it is reached from the account", async () => {
    await page.getByRole("link", { name: "Administration" }).click();
    await heading("Users").waitFor();
    await page.getByRole("row").filter({ hasText: admin.email }).getByText("Administrator").waitFor();
  });

  await t.test("a group is made, and changed", async () => {
    await go("Groups");
    await page.getByText("There are no groups yet").waitFor();
    await page.getByLabel("Name").fill("editors");
    await pick(page.getByRole("combobox", { name: "Permissions" }), "blog.add_post", "blog.view_post");
    await page.getByRole("button", { name: "Create the group" }).click();
    await told("editors has been created.").waitFor();
    const name = page.getByLabel("Name");
    assert.equal(await name.inputValue(), "");
    await name.fill("editors");
    await page.getByRole("button", { name: "Create the group" }).click();
    await page.locator('input[name="name"][aria-invalid="true"]').waitFor();
    assert.equal(await name.inputValue(), "editors", "what was typed is lost");
    await page.reload();
    const group = section("editors");
    await group.getByText("blog.add_post").waitFor();
    await page.getByRole("button", { name: "Change editors" }).click();
    const permissions = group.getByRole("combobox", { name: "Permissions" });
    await permissions.fill("not a permission");
    await permissions.press("Tab"); // what was typed counts as it is when the field is left
    await group.getByRole("button", { name: "Save" }).click();
    await group.locator('[aria-invalid="true"]').waitFor();
    await group.getByRole("button", { name: "Remove not a permission" }).click();
    await group.getByRole("button", { name: "Remove blog.add_post" }).click();
    await pick(permissions, "blog.change_post");
    await group.getByRole("button", { name: "Save" }).click();
    await told("editors has been changed.").waitFor();
    await group.getByText("blog.change_post").waitFor();
    assert.equal(await group.getByText("blog.add_post").count(), 0);
  });

  await t.test("a change of a group undoes nothing of another administrator", async () => {
    const group = section("editors");
    const list = group.getByRole("list").first();
    await page.getByRole("button", { name: "Change editors" }).click();
    assert.ok(await group.getByRole("heading", { name: "editors" }).evaluate((it) => it === document.activeElement), "the focus is lost");
    const grant = { method: "PATCH", headers: { "Content-Type": "application/json" }, body: '{"grant":["shop.view_order"]}' };
    assert.equal((await ask(page, "/api/auth/admin/groups/editors", grant)).status, 200);
    await pick(group.getByRole("combobox", { name: "Permissions" }), "blog.delete_post");
    await group.getByRole("button", { name: "Save" }).click();
    await list.getByText("blog.delete_post").waitFor();
    assert.deepEqual(await list.getByRole("listitem").allInnerTexts(), ["blog.change_post", "blog.delete_post", "blog.view_post", "shop.view_order"]);
    await page.getByRole("button", { name: "Change editors" }).click();
    await group.getByRole("button", { name: "Remove blog.delete_post" }).click();
    await group.getByRole("button", { name: "Remove shop.view_order" }).click();
    await group.getByRole("button", { name: "Save" }).click();
    await list.getByText("shop.view_order").waitFor({ state: "detached" });
    const change = page.getByRole("button", { name: "Change editors" });
    await change.click();
    await group.getByRole("button", { name: "Cancel" }).click();
    assert.ok(await change.evaluate((it) => it === document.activeElement), "the focus is lost");
  });

  await t.test("a user is made, and errors are shown beside their fields", async () => {
    await go("Users");
    await page.getByRole("link", { name: "New user" }).click();
    await page.getByLabel("Username").fill(admin.username);
    await page.getByRole("button", { name: "Create the user" }).click();
    await page.locator('input[name="username"][aria-invalid="true"]').waitFor();
    await page.getByLabel("Username").fill("grace");
    await page.getByLabel("E-mail").fill("grace@example.com");
    await page.getByLabel("First name").fill("Grace");
    await page.getByRole("combobox", { name: "Groups" }).fill("edit");
    await page.getByRole("option", { name: "editors" }).click();
    await page.getByRole("button", { name: "Remove editors" }).waitFor();
    await page.getByRole("button", { name: "Create the user" }).click();
    await heading("grace").waitFor();
    await told("The user has been created.").waitFor();
    await page.getByText("This user has no password and").waitFor();
  });

  await t.test("the user sets a password on a link", async (t) => {
    await page.getByRole("button", { name: "Create a link" }).click();
    await page.getByText("Give this link to grace").waitFor();
    const link = await section("Actions").locator("pre").innerText();
    await page.getByRole("button", { name: "I have saved it" }).click();
    const other = await openPage(t, browser);
    await other.goto(link);
    await fillPassword(other, "New password", grace);
    await other.getByRole("button", { name: "Set the password" }).click();
    await other.getByRole("heading", { name: "Your password is set" }).waitFor();
    assert.equal((await login("grace", grace)).status, 200);
  });

  await t.test("the list is searched, and narrowed to a group", async () => {
    await go("Users");
    const rows = page.getByRole("row").filter({ has: page.getByRole("rowheader") });
    await rows.nth(1).waitFor();
    await page.getByLabel("Search").fill("gra");
    await rows.filter({ hasText: admin.username }).waitFor({ state: "detached" });
    assert.equal(await rows.count(), 1);
    await page.getByLabel("Search").fill("no user of this name");
    await page.getByText("No users match").waitFor();
    await page.getByLabel("Search").fill("");
    await page.getByLabel("Group", { exact: true }).selectOption("editors");
    await rows.filter({ hasText: admin.email }).waitFor({ state: "detached" });
    await page.reload(); // the address knows
    await rows.filter({ hasText: "grace@example.com" }).waitFor();
    assert.equal(await rows.count(), 1);
  });

  await t.test("a change is saved, and undoes nothing that another has just changed", async () => {
    await toUser("grace");
    const path = `/api/auth/admin/users/${page.url().split("/").at(-1)}`;
    const headers = { "Content-Type": "application/json" };
    assert.equal((await ask(page, path, { method: "PATCH", headers, body: '{"email":"hopper@example.com"}' })).status, 200);
    await page.getByLabel("Last name").fill("Hopper");
    await section("Change this user").getByRole("button", { name: "Save" }).click();
    await told("Saved").waitFor();
    await page.reload();
    assert.equal(await page.getByLabel("Last name").inputValue(), "Hopper");
    assert.equal(await page.getByLabel("E-mail").inputValue(), "hopper@example.com");
  });

  await t.test("a change that is refused keeps what was typed", async () => {
    await page.getByLabel("Username").fill(admin.username);
    await page.getByLabel("First name").fill("Grace Brewster");
    await section("Change this user").getByRole("button", { name: "Save" }).click();
    const wrong = page.locator('input[name="username"][aria-invalid="true"]');
    await wrong.waitFor();
    assert.ok(await wrong.evaluate((field) => field === document.activeElement), "the focus is elsewhere");
    assert.equal(await wrong.inputValue(), admin.username);
    assert.equal(await page.getByLabel("First name").inputValue(), "Grace Brewster");
    await wrong.fill("grace");
    await section("Change this user").getByRole("button", { name: "Save" }).click();
    await told("Saved").waitFor();
    await page.reload();
    assert.equal(await page.getByLabel("First name").inputValue(), "Grace Brewster");
  });

  await t.test("what the program keeps with a user is changed, and a text that is no object is refused at its field", async () => {
    const data = section("Data of the program");
    const shown = data.getByLabel("Shown to the user", { exact: true });
    const hidden = data.getByLabel("Not shown to the user");
    await shown.fill('{"plan": pro}');
    await hidden.fill("[1]");
    await data.getByRole("button", { name: "Save" }).click();
    await data.locator('textarea[name="extra"][aria-invalid="true"]').waitFor();
    await data.locator('textarea[name="private_extra"][aria-invalid="true"]').waitFor();
    assert.ok(await shown.evaluate((field) => field === document.activeElement), "the focus is elsewhere");
    assert.equal(await data.getByText("This is not a JSON object.").count(), 2);
    await shown.fill('{"plan": "pro"}');
    await hidden.fill(`{"note": "${"x".repeat(5000)}"}`);
    await data.getByRole("button", { name: "Save" }).click();
    await data.getByText(/This is too long\. At most 4,?096 bytes are kept/).waitFor();
    await hidden.fill('{"crm": "A-1742"}');
    await data.getByRole("button", { name: "Save" }).click();
    await data.getByText("Saved").waitFor();
    await page.reload();
    assert.deepEqual(JSON.parse(await shown.inputValue()), { plan: "pro" });
    assert.deepEqual(JSON.parse(await hidden.inputValue()), { crm: "A-1742" });
    await shown.fill("");
    await data.getByRole("button", { name: "Save" }).click();
    await data.getByText("Saved").waitFor();
    assert.equal(await shown.inputValue(), "");
    const { extra, private_extra } = JSON.parse((await ask(page, `/api/auth/admin/users/${page.url().split("/").at(-1)}`)).body);
    assert.deepEqual([extra, private_extra], [undefined, { crm: "A-1742" }]);
    await page.reload();
  });

  await t.test("a change undoes nothing of another administrator that the page has loaded meanwhile", async () => {
    const path = `/api/auth/admin/users/${page.url().split("/").at(-1)}`;
    const patch = (change) => ask(page, path, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify(change) });
    const badge = page.locator("span.badge", { hasText: "editors" });
    await badge.waitFor();
    assert.equal((await patch({ groups: [], direct_permissions: ["shop.view_order"] })).status, 200);
    await section("Data of the program").getByRole("button", { name: "Save" }).click();
    await badge.waitFor({ state: "detached" }); // the user is loaded again
    await page.getByLabel("Last name").fill("Murray Hopper");
    await section("Change this user").getByRole("button", { name: "Save" }).click();
    await told("Saved").first().waitFor();
    await page.getByRole("button", { name: "Remove shop.view_order" }).waitFor(); // the form shows what the server has
    const { last_name, groups, direct_permissions } = JSON.parse((await ask(page, path)).body);
    assert.deepEqual([last_name, groups, direct_permissions], ["Murray Hopper", [], ["shop.view_order"]]);
    assert.equal((await patch({ join: ["editors"], grant: ["shop.change_order"] })).status, 200);
    await page.getByRole("button", { name: "Remove shop.view_order" }).click(); // the form's list lacks what was just given
    await section("Change this user").getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Remove shop.change_order" }).waitFor();
    const now = JSON.parse((await ask(page, path)).body);
    assert.deepEqual([now.groups, now.direct_permissions], [["editors"], ["shop.change_order"]]);
    assert.equal((await patch({ last_name: "Hopper", groups: ["editors"], direct_permissions: [] })).status, 200);
    await page.reload();
    await badge.waitFor();
  });

  await t.test("granted rights count at once for an open page", async (t) => {
    const hers = await openPage(t, browser);
    await hers.goto(`${server.url}/signin`);
    await hers.getByLabel("Username").fill("grace");
    await fillPassword(hers, "Password", grace);
    await hers.getByRole("button", { name: "Sign in" }).click();
    await hers.getByRole("heading", { name: "Your account" }).waitFor();
    await hers.goto(`${server.url}/auth/admin`);
    await hers.getByRole("heading", { name: "No access" }).waitFor();
    await page.getByLabel("Staff: may open").check();
    await pick(page.getByRole("combobox", { name: "User permissions" }), "auth.view_user");
    await section("Change this user").getByRole("button", { name: "Save" }).click();
    await told("Saved").waitFor();
    await hers.getByRole("heading", { name: "Users" }).waitFor();
    assert.equal(await hers.getByRole("link", { name: "Groups" }).count(), 0);
    assert.equal(await hers.getByRole("link", { name: "New user" }).count(), 0);

    await toUser("grace");
    await sure("Sign out everywhere", "Sign them out");
    await told("grace has been signed out everywhere").waitFor();
    await page.getByRole("button", { name: "Sign out everywhere", exact: true }).waitFor(); // the question is closed
    await atSignIn(hers);
    await hers.getByText("An administrator signed you out").waitFor();
  });

  await t.test("sessions of all users are listed, and can be ended", async () => {
    await login("grace", grace);
    await go("Signed in now");
    await sure(/^Sign out .* of grace$/, "Sign it out");
    await page.getByRole("row").filter({ hasText: "grace" }).waitFor({ state: "detached" });
    await page.getByRole("row").filter({ hasText: "This device" }).waitFor();
    await told("has been signed out").waitFor();
    assert.ok(await heading("Signed in now").evaluate((it) => it === document.activeElement), "the focus is lost");
  });

  await t.test("an account that someone else has got into is taken back, by keyboard alone", async (t) => {
    const stolen = "a password that leaked out";
    const hers = await openPage(t, browser);
    const setPassword = async (link, password) => {
      const other = await openPage(t, browser);
      await other.goto(link);
      await fillPassword(other, "New password", password);
      await other.getByRole("button", { name: "Set the password" }).click();
      await other.getByRole("heading", { name: "Your password is set" }).waitFor();
    };
    const shown = () => section("Actions").locator("pre");
    await hers.goto(`${server.url}/signin`);
    await hers.getByLabel("Username").fill("grace");
    await fillPassword(hers, "Password", grace);
    await hers.getByRole("button", { name: "Sign in" }).click();
    await hers.getByRole("heading", { name: "Your account" }).waitFor();

    await toUser("grace");
    await page.getByRole("button", { name: "Take the account back" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("the password and earlier links stop working").waitFor();
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/compromised.png`, fullPage: true });
    await page.keyboard.press("Escape"); // thinks better of it
    assert.equal((await login("grace", grace)).status, 200);
    await page.keyboard.press("Enter");
    await page.getByText("the password and earlier links stop working").waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("Give this link to grace").waitFor();
    assert.ok(await shown().evaluate((field) => field === document.activeElement), "the focus is not on the link");
    assert.equal(await page.getByText("the password and earlier links stop working").count(), 0);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/compromised-link.png`, fullPage: true });
    await atSignIn(hers);
    await hers.getByText("An administrator signed you out").waitFor();
    assert.equal((await login("grace", grace)).status, 401);
    await page.getByText("This user has no password and").waitFor();
    const first = await shown().innerText();
    await setPassword(first, stolen);
    assert.equal((await login("grace", grace)).status, 401);
    assert.equal((await login("grace", stolen)).status, 200);

    await sure("Disable", "Disable");
    await page.getByRole("button", { name: "Take the account back" }).click();
    await page.getByLabel(/^Keep authenticator apps, passkeys and recovery codes/).check();
    await page.getByRole("button", { name: "Take it back" }).click();
    await page.getByText("It works after you enable the account.").waitFor();
    await shown().filter({ hasNotText: first }).waitFor(); // until then the page shows the former link
    const link = await shown().innerText();
    const kept = await page.evaluate(async () => {
      const { events } = await (await fetch("/api/auth/admin/audit?event=user_compromised")).json();
      return events.map((event) => event.detail);
    });
    assert.deepEqual(kept, [{ kept: "factors" }, {}]);
    await page.getByRole("button", { name: "Enable", exact: true }).click();
    await told("grace has been enabled").waitFor();
    assert.equal((await login("grace", stolen)).status, 401);
    await setPassword(link, grace);
    assert.equal((await login("grace", grace)).status, 200);
  });

  await t.test("a password is set, with or without the factors that the user has", async () => {
    const another = "an umbrella for rainy days";
    await toUser("grace");
    for (const keep of [false, true]) {
      const password = keep ? grace : another;
      await page.getByRole("button", { name: "Set a password" }).click();
      await fillPassword(page, "New password", "short");
      await page.getByRole("button", { name: "Set the password" }).click();
      await page.getByText("This password is too short.").waitFor();
      await checkAccessible(page, "admin, a password is set");
      await fillPassword(page, "New password", password);
      if (keep) await page.getByLabel(/^Keep authenticator apps, passkeys, recovery codes and linked accounts/).check();
      await page.getByRole("button", { name: "Set the password" }).click();
      await page.getByLabel("New password", { exact: true }).waitFor({ state: "detached" }); // the message of the first one is still there
      await told("The password of grace has been set.").waitFor();
      assert.equal((await login("grace", keep ? another : grace)).status, 401);
      assert.equal((await login("grace", password)).status, 200);
    }
    const kept = await page.evaluate(async () => {
      const { events } = await (await fetch("/api/auth/admin/audit?event=authn_password_change")).json();
      return events.filter(({ user, outcome }) => user === "grace" && outcome === "success").map(({ detail }) => detail.kept ?? "");
    });
    assert.deepEqual(kept.slice(0, 2), ["factors", ""]);
  });

  await t.test("a user is disabled, enabled and deleted", async () => {
    await toUser("grace");
    await sure("Disable", "Disable");
    await told("grace has been disabled").waitFor();
    assert.equal((await login("grace", grace)).status, 401);
    await page.getByRole("button", { name: "Enable" }).click();
    await told("grace has been enabled").waitFor();
    assert.equal((await login("grace", grace)).status, 200);
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.keyboard.press("Escape"); // thinks better of it
    assert.equal((await login("grace", grace)).status, 200);
    await sure("Delete", "Delete for good");
    await heading("Users").waitFor();
    assert.equal(await page.getByRole("link", { name: "grace", exact: true }).count(), 0);
    assert.equal((await login("grace", grace)).status, 401);
  });

  await t.test("administrators can't disable or delete themselves here", async () => {
    await toUser(admin.username);
    await section("Actions").waitFor();
    for (const name of ["Disable", "Take the account back", "Delete"]) assert.equal(await page.getByRole("button", { name, exact: true }).count(), 0);
  });

  await t.test("an outage is shown, and the page comes back after it", async () => {
    await page.route("**/api/auth/admin/**", (route) =>
      route.fulfill({ status: 503, contentType: "application/problem+json", headers: { "Retry-After": "0" }, body: '{"status":503,"code":"unavailable"}' }));
    await go("Groups");
    await page.getByRole("alert").getByText("The server can’t answer right now").waitFor();
    await page.unrouteAll();
    await page.getByRole("button", { name: "Try now" }).click();
    await page.getByRole("alert").waitFor({ state: "detached" });
    await section("editors").waitFor();
  });

  await t.test("the audit log has the actions, and is filtered by user, event and days", async () => {
    const rows = page.getByRole("row").filter({ has: page.getByRole("rowheader") });
    await go("Audit log");
    await rows.filter({ hasText: "User deleted" }).getByRole("button", { name: "Show only events of grace (deleted)" }).waitFor();
    await rows.filter({ hasText: "Action of an administrator" }).filter({ hasText: "Attempt" }).first().waitFor();
    const refused = rows.filter({ hasText: "Sign-in refused" }).first();
    await refused.getByText("Details").click();
    await refused.getByText("authn_login_fail").waitFor();
    await page.getByLabel("Event", { exact: true }).selectOption("privilege_permissions_changed");
    await rows.filter({ hasText: "User deleted" }).first().waitFor({ state: "detached" });
    assert.ok(await rows.count() > 0);
    for (const row of await rows.all()) assert.match(await row.innerText(), /Permissions changed/);
    await page.reload(); // the address knows
    await rows.first().waitFor();
    assert.match(await rows.first().innerText(), /Permissions changed/);
    await server.run("user", "set", admin.username, "--grant", "blog.add_post"); // who does it has no account
    await page.getByRole("button", { name: "Refresh" }).click();
    await rows.filter({ hasText: "command line" }).filter({ hasText: admin.username }).waitFor();
    await page.getByLabel("To day").fill("2020-01-01");
    await page.getByText("No events match").waitFor();
    await page.getByLabel("To day").fill("");
    await page.getByLabel("Event", { exact: true }).selectOption("");
    await page.getByRole("button", { name: `Show only events of ${admin.username}` }).first().click();
    await page.getByText(`Only events by or about ${admin.username}`).waitFor();
    await toUser(admin.username);
    await page.getByRole("link", { name: "Audit log of this user" }).click();
    await page.getByText(`Only events by or about ${admin.username}`).waitFor();
  });

  await t.test("the export of the audit log is filtered like the page, and the list continues after its end", async () => {
    await go("Audit log");
    const forged = () => server.post("/api/auth/logout", {}, { Origin: "https://evil.example" });
    for (let i = 0; i < 60; i++) assert.equal((await forged()).status, 403);
    await page.getByRole("button", { name: "Refresh" }).click();
    const rows = page.getByRole("row").filter({ has: page.getByRole("rowheader") });
    const exports = await page.getByRole("button", { name: "Export as JSON" }).boundingBox();
    assert.ok(exports.y < (await rows.first().boundingBox()).y, "the export stands below a long list");
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/audit.png` });
    await page.getByLabel("Event", { exact: true }).selectOption("malicious_csrf");
    await rows.filter({ hasText: "Request from another site" }).nth(40).waitFor();
    const before = await rows.count();
    await page.getByRole("button", { name: "Show more" }).click();
    await rows.nth(before).waitFor();
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export as JSON" }).click()]);
    const events = (await readFile(await file.path(), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(events.length, 60);
    assert.deepEqual([...new Set(events.map(({ event }) => event))], ["malicious_csrf"]);
  });

  await t.test("several users are selected and disabled at once, by keyboard alone", async () => {
    const headers = { "Content-Type": "application/json" };
    for (const username of ["leaver-ann", "leaver-bob", "leaver-gone"]) {
      assert.equal((await ask(page, "/api/auth/admin/users", { method: "POST", headers, body: JSON.stringify({ username }) })).status, 200);
    }
    await page.reload();
    await go("Users");
    await page.getByLabel("Search").fill("leaver-");
    const rows = page.getByRole("row").filter({ has: page.getByRole("rowheader") });
    await rows.filter({ hasText: admin.email }).waitFor({ state: "detached" });
    const button = page.getByRole("button", { name: "Disable selected" });
    assert.equal(await button.count(), 0, "there is a button without a selection");
    await page.getByLabel("Select leaver-bob").focus();
    await page.keyboard.press("Space");
    await page.getByText("1 selected").waitFor();
    const all = page.getByLabel("Select all shown");
    assert.ok(await all.evaluate((box) => box.indeterminate), "the box for all doesn't show that some are selected");
    await all.focus();
    await page.keyboard.press("Space");
    await page.getByText("3 selected").waitFor();
    await checkAccessible(page, "a selection");
    // One is deleted meanwhile.
    const gone = (await page.getByRole("link", { name: "leaver-gone" }).getAttribute("href")).split("/").at(-1);
    assert.equal((await ask(page, `/api/auth/admin/users/${gone}`, { method: "DELETE", headers })).status, 200);
    await button.focus();
    await page.keyboard.press("Enter");
    await page.getByText("Disable 3 users?").waitFor();
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/disable-selected.png`, fullPage: true });
    if (process.env.SHOTS) {
      await page.setViewportSize({ width: 375, height: 800 });
      await page.screenshot({ path: `${process.env.SHOTS}/disable-selected-phone.png`, fullPage: true });
      await page.setViewportSize({ width: 1280, height: 720 });
    }
    await page.keyboard.press("Escape"); // thinks better of it
    assert.ok(await button.evaluate((it) => it === document.activeElement), "the focus is lost");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await told("2 users were disabled.").waitFor();
    await page.getByRole("alert").getByText("leaver-gone was not disabled: Not found.").waitFor();
    assert.ok(await heading("Users").evaluate((it) => it === document.activeElement), "the focus is lost");
    await rows.filter({ hasText: "leaver-ann" }).getByText("Disabled").waitFor();
    await rows.filter({ hasText: "leaver-bob" }).getByText("Disabled").waitFor();
    assert.equal(await page.getByLabel("Select leaver-ann").count(), 0, "a disabled user can be selected");
  });

  await t.test("a long list continues after its end", async () => {
    const headers = { "Content-Type": "application/json" };
    for (let i = 10; i < 65; i++) {
      const body = JSON.stringify({ username: `walk-on-${i}` });
      assert.equal((await ask(page, "/api/auth/admin/users", { method: "POST", headers, body })).status, 200);
    }
    await page.reload();
    await go("Users");
    await page.getByLabel("Search").fill("walk-on-");
    const rows = page.getByRole("row").filter({ has: page.getByRole("rowheader") });
    await rows.nth(49).waitFor();
    await rows.filter({ hasText: admin.email }).waitFor({ state: "detached" });
    assert.equal(await rows.count(), 50);
    await page.getByRole("button", { name: "Show more" }).click();
    await rows.nth(54).waitFor();
    assert.equal(await page.getByRole("button", { name: "Show more" }).count(), 0);
  });

  await t.test("if the server requires the password again, the page asks for it and continues", async () => {
    let stale = true;
    await page.route("**/api/auth/admin/**", (route) => stale
      ? route.fulfill({ status: 403, contentType: "application/problem+json", body: '{"status":403,"code":"fresh_sign_in_required"}' })
      : route.continue());
    await page.goto(`${server.url}/auth/admin/groups`);
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("shown only if you have entered your password").waitFor();
    await page.getByRole("button", { name: "Enter password" }).first().click();
    await fillPassword(dialog, "Password", admin.password);
    stale = false;
    await dialog.getByRole("button", { name: "Continue" }).click();
    await section("editors").waitFor();
    await page.unrouteAll();
  });

  await t.test("signed out it leads to the sign-in, and back to the page", async () => {
    await ask(page, "/api/auth/logout", { method: "POST" });
    await atSignIn(page); // the open page hears of it
    await page.goto(`${server.url}/auth/admin/groups`);
    await atSignIn(page);
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", admin.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await section("editors").waitFor();
  });
});
