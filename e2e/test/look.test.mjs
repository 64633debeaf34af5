import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { checkAccessible } from "../lib/axe.mjs";
import { atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";
import { authenticator } from "../lib/totp.mjs";

const sizes = { desktop: { width: 1200, height: 800 }, phone: { width: 390, height: 844 } };
const every = Object.keys(sizes).flatMap((size) => ["light", "dark"].map((scheme) => [size, scheme]));
// Each size and each theme once, or every pair of them.
const looks = process.env.CLOAKROOM_LONG || process.env.UPDATE_SCREENSHOTS ? every : [["desktop", "light"], ["phone", "dark"]];

// Devices with the names that other browsers send, and where they might be.
const elsewhere = [
  ["203.0.113.24", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:146.0) Gecko/20100101 Firefox/146.0"],
  ["2001:db8:7:12::c0a7", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1"],
  ["198.51.100.7", "curl/8.14.1"],
];

test("how the pages look", async (t) => {
  const server = await startServer(t, ["--trusted-proxy", "127.0.0.1/32"]);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);

  /** Checks what the page shows in both themes and on both sizes. `pictures` may be a part of the page. */
  async function look(t, name, { pictures = false } = {}) {
    for (const [size, scheme] of looks) {
      await t.test(`${name}, ${size}, ${scheme}`, async () => {
        await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
        await page.setViewportSize(sizes[size]);
        await checkAccessible(page, name);
        if (pictures) await picture(page, `${name}-${size}-${scheme}`, pictures === true ? undefined : pictures);
      });
    }
    await t.test(`${name} fits a narrow screen, and twice the text size`, async () => {
      for (const [width, zoom] of [[320, "100%"], [640, "200%"]]) {
        await page.setViewportSize({ width, height: 640 });
        await page.evaluate((zoom) => (document.documentElement.style.fontSize = zoom), zoom);
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))); // what floats, follows
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        await page.evaluate(() => (document.documentElement.style.fontSize = ""));
        assert.equal(wide, 0, `${width} px at ${zoom}: it has to be scrolled sideways`);
      }
      await page.setViewportSize(sizes.desktop);
    });
  }

  await t.test("setup", async (t) => {
    await page.goto(await server.setupLink());
    await page.getByLabel("Username").fill(admin.username);
    await look(t, "setup", { pictures: true });
    await fillPassword(page, "Password", "short");
    await page.getByRole("button", { name: "Create the account" }).click();
    await page.locator('[aria-invalid="true"]').waitFor();
    await look(t, "setup-refused");
    await page.goto(`${server.url}/auth/setup`);
    await page.getByRole("heading", { name: "The setup link is incomplete" }).waitFor();
    await look(t, "setup-no-secret");
  });

  await server.makeAdmin();

  await t.test("sign-in", async (t) => {
    await page.goto(`${server.url}/signin`);
    await atSignIn(page);
    await look(t, "signin", { pictures: true });
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", "not her password, at all");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    await look(t, "signin-refused");
  });

  await t.test("account", async (t) => {
    for (const [address, agent] of elsewhere) {
      const { username, password } = admin;
      const response = await server.post("/api/auth/login", { username, password }, { "User-Agent": agent, "X-Forwarded-For": address });
      assert.equal(response.status, 200);
    }
    await signIn(page, server);
    await page.getByText("Firefox on Windows").waitFor();
    await page.getByText("198.51.100.7").waitFor();
    await look(t, "account", { pictures: true });
    await page.getByRole("button", { name: "Show tokens" }).click();
    for (const name of ["nightly backup", "phone at the door"]) {
      await page.getByLabel("Name", { exact: true }).fill(name);
      await page.getByRole("button", { name: "Create a token" }).click();
      await page.getByRole("button", { name: "I have saved it" }).waitFor();
      if (name === "nightly backup") await page.getByRole("button", { name: "I have saved it" }).click();
    }
    await look(t, "tokens");
    await page.getByRole("button", { name: "I have saved it" }).click();
    await page.getByRole("button", { name: "Sign out curl" }).click();
    await fillPassword(page, "Current password", "x");
    await fillPassword(page, "New password", "short");
    await page.getByRole("button", { name: "Change password" }).click();
    await page.locator('[aria-invalid="true"]').first().waitFor();
    await look(t, "account-asking");
  });

  await t.test("reset", async (t) => {
    const { link } = JSON.parse(await server.run("user", "reset", admin.username, "--url", server.url, "--json"));
    await page.goto(link);
    await page.getByRole("button", { name: "Set the password" }).waitFor();
    await look(t, "reset", { pictures: true });
    await page.goto(`${server.url}/auth/reset`);
    await page.getByRole("heading", { name: "The link is incomplete" }).waitFor();
    await look(t, "reset-no-secret");
    await page.goto(`${server.url}/auth/account`);
    await atAccount(page);
    await page.getByRole("button", { name: "Sign out curl" }).click();
  });

  await t.test("the question for the password", async (t) => {
    await page.route("**/api/auth/sessions/*", (route) =>
      route.fulfill({ status: 403, contentType: "application/problem+json", body: '{"status":403,"code":"fresh_sign_in_required"}' }));
    await page.getByRole("button", { name: "Sign it out" }).click();
    await page.getByRole("dialog").waitFor();
    await look(t, "confirm");
    await page.keyboard.press("Escape");
  });

  await t.test("administration", async (t) => {
    const people = [["grace", "Grace", "Hopper", true], ["linus", "Linus", "Torvalds", false], ["margaret", "Margaret", "Hamilton", true]];
    const send = (path, body) => page.evaluate(async ([path, body]) => {
      const response = await fetch(`/api/auth/admin/${path}`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(await response.text());
    }, [path, body]);
    await send("groups", { name: "editors", permissions: ["blog.add_post", "blog.change_post", "blog.view_post"] });
    await send("groups", { name: "shop", permissions: ["shop.view_order"] });
    for (const [username, first_name, last_name, editor] of people) {
      await send("users", { username, first_name, last_name, email: `${username}@example.com`, groups: editor ? ["editors"] : ["shop"] });
    }
    await page.goto(`${server.url}/auth/admin`);
    await page.getByRole("link", { name: "linus" }).waitFor();
    await look(t, "admin-users", { pictures: true });
    await server.run("token", "create", "grace", "--name", "nightly backup");
    await page.getByRole("link", { name: "grace" }).click();
    await page.getByText("This user has no password and").waitFor();
    await page.getByRole("button", { name: "Create a link" }).click();
    await page.getByText("Give this link to grace").waitFor();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await look(t, "admin-user", { pictures: true });
    await page.goto(`${server.url}/auth/admin/users/new`);
    await page.getByRole("combobox", { name: "Groups" }).fill("edi");
    await page.getByRole("option").first().waitFor();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await look(t, "admin-new-user", { pictures: true });
    await page.goto(`${server.url}/auth/admin/groups`);
    await page.getByRole("button", { name: "Change editors" }).click();
    await look(t, "admin-groups", { pictures: true });
    await page.getByRole("region", { name: "editors" }).getByRole("combobox").fill("o");
    await page.getByRole("option").first().waitFor();
    await look(t, "admin-groups-picking");
    await page.keyboard.press("Escape");
    await page.goto(`${server.url}/auth/admin/sessions`);
    await page.getByText("Firefox on Windows").waitFor();
    await look(t, "admin-sessions", { pictures: true });
    await page.goto(`${server.url}/auth/admin/audit`);
    await page.getByRole("rowheader", { name: "Sign-in refused" }).first().waitFor();
    await page.getByText("Details").first().click();
    await look(t, "admin-audit", { pictures: true });
    await page.goto(`${server.url}/auth/account`);
    await atAccount(page);
  });

  await t.test("ways in", async (t) => {
    const section = page.getByRole("region", { name: "Ways in" });
    await page.getByRole("button", { name: "Set up an authenticator app" }).click();
    await page.getByRole("img", { name: "QR code" }).waitFor();
    await look(t, "ways-in-app", { pictures: section });
    const app = authenticator(await page.locator(".key code").innerText());
    await page.getByLabel("Code", { exact: true }).fill(app.staleCode());
    await page.getByRole("button", { name: "Turn it on" }).click();
    await page.getByText("This code is not right").waitFor();
    await look(t, "ways-in-refused");
    await page.getByLabel("Code", { exact: true }).fill(await app.code());
    await page.getByRole("button", { name: "Turn it on" }).click();
    await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
    await look(t, "ways-in-codes", { pictures: section });
    await page.getByRole("button", { name: "I have kept them" }).click();
    await page.getByRole("button", { name: "Rename Authenticator app" }).click();
    await look(t, "ways-in-rename");
    await page.getByRole("button", { name: "Cancel" }).click();

    await page.route("**/api/auth/factors/recovery", (route) => route.fulfill({
      status: 403, contentType: "application/problem+json",
      body: '{"status":403,"code":"full_sign_in_required","factors":["password+totp","password+recovery_code"]}',
    }), { times: 1 });
    await page.getByRole("button", { name: "Make new codes" }).click();
    await page.getByRole("group").getByRole("button", { name: "Make new codes" }).click();
    await page.getByRole("dialog").waitFor();
    await look(t, "confirm-both");
    await page.keyboard.press("Escape");
    await page.getByRole("group").getByRole("button", { name: "Cancel" }).click();

    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await atSignIn(page);
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", admin.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "One more step" }).waitFor();
    await look(t, "second-step", { pictures: true });
    await page.getByLabel("Code", { exact: true }).fill(await app.code());
    await page.getByRole("button", { name: "Sign in" }).click();
    await atAccount(page);
    await page.getByRole("button", { name: "Remove Authenticator app" }).click();
    await look(t, "ways-in-removing");
    await page.getByRole("button", { name: "Remove it" }).click();
    await page.getByText("Authenticator app has been removed").waitFor();
  });

  await t.test("an outage", async (t) => {
    await page.route("**/api/**", (route) => route.abort());
    await page.reload();
    await page.getByRole("heading", { name: "Can’t reach the server" }).waitFor();
    await look(t, "outage");
    await page.unrouteAll();
    await page.reload();
    await atAccount(page);
  });

  await t.test("each page has a title of its own", async () => {
    assert.equal(await page.title(), "Your account · Cloakroom");
    await page.goto(`${server.url}/signin`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    assert.equal(await page.title(), "Sign in · Cloakroom");
    await page.goto(`${server.url}/auth/setup`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    assert.equal(await page.title(), "Set up · Cloakroom");
  });
});

/** Writes docs/screenshots/NAME.png, if asked to: an ordinary run leaves the tree as it is. */
async function picture(page, name, part) {
  if (!process.env.UPDATE_SCREENSHOTS) return;
  const folder = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));
  await mkdir(folder, { recursive: true });
  await page.evaluate(() => scrollTo(0, 0));
  if (part) await part.screenshot({ path: `${folder}${name}.png`, caret: "hide" });
  else await page.screenshot({ path: `${folder}${name}.png`, caret: "hide", fullPage: true });
}
