import assert from "node:assert/strict";
import test from "node:test";
import { ask, atAccount, atSignIn, fillPassword, openPage, signIn, startBrowser, ticket } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

test("signing in", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const submit = (page) => page.getByRole("button", { name: "Sign in" });

  await t.test("a wrong password is reported, stays hidden, and can be typed again", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", "not her password, at all");
    await submit(page).click();
    await page.getByRole("alert").getByText("The username or the password is wrong").waitFor();
    assert.equal(await page.getByLabel("Username").inputValue(), admin.username);
    const password = page.getByLabel("Password", { exact: true });
    assert.ok(await password.evaluate((field) => field === document.activeElement));
    assert.equal(await ticket(page), undefined);
    await page.keyboard.type(admin.password); // the wrong one is selected, so typing replaces it
    await page.keyboard.press("Enter");
    await atAccount(page);
  });

  await t.test("a reload stays signed in", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    await page.reload();
    await atAccount(page);
    await page.getByText(admin.email, { exact: true }).waitFor();
  });

  await t.test("the keyboard alone is enough", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    await page.getByLabel("Username").waitFor();
    const at = () => page.evaluate(() => document.activeElement.name || document.activeElement.innerText);
    const visited = [await at()];
    await page.keyboard.type(admin.username);
    await page.keyboard.press("Tab");
    visited.push(await at());
    await page.keyboard.type(admin.password);
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press("Tab");
      visited.push(await at());
    }
    assert.deepEqual(visited, ["username", "password", "Show", "remember", "Sign in"]);
    await page.keyboard.press("Space");
    await atAccount(page);
  });

  await t.test("focus can be seen on everything that takes it", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    await page.getByLabel("Username").waitFor();
    for (let i = 0; i < 5; i++) {
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(outline, "none", `stop ${i}`);
      await page.keyboard.press("Tab");
    }
  });

  await t.test("the password can be shown and pasted, and the field is marked for password managers", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    const password = page.getByLabel("Password", { exact: true });
    await password.fill("x");
    assert.equal(await password.getAttribute("type"), "password");
    await page.getByRole("button", { name: "Show the password" }).click();
    assert.equal(await password.getAttribute("type"), "text");
    assert.equal(await password.getAttribute("autocomplete"), "current-password");
    assert.equal(await page.getByLabel("Username").getAttribute("autocomplete"), "username webauthn");
    const pasted = await password.evaluate((field) =>
      field.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true })));
    assert.ok(pasted, "a paste is stopped");
  });

  await t.test("keep me signed in decides whether the cookie outlives the browser", async (t) => {
    const kept = await openPage(t, browser);
    await signIn(kept, server);
    const days = ((await ticket(kept)).expires - Date.now() / 1000) / 86_400;
    assert.ok(days > 29 && days <= 30, `${days} days`);
    const passing = await openPage(t, browser);
    await signIn(passing, server, { remember: false });
    assert.equal((await ticket(passing)).expires, -1);
  });

  await t.test("it continues to the requested page, on this site only", async (t) => {
    const cases = [
      ["/healthz?from=signin", "/healthz?from=signin"],
      ["//evil.example/", "/auth/account"],
      ["/\\evil.example/", "/auth/account"],
      ["https://evil.example/", "/auth/account"],
      ["/\t/evil.example/", "/auth/account"],
      ["/.//evil.example/", "/auth/account"],
      ["javascript:document.title='owned'", "/auth/account"],
    ];
    const page = await openPage(t, browser);
    await signIn(page, server);
    for (const [next, want] of cases) {
      await page.goto(`${server.url}/signin?next=${encodeURIComponent(next)}`);
      await page.getByRole("heading", { name: "You’re signed in" }).waitFor();
      await page.getByRole("button", { name: "Continue" }).click();
      await page.waitForURL(server.url + want);
    }
    await page.goto(`${server.url}/signin`);
    await page.getByRole("button", { name: "Use another account" }).click();
    await atSignIn(page);
    await page.goto(`${server.url}/signin?next=${encodeURIComponent("/healthz")}`);
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", admin.password);
    await submit(page).click();
    await page.waitForURL(`${server.url}/healthz`);
  });

  await t.test("an account page asked for while signed out leads to sign-in and back", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/auth/account`);
    await atSignIn(page);
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", admin.password);
    await submit(page).click();
    await atAccount(page);
  });

  await t.test("an outage is not a sign-out", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    const before = await ticket(page);
    const waiting = await openPage(t, browser);
    await waiting.goto(`${server.url}/signin`);
    await waiting.getByLabel("Username").fill(admin.username);
    await fillPassword(waiting, "Password", admin.password);

    await server.stop();
    await submit(waiting).click();
    await waiting.getByRole("alert").getByText("Can’t reach the server").waitFor();
    assert.equal(await waiting.getByLabel("Username").inputValue(), admin.username);
    assert.equal(await waiting.getByLabel("Password", { exact: true }).inputValue(), admin.password);
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.getByRole("alert").getByText("You are not signed out yet").waitFor();
    await page.evaluate(() => window.dispatchEvent(new Event("online"))); // has the page look again
    await page.getByText("You are still signed in, but this page may be out of date.").waitFor();
    assert.equal(new URL(page.url()).pathname, "/auth/account");
    await page.getByText(admin.email, { exact: true }).waitFor();

    await server.start();
    await page.getByText("this page may be out of date").waitFor({ state: "detached" }); // it finds out by itself
    await submit(waiting).click();
    await atAccount(waiting);
    await page.reload();
    await atAccount(page);
    assert.deepEqual(await ticket(page), before, "the cookie changed");
  });

  await t.test("a 503 is shown with a countdown, and the page recovers by itself", async (t) => {
    const page = await openPage(t, browser);
    await signIn(page, server);
    let down = true;
    await page.route("**/api/**", (route) => down
      ? route.fulfill({
        status: 503, headers: { "Retry-After": "2" }, contentType: "application/problem+json",
        body: JSON.stringify({ type: "about:blank", title: "Service Unavailable", status: 503, code: "unavailable", detail: "Later." }),
      })
      : route.continue());
    await page.reload();
    await page.getByRole("heading", { name: "Can’t reach the server" }).waitFor();
    await page.getByText("You are still signed in").waitFor();
    await page.getByText(/Trying again in [12] s/).waitFor();
    down = false;
    await atAccount(page);
    assert.ok(await ticket(page));
  });

  await t.test("the page says so if the browser doesn't store the cookie, instead of redirecting in a circle", async (t) => {
    const page = await openPage(t, browser);
    await page.route("**/api/auth/login", async (route) => {
      const response = await route.fetch();
      await page.context().clearCookies();
      const { "set-cookie": _, ...headers } = response.headers();
      await route.fulfill({ response, headers });
    });
    await page.goto(`${server.url}/signin`);
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", admin.password);
    await submit(page).click();
    await page.getByRole("alert").getByText("didn’t store the sign-in cookie").waitFor();
    assert.equal(new URL(page.url()).pathname, "/signin");
    assert.equal(await page.getByLabel("Username").inputValue(), admin.username);
    await page.unrouteAll();
    await submit(page).click();
    await atAccount(page);
  });

  await t.test("the page says so if the browser sends two cookies", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", admin.password);
    await page.context().addCookies([{ name: "sessionid", value: "from-another-path", url: `${server.url}/api/` }]);
    await submit(page).click();
    await page.getByRole("alert").getByText("two session cookies").waitFor();
    assert.equal(new URL(page.url()).pathname, "/signin");
  });

  await t.test("a return path in any script is followed, encoded or not", async (t) => {
    const page = await openPage(t, browser);
    await page.route((url) => url.pathname.startsWith("/%E6"), (route) => route.fulfill({ contentType: "text/html", body: "<title>there</title>" }));
    for (const next of ["/注文?q=ü", encodeURIComponent("/注文?q=ü")]) {
      await page.context().clearCookies();
      await page.goto(`${server.url}/signin?next=${next}`);
      await page.getByLabel("Username").fill(admin.username);
      await fillPassword(page, "Password", admin.password);
      await submit(page).click();
      await page.waitForURL(`${server.url}/%E6%B3%A8%E6%96%87?q=%C3%BC`);
    }
  });

  await t.test("Caps Lock is noticed while a password is typed", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    const password = page.getByLabel("Password", { exact: true });
    const press = (modifierCapsLock) => password.evaluate((field, modifierCapsLock) =>
      field.dispatchEvent(new KeyboardEvent("keydown", { key: "A", bubbles: true, modifierCapsLock })), modifierCapsLock);
    const hint = page.getByRole("status").getByText("Caps Lock is on");
    await press(true);
    await hint.waitFor();
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/caps.png` });
    await press(false);
    await hint.waitFor({ state: "detached" });
  });

  await t.test("the hint below “Keep me signed in” fits its setting", async (t) => {
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    assert.ok(await page.getByLabel("Keep me signed in").isChecked());
    await page.getByText("Untick this on a shared computer.").waitFor();
  });

  await t.test("too many tries are shown with a countdown, and the typed text stays", async (t) => {
    for (let i = 0; i < 10; i++) {
      const response = await server.post("/api/auth/login", { username: admin.username, password: `wrong ${i}` });
      assert.equal(response.status, 401);
    }
    const page = await openPage(t, browser);
    await page.goto(`${server.url}/signin`);
    await page.getByLabel("Username").fill(admin.username);
    await fillPassword(page, "Password", admin.password);
    await submit(page).click();
    await page.getByRole("alert").getByText("Too many attempts").waitFor();
    await page.getByText(/Try again in \d+ (h|min|s)/).waitFor();
    assert.equal(await submit(page).getAttribute("aria-disabled"), "true");
    assert.equal(await page.getByLabel("Password", { exact: true }).inputValue(), admin.password);
    assert.equal((await ask(page, "/api/me")).status, 401);
  });
});

test("a file that the browser saves leaves the page, which then says who is signed in", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { acceptDownloads: true });
  await page.route(`${server.url}/report.csv`, (route) =>
    route.fulfill({ contentType: "text/csv", headers: { "Content-Disposition": "attachment" }, body: "coat,hook\n" }));
  await page.goto(`${server.url}/signin?next=/report.csv`);
  const saved = page.waitForEvent("download");
  await page.getByLabel("Username").fill(admin.username);
  await fillPassword(page, "Password", admin.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await saved;
  await page.getByRole("heading", { name: "You’re signed in" }).waitFor();
});
