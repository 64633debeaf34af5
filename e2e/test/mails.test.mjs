import assert from "node:assert/strict";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { ask, openPage, signIn, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

const secretIn = (text) => /^http\S+$/m.exec(text)[0];

/** Does with a link what scanners of mail do: reads, prefetches and opens it, and presses what there is to press. */
async function scan(t, browser, link) {
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
    for (const link of Object.values(links)) await scan(t, browser, link);
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

test("nor does it change an address, take an account back, or use an invitation", async (t) => {
  const server = await startServer(t, ["--signup", "invite"]);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const owner = await openPage(t, browser);
  await signIn(owner, server);
  const address = async () => JSON.parse((await ask(owner, "/api/me")).body).email;
  const confirm = async (link, to) => {
    await owner.goto(link);
    await owner.getByRole("button", { name: "Confirm" }).click();
    await owner.getByText(`You receive mail at ${to}.`).waitFor();
  };

  await t.test("an invitation", async (t) => {
    await server.run("user", "invite", "bob@example.com");
    const link = secretIn(await server.mail("invitation"));
    await scan(t, browser, link);
    assert.ok(!(await server.run("user", "list")).includes("bob@example.com"));
    const made = { secret: new URL(link).hash.slice(1), username: "bob", password: "three umbrellas in the stand" };
    assert.equal((await server.post("/api/auth/signup/complete", made)).status, 200);
  });

  await t.test("a change of the address", async (t) => {
    await owner.getByRole("button", { name: "Send a link" }).click(); // a former address gets a way back only if it is proven
    await confirm(secretIn(await server.mail("verify")), admin.email);
    await owner.goto(`${server.url}/auth/account`);
    await owner.getByLabel("New address").fill("ada@example.org");
    await owner.getByRole("button", { name: "Change the address" }).click();
    const link = secretIn(await server.mail("change"));
    await scan(t, browser, link);
    assert.equal(await address(), admin.email);
    await confirm(link, "ada@example.org");
  });

  await t.test("R12 the former address's way back", async (t) => {
    const link = secretIn(await server.mail("email_changed"));
    await scan(t, browser, link);
    assert.equal(await address(), "ada@example.org");
    const back = { secret: new URL(link).hash.slice(1), username: admin.username };
    assert.equal((await server.post("/api/auth/email/revert", back)).status, 200);
    assert.equal((await ask(owner, "/api/me")).status, 401);
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
