// The pages in other languages.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { openPage, startBrowser } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";

/** The built-in English texts. */
async function english() {
  const files = ["en.json", "pages/en.json"].map((name) => readFile(new URL(`../../internal/texts/${name}`, import.meta.url), "utf8"));
  return Object.assign({}, ...(await Promise.all(files)).map(JSON.parse));
}

/** A folder with texts, which is removed after the test. */
async function textsFolder(t, files) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "texts-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, texts] of Object.entries(files)) await writeFile(path.join(folder, name), JSON.stringify(texts));
  return folder;
}

async function inBothThemes(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await checkAccessible(page, `${name}, ${colorScheme}`);
  }
}

test("a German browser gets German pages, and English ones if the person chooses them", async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { locale: "de-DE" });
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));

  // What the API says is German, too.
  await page.goto(await server.setupLink());
  await page.getByLabel("Benutzername").fill(admin.username);
  await page.getByLabel("Passwort", { exact: true }).fill("1234567");
  await page.getByRole("button", { name: "Konto anlegen" }).click();
  await page.getByText("Dieses Passwort ist zu kurz. Es muss mindestens 15 Zeichen haben.").waitFor();
  await page.getByText("Dieses Passwort besteht nur aus Ziffern.").waitFor();
  await inBothThemes(page, "setup");
  await server.makeAdmin();

  await page.goto(`${server.url}/signin`);
  await page.getByRole("heading", { name: "Anmelden" }).waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "de");
  assert.equal(await page.title(), "Anmelden · Cloakroom");
  await inBothThemes(page, "signin");
  await page.getByLabel("Benutzername oder E-Mail").fill(admin.username);
  await page.getByLabel("Passwort", { exact: true }).fill(admin.password);
  await page.getByRole("button", { name: "Anmelden" }).click();
  await page.getByRole("heading", { name: "Dein Konto" }).waitFor();
  await page.getByText("Chrome auf Linux").waitFor();
  const months = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(" ");
  const today = new Date();
  await page.getByText(new RegExp(`Dabei seit 0?${today.getUTCDate()}\\.(0?${today.getUTCMonth() + 1}\\.| ${months[today.getUTCMonth()]} )`)).waitFor();
  await inBothThemes(page, "account");
  assert.deepEqual(requests.filter((url) => new URL(url).origin !== server.url), []);
  const texts = new Set(requests.filter((url) => url.includes("/texts-")));
  assert.equal(texts.size, 1, "a language costs only those who speak it");

  await page.getByLabel("Sprache", { exact: true }).selectOption("English"); // that of the browser, at the foot
  await page.getByRole("heading", { name: "Your account" }).waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await page.goto(`${server.url}/auth/admin/audit`);
  await page.getByRole("heading", { name: "Audit log" }).waitFor();
  await page.getByLabel("Language").selectOption("Deutsch");
  await page.getByRole("heading", { name: "Protokoll" }).waitFor();
  await page.getByRole("rowheader", { name: "Angemeldet" }).first().waitFor();
});

test("a one-time link survives the choice of another language", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { locale: "de-DE" });
  const { link } = JSON.parse(await server.run("user", "reset", admin.username, "--url", server.url, "--json"));
  await page.goto(link);
  await page.getByRole("heading", { name: "Setze ein neues Passwort" }).waitFor();
  await page.getByLabel("Sprache", { exact: true }).selectOption("English"); // that of the browser, at the foot
  await page.getByRole("heading", { name: "Set a new password" }).waitFor();
  assert.equal(new URL(page.url()).hash, "");
  await page.getByLabel("New password", { exact: true }).fill("two hangers for each coat");
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByRole("heading", { name: "Your password is set" }).waitFor();
});

test("a language that is written from right to left, with other plural forms", async (t) => {
  const words = await english();
  for (const key of Object.keys(words)) {
    // Marked, so that a word from elsewhere can be seen.
    if (key.startsWith("pages.")) words[key] = `ع ${words[key]}`;
  }
  Object.assign(words, { "pages.language": "العربية", "pages.signIn.heading": "تسجيل الدخول", "pages.devices.endOthersSure.few": "أجهزة؟" });
  const server = await startServer(t, ["--texts", await textsFolder(t, { "ar.json": words })]);
  await server.makeAdmin();
  const browser = await startBrowser(t);
  const page = await openPage(t, browser, { locale: "ar-EG" });
  await page.goto(`${server.url}/signin`);
  await page.getByRole("heading", { name: "تسجيل الدخول" }).waitFor();
  assert.deepEqual(await page.locator("html").evaluate(({ lang, dir }) => ({ lang, dir })), { lang: "ar", dir: "rtl" });
  const show = page.getByRole("button", { name: "Show the password" });
  const field = page.getByLabel("ع Password", { exact: true });
  const [button, box] = [await show.boundingBox(), await field.boundingBox()];
  assert.ok(button.x - box.x < 20, "the button stands at the end of the field, which is on its left");
  await inBothThemes(page, "signin");
  const { username, password } = admin;
  for (const agent of ["curl/8.14.1", "Wget/1.25.0"]) {
    assert.equal((await server.post("/api/auth/login", { username, password }, { "User-Agent": agent })).status, 200);
  }
  await page.getByLabel("ع Username or e-mail").fill(admin.username);
  await field.fill(admin.password);
  await page.getByRole("button", { name: "ع Sign in" }).click();
  await page.getByText("curl").waitFor();
  await page.getByRole("button", { name: "ع Sign out all other devices" }).click();
  await page.getByText("أجهزة؟").waitFor();
  await inBothThemes(page, "account");
  await page.setViewportSize({ width: 320, height: 640 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
});

test("the page waits for its words through an outage", async (t) => {
  const server = await startServer(t);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await page.route("**/texts-*", (route) => route.abort());
  await page.goto(`${server.url}/signin`);
  await page.getByText("because the server doesn’t answer").waitFor();
  await page.unrouteAll();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("hostile texts are words and nothing else", async (t) => {
  const hostile = `</script><img src=x onerror=alert(1)><b>"'&lt;`;
  const words = { "pages.signIn.heading": hostile, "pages.language": hostile, "pages.noScript": hostile, "pages.field.login": hostile };
  const server = await startServer(t, ["--texts", await textsFolder(t, { "en.json": words })]);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  page.on("dialog", () => assert.fail("a script ran"));
  await page.goto(`${server.url}/signin`);
  await page.getByRole("heading", { name: hostile, exact: true }).waitFor();
  assert.equal(await page.locator("img, b").count(), 0);
});
