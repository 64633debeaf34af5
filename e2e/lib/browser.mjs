// Controls Debian's Chromium. A script error or a violation of the Content-Security-Policy on any page fails the test.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { admin } from "./server.mjs";

/**
 * Starts the browser. `args` are added to its command line. `back`: with the cache of left pages for the Back button, which Playwright
 * switches off. `whole`: with what Chromium has around the engine, such as sessions bound to the device, or its own choice of cookies.
 */
export async function startBrowser(t, args = [], { back = false, whole = false } = {}) {
  const chosen = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({
    executablePath: whole ? chosen : process.env.CHROMIUM_SHELL ?? chosen,
    ignoreDefaultArgs: back ? ["--disable-back-forward-cache"] : [],
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
      "--js-flags=--heap-snapshot-string-limit=10000000",
      ...args,
    ],
  });
  t.after(() => browser.close());
  return browser;
}

/**
 * Opens a page in a new context, which is a new device. Its errors fail the test `t` when it ends, unless `tolerant` is set,
 * for a page that is meant to break rules.
 */
export async function openPage(t, browser, { tolerant = false, ...options } = {}) {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(120_000);
  const faults = [];
  context.on("page", (page) => {
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      if (/Content Security Policy|Trusted ?Type/i.test(message.text())) faults.push(message.text());
    });
  });
  t.after(async () => {
    await context.close();
    if (!tolerant) assert.deepEqual(faults, []);
  });
  return context.newPage();
}

/** Signs the administrator in on the sign-in page, and waits for the account page. */
export async function signIn(page, server, { password = admin.password, remember = true } = {}) {
  await page.goto(`${server.url}/signin`);
  await page.getByLabel("Username").fill(admin.username);
  await fillPassword(page, "Password", password);
  if (!remember) await page.getByLabel("Keep me signed in").uncheck();
  await page.getByRole("button", { name: "Sign in" }).click();
  await atAccount(page);
}

/** Fills a password field. The label must match exactly, since that of the button beside the field contains it. */
export function fillPassword(page, label, password) {
  return page.getByLabel(label, { exact: true }).fill(password);
}

export async function atAccount(page) {
  await page.waitForURL(/\/auth\/account(\?reset)?$/);
  await page.getByRole("heading", { name: "Your account" }).waitFor();
}

export async function atSignIn(page) {
  await page.waitForURL("**/signin*");
  await page.getByLabel("Username").waitFor();
}

/** Returns the session's cookie in the page's browser, or undefined. */
export async function ticket(page) {
  return (await page.context().cookies()).find((cookie) => cookie.name === "sessionid");
}

/** Sends a request from within the page, as its script would. */
export function ask(page, path, init) {
  return page.evaluate(async ([path, init]) => {
    const response = await fetch(path, init);
    return { status: response.status, body: await response.text() };
  }, [path, init]);
}
