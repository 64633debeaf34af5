// Checks the built site: links between pages and to headings, that each page can be found, the search, and accessibility. CLOAKROOM_LONG=1
// checks the accessibility of each page.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import test from "node:test";
import { checkAccessible } from "../../e2e/lib/axe.mjs";
import { openPage, startBrowser } from "../../e2e/lib/browser.mjs";
import { startSite } from "../../e2e/lib/site.mjs";

const dist = path.join(import.meta.dirname, "dist");
const files = (await readdir(dist, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile()).map((entry) => path.relative(dist, path.join(entry.parentPath, entry.name)));
const pages = files.filter((file) => file.endsWith(".html") && file !== "404.html");
const texts = Object.fromEntries(await Promise.all(pages.map(async (file) => [file, await readFile(path.join(dist, file), "utf8")])));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2", ".json": "application/json" };

test("each link leads to a page, and to a heading of it", async () => {
  let links = 0;
  for (const [file, text] of Object.entries(texts)) {
    for (const [, link] of text.matchAll(/<a [^>]*href="([^"]+)"/g)) {
      const url = new URL(link.replaceAll("&amp;", "&"), `http://site/${file}`);
      if (url.host !== "site") continue;
      links++;
      const to = decodeURIComponent(url.pathname).slice(1).replace(/(^|\/)$/, "$1index.html");
      const found = [to, `${to}.html`].find((name) => files.includes(name));
      assert.ok(found, `${file} links to ${link}: no such file`);
      const fragment = decodeURIComponent(url.hash.slice(1));
      if (fragment && texts[found]) assert.ok(texts[found].includes(`id="${fragment}"`), `${file} links to ${link}: no such heading`);
    }
  }
  assert.ok(links > 1000, `only ${links} links`);
});

test("each page is in the sidebar, or is linked from one that is", () => {
  const [, sidebar] = texts["index.html"].match(/<aside class="VPSidebar"([\s\S]*?)<\/aside>/);
  const listed = pages.filter((file) => sidebar.includes(`href="/${file}"`) || sidebar.includes(`href="/${file.replace(/index\.html$/, "")}"`));
  const lost = pages.filter((file) => !listed.includes(file) && file !== "index.html" && !listed.some((from) => texts[from].includes(path.posix.basename(file))));
  assert.ok(listed.length > 35, `only ${listed.length} pages are in the sidebar`);
  assert.deepEqual(lost, []);
});

test("each route of the HTTP API is in its reference", async () => {
  const api = await readFile(path.join(import.meta.dirname, "../../internal/httpapi/openapi.yaml"), "utf8");
  const routes = [...api.matchAll(/^  (\/\S+):$/gm)].map(([, route]) => route);
  assert.ok(routes.length > 60);
  assert.deepEqual(routes.filter((route) => !texts["http/index.html"].includes(`${route}<`)), []);
});

test("in a browser", async (t) => {
  const site = await startSite(t, await served());
  const url = `http://127.0.0.1:${site}`;
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  const elsewhere = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) elsewhere.push(request.url());
  });

  await t.test("the search finds a page, without asking another site", async () => {
    await page.goto(url);
    await page.waitForFunction(() => document.querySelector("#app")?.__vue_app__); // a click before that does nothing
    await page.getByRole("button", { name: "Search" }).first().click();
    await page.locator("#localsearch-input").fill("recovery codes");
    await page.locator(".VPLocalSearchBox .result").filter({ hasText: "Second factors" }).first().click();
    await page.getByRole("heading", { level: 1 }).waitFor();
    assert.match(page.url(), /second-factors/);
    assert.deepEqual(elsewhere, []);
  });

  const checked = process.env.CLOAKROOM_LONG ? pages
    : ["index.html", "start/operator.html", "http/devices.html", "providers.html", "gallery.html"];
  for (const theme of ["light", "dark"]) {
    await t.test(`it is accessible in the ${theme} theme`, async () => {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      for (const file of checked) {
        await page.goto(`${url}/${file}`);
        await page.locator("main h1").waitFor();
        await checkAccessible(page, `${file}, ${theme}`);
      }
    });
  }
});

/** Returns what the server of the tests needs: each file by its path. */
async function served() {
  const out = {};
  for (const file of files) {
    const body = await readFile(path.join(dist, file));
    out[`/${file}`] = { type: types[path.extname(file)] ?? "application/octet-stream", body };
    if (file.endsWith("index.html")) out[`/${file.slice(0, -"index.html".length)}`] = out[`/${file}`];
  }
  return out;
}
