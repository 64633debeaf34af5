import assert from "node:assert/strict";
import test from "node:test";
import { openPage, startBrowser, ticket } from "../lib/browser.mjs";
import { buildExample, filesOf } from "../lib/example.mjs";
import { admin, startServer } from "../lib/server.mjs";
import { startSite } from "../lib/site.mjs";

test("a page on another port: examples/article", async (t) => {
  const pages = {};
  const site = `http://127.0.0.1:${await startSite(t, pages)}/`;
  const server = await startServer(t, ["--origin", site.slice(0, -1)]);
  await server.makeAdmin();
  const files = await filesOf(await buildExample(t, "article", server.url));
  Object.assign(pages, files, { "/": files["/index.html"] });
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const answer = (path) => page.waitForResponse((r) => r.url() === server.url + path && r.request().method() !== "OPTIONS");
  const signedIn = page.getByText(`Signed in as ${admin.username}`);
  const form = page.getByRole("button", { name: "Sign in" });

  async function submit(password) {
    await page.getByLabel("Username").fill(admin.username);
    await page.getByLabel("Password").fill(password);
    const [response] = await Promise.all([answer("/api/auth/login"), form.click()]);
    return response;
  }

  await t.test("signed out, it asks and gets 401", async () => {
    const [response] = await Promise.all([answer("/api/me"), page.goto(site)]);
    assert.equal(response.status(), 401);
    assert.doesNotMatch((await response.allHeaders())["www-authenticate"], /basic/i, "the browser would show a box of its own");
    await form.waitFor();
    assert.equal(await page.getByRole("alert").count(), 0);
  });

  await t.test("a wrong password is reported, without the browser's own dialog", async () => {
    const response = await submit("not her password, at all");
    assert.equal(response.status(), 401);
    assert.doesNotMatch((await response.allHeaders())["www-authenticate"] ?? "", /basic/i);
    await page.getByRole("alert").getByText("Wrong username or password").waitFor();
  });

  await t.test("it signs in by HTTP Basic with an empty body", async () => {
    const response = await submit(admin.password);
    assert.equal(response.status(), 200);
    assert.match((await response.request().allHeaders()).authorization, /^Basic /);
    assert.equal(response.request().postData(), null);
    await signedIn.waitFor();
    assert.equal((await ticket(page)).httpOnly, true);
    assert.doesNotMatch(await page.evaluate(() => document.cookie), /sessionid/);
  });

  await t.test("a reload stays signed in", async () => {
    const [response] = await Promise.all([answer("/api/me"), page.reload()]);
    assert.equal(response.status(), 200);
    await signedIn.waitFor();
  });

  await t.test("an outage is not a sign-out", async () => {
    await server.stop();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("alert").getByText("unavailable").waitFor();
    await signedIn.waitFor();
    await page.reload();
    await page.getByRole("alert").getByText("unavailable").waitFor();
    assert.equal(await form.count(), 0, "it asks to sign in");
    await server.start();
    await page.getByRole("button", { name: "Try again" }).click();
    await signedIn.waitFor();
  });

  await t.test("it signs out with the token from the cookie, and stays signed out", async () => {
    const csrf = (await page.context().cookies()).find((c) => c.name === "csrftoken");
    const [response] = await Promise.all([answer("/api/auth/logout"), page.getByRole("button", { name: "Sign out" }).click()]);
    assert.equal(response.status(), 200);
    assert.equal((await response.request().allHeaders())["x-csrftoken"], csrf.value);
    await form.waitFor();
    assert.equal(await ticket(page), undefined);
    const [me] = await Promise.all([answer("/api/me"), page.reload()]);
    assert.equal(me.status(), 401);
    await form.waitFor();
  });

  await t.test("a page of an origin that is not listed gets nothing", async (t) => {
    const stray = `http://127.0.0.1:${await startSite(t, pages)}/`;
    const other = await openPage(t, browser);
    await other.goto(stray);
    await other.getByRole("alert").getByText("unavailable").waitFor();
  });
});
