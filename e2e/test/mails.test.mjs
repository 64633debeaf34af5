import assert from "node:assert/strict";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { ask, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

const secretIn = (text) => /^http\S+$/m.exec(text)[0];

test("what a scanner of mail does with a link changes nothing", async (t) => {
  const server = await startServer(t, ["--signup", "open", "--mail-code"]);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const owner = await openPage(t, browser);
  await signIn(owner, server);
  for (const [path, body] of [["signup", { email: "bob@example.com" }], ["password/forgot", { email: admin.email }]]) {
    assert.equal((await server.post(`/api/auth/${path}`, body)).status, 202);
  }
  await owner.getByRole("button", { name: "Send a link" }).click();
  await owner.getByText("a link is on its way").waitFor();
  const links = {};
  for (const kind of ["signup", "reset_first", "verify"]) links[kind] = secretIn(await server.mail(kind));

  await t.test("it reads, prefetches and opens each, and presses what there is to press", async (t) => {
    for (const link of Object.values(links)) {
      for (const method of ["GET", "HEAD"]) {
        const answer = await fetch(link, { method, headers: { "Sec-Purpose": "prefetch" } });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers.get("set-cookie"), null);
      }
      const scanner = await openPage(t, browser);
      await scanner.goto(link);
      await scanner.getByRole("heading").first().waitFor();
      for (const button of await scanner.locator("main button[type=submit], form button[type=submit]").all()) {
        await button.evaluate((element) => element.click()); // by script, as no person does
      }
      await scanner.evaluate(() => document.querySelectorAll("form").forEach((form) => form.requestSubmit()));
      assert.equal((await ask(scanner, "/api/me")).status, 401, `${link} signs in`);
    }
  });

  await t.test("no account was made, nothing was proven, and every link is good", async (t) => {
    assert.ok(!(await server.run("user", "list")).includes("bob@example.com"));
    assert.equal((await ask(owner, "/api/me")).status, 200);
    await owner.goto(links.verify);
    await owner.getByRole("button", { name: "Confirm" }).click();
    await owner.getByText(`You receive mail at ${admin.email}.`).waitFor();
    const secret = (link) => new URL(link).hash.slice(1);
    const made = { secret: secret(links.signup), username: "bob", password: "three umbrellas in the stand" };
    assert.equal((await server.post("/api/auth/signup/complete", made)).status, 200);
    const reset = { secret: secret(links.reset_first), new_password: "two hangers for each coat" };
    assert.equal((await server.post("/api/auth/password/reset", reset)).status, 200);
  });
});

test("messages look right on a phone, in the light and in the dark", async (t) => {
  const server = await startServer(t, ["--signup", "open", "--mail-code"]);
  await server.makeAdmin();
  await server.run("user", "verify", admin.username);
  const browser = await startBrowser(t);
  for (const [path, body] of [
    ["signup", { email: "a-person-with-a-rather-long-name@an-even-longer-name-of-a-domain.example.com" }], ["password/forgot", { email: admin.email }],
    ["code", { email: admin.email }], ["signup", { email: admin.email }],
  ]) {
    assert.equal((await server.post(`/api/auth/${path}`, body)).status, 202, path);
  }
  for (const kind of ["signup", "signup_known", "reset", "code"]) {
    const [words, html] = [await server.mail(kind), await server.mail(kind, 0, "text/html")];
    const grounds = [];
    for (const colorScheme of ["light", "dark"]) {
      await t.test(`${kind}, ${colorScheme}`, async (t) => {
        const page = await openPage(t, browser, { viewport: { width: 360, height: 740 }, colorScheme, isMobile: true });
        await page.setContent(html);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(wide, 0, "it must be pushed sideways");
        const seen = (await page.locator("body").innerText()).replaceAll(/\s+/g, " ").trim();
        assert.equal(seen, words.replaceAll(/\s+/g, " ").trim(), "the two parts have other words");
        assert.ok(await page.locator("p").first().evaluate((p) => parseFloat(getComputedStyle(p).fontSize) >= 16), "its letters are small");
        grounds.push(await page.evaluate(() => getComputedStyle(document.body).color));
        const shot = await page.screenshot({ fullPage: true });
        if (process.env.SHOTS) await (await import("node:fs/promises")).writeFile(`${process.env.SHOTS}/mail-${kind}-${colorScheme}.png`, shot);
        // In the dark, axe doesn't know the ground, which is the browser's.
        const rules = ["document-title", "html-has-lang", ...(colorScheme === "light" ? ["color-contrast"] : [])];
        await checkAccessible(page, `${kind}, ${colorScheme}`, rules);
      });
    }
    assert.notEqual(grounds[0], grounds[1], "its letters have the same colour in the light and in the dark");
  }
});
