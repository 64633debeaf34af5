import assert from "node:assert/strict";
import test from "node:test";
import { ask, openPage, startBrowser, ticket } from "../lib/browser.mjs";
import { admin, startServer } from "../lib/server.mjs";
import { startSite } from "../lib/site.mjs";

// The ways in which another site's page can make a browser send a POST. Each is a page with one button.
const forms = {
  "a form": (action) => form(action, "application/x-www-form-urlencoded", fields),
  "a multipart form": (action) => form(action, "multipart/form-data", fields),
  "a text/plain form that spells JSON": (action) => form(action, "text/plain", json),
  "a form in a sandboxed frame": (action) => sandboxed(form(action, "application/x-www-form-urlencoded", fields)),
  "a text/plain form in a sandboxed frame": (action) => sandboxed(form(action, "text/plain", json)),
};
const fields = `<input name="username" value="${admin.username}"><input name="password" value="${admin.password}">`;
const json = `<input name='{"username":"${admin.username}","password":"${admin.password}","x":"' value='"}'>`;

function form(action, enctype, inputs) {
  return `<!doctype html><form method="post" action="${action}" enctype="${enctype}">${inputs}<button>Win a prize</button></form>`;
}

function sandboxed(html) {
  return `<!doctype html><iframe sandbox="allow-forms" srcdoc="${html.replaceAll('"', "&quot;")}"></iframe>`;
}

test("pages that aren't ours", async (t) => {
  const server = await startServer(t);
  await server.makeAdmin();
  const browser = await startBrowser(t, [], { whole: true });
  const pages = { "/": "<!doctype html><title>A site</title>" };
  const port = await startSite(t, pages);
  // Another port of the same host is the same site to a browser, so cookies go along; localhost is another site.
  const origins = { sibling: `http://127.0.0.1:${port}`, stranger: `http://localhost:${port}` };

  // One window for all, since a new one takes the browser longer than an attack does. Each test begins as another visitor.
  const page = await openPage(t, browser, { tolerant: true });
  const { request } = page.context(); // with the cookies of the page
  const visitor = () => page.context().clearCookies();
  /** A visitor who is signed in; returns the cookie. */
  async function signedIn() {
    await visitor();
    const { username, password } = admin;
    assert.equal((await request.post(`${server.url}/api/auth/login`, { data: { username, password } })).status(), 200);
    return ticket(page);
  }
  const me = async () => (await request.get(`${server.url}/api/me`)).status();

  /** Opens the page of an attack, presses its button, and gives the server's answer. */
  async function press(origin, html, target) {
    pages["/attack"] = html;
    await page.goto(`${origin}/attack`);
    const answer = page.waitForResponse((r) => r.url() === target && r.request().method() === "POST");
    const inside = html.includes("<iframe") ? page.frameLocator("iframe") : page;
    await inside.getByRole("button", { name: "Win a prize" }).click();
    return answer;
  }

  for (const [who, origin] of Object.entries(origins)) {
    for (const [how, html] of Object.entries(forms)) {
      await t.test(`F01 F10 E12 login by ${how} of a ${who} is refused`, async () => {
        await visitor();
        const target = `${server.url}/api/auth/login`;
        const logged = server.log.length;
        const answer = await press(origin, html(target), target);
        assert.equal(answer.status(), 403);
        assert.match(server.log.slice(logged), /malicious_csrf/);
        assert.equal(await ticket(page), undefined, "the victim is signed in to the attacker's account");
      });
      await t.test(`F01 logout by ${how} of a ${who} is refused`, async () => {
        const before = await signedIn();
        const target = `${server.url}/api/auth/logout`;
        const answer = await press(origin, html(target), target);
        assert.equal(answer.status(), 403);
        assert.deepEqual(await ticket(page), before);
        assert.equal(await me(), 200);
      });
    }

    await t.test(`F01 F05 a ${who}'s script can neither send, nor read, nor end anything`, async () => {
      const before = await signedIn();
      await page.goto(`${origin}/`);
      const got = await page.evaluate(async ([url, credentials]) => {
        const body = JSON.stringify(credentials);
        const json = { "Content-Type": "application/json" };
        const tries = {
          "read /api/me": ["/api/me", { credentials: "include" }],
          "read the devices": ["/api/auth/sessions", { credentials: "include" }],
          "post JSON": ["/api/auth/login", { method: "POST", credentials: "include", headers: json, body }],
          "sign out with a header": ["/api/auth/logout", { method: "POST", credentials: "include", headers: { "X-CSRFToken": "x" } }],
          "sign out by CORS": ["/api/auth/logout", { method: "POST", credentials: "include" }],
          "end the devices": ["/api/auth/sessions", { method: "DELETE", credentials: "include" }],
          "read blindly": ["/api/me", { mode: "no-cors", credentials: "include" }],
        };
        const out = {};
        for (const [name, [path, init]] of Object.entries(tries)) {
          out[name] = await fetch(url + path, init).then((r) => `${r.type} ${r.status}`, (error) => error.name);
        }
        navigator.sendBeacon(`${url}/api/auth/logout`, "x");
        await fetch(`${url}/api/auth/logout`, { method: "POST", mode: "no-cors", credentials: "include" }).catch(() => {});
        await new Promise((resolve) => {
          const image = new Image();
          image.onload = image.onerror = resolve;
          image.src = `${url}/api/auth/logout`;
        });
        return out;
      }, [server.url, { username: admin.username, password: admin.password }]);
      for (const [name, outcome] of Object.entries(got)) assert.equal(outcome, "TypeError", name);
      assert.deepEqual(await ticket(page), before);
      assert.equal(await me(), 200);
    });

    await t.test(`H02 a ${who} can't put the pages into a frame`, async () => {
      await visitor();
      for (const path of ["/signin", "/auth/account", "/auth/setup", "/api/me"]) {
        pages["/attack"] = `<!doctype html><iframe src="${server.url}${path}"></iframe>`;
        await page.goto(`${origin}/attack`);
        const frame = page.frames().find((f) => f !== page.mainFrame());
        await frame.waitForURL((url) => url.protocol !== "about:");
        assert.match(frame.url(), /^chrome-error:/, path);
      }
    });

    await t.test(`H05 a ${who} that opens the sign-in page has no access to its window`, async () => {
      await visitor();
      await page.goto(`${origin}/`);
      const [popup] = await Promise.all([
        page.waitForEvent("popup"),
        page.evaluate((url) => void (window.handle = window.open(url)), `${server.url}/signin`),
      ]);
      await popup.getByLabel("Username").waitFor();
      assert.equal(await popup.evaluate(() => window.opener), null);
      await page.waitForFunction(() => window.handle.closed);
    });
  }

  await t.test("A4 K06 a sibling's cookie of the same name signs no visitor in to its account", async () => {
    const planted = (await signedIn()).value; // the attacker's
    const own = (await signedIn()).value;
    await page.goto(`${origins.sibling}/`);
    await page.evaluate((value) => {
      document.cookie = `sessionid=${value}; path=/`; // over an HttpOnly cookie: the browser refuses
      document.cookie = `sessionid=${value}; path=/api`; // beside it: the server gets both
    }, planted);
    const values = (await page.context().cookies(`${server.url}/api/me`)).filter((c) => c.name === "sessionid").map((c) => c.value);
    assert.deepEqual(values.sort(), [own, planted].sort());
    await page.goto(`${server.url}/signin`);
    assert.equal((await ask(page, "/api/me")).status, 401, "one of two tickets was believed");
  });
});
