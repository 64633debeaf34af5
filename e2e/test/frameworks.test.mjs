// The same steps in each framework, with examples/ unchanged, on the server's own origin or on another; with CLOAKROOM_LONG=1 on both. What
// the client does by itself, below all frameworks, is tested with React alone, unless CLOAKROOM_LONG=1 is set.

import assert from "node:assert/strict";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { ask, openPage, startBrowser, ticket } from "../lib/browser.mjs";
import { runs } from "../lib/example.mjs";
import { startPostgres } from "../lib/postgres.mjs";
import { checkSecrecy, collectAnswers } from "../lib/secrecy.mjs";
import { admin } from "../lib/server.mjs";
import { addApp } from "../lib/totp.mjs";

const away = Number(process.env.CLOAKROOM_AWAY ?? 10); // seconds without the database


/** Another device, which can do to the account what a person can. */
async function device(server, password = admin.password) {
  const response = await server.post("/api/auth/login", { username: admin.username, password });
  assert.equal(response.status, 200, await response.text());
  const cookies = response.headers.getSetCookie().map((line) => line.split(";")[0]);
  const csrf = cookies.find((pair) => pair.startsWith("csrftoken=")).slice("csrftoken=".length);
  return async (method, path, body) => {
    const answer = await fetch(server.url + path, {
      method,
      headers: { Cookie: cookies.join("; "), "X-CSRFToken": csrf, ...(body && { "Content-Type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.json();
  };
}

// Two at a time, since most of the time is waiting.
test("the examples", { concurrency: 2 }, async (t) => {
  await Promise.all(runs.map(({ name, where, start }) =>
    t.test(`examples/${name} ${where}`, { concurrency: 1 }, async (t) => {
      const whole = process.env.CLOAKROOM_LONG || name === "react";
      const postgres = whole && await startPostgres(t, () => server?.stop());
      const { site, server } = await start(t, name, postgres ? ["--db", postgres.url] : []);
      await server.makeAdmin();
      const browser = await startBrowser(t);
      const page = await openPage(t, browser);
      await page.context().addInitScript(watchForForm);
      await tell(t, { page, site, server, postgres, whole });
    })));
});

/** Runs in each page: notes whether a sign-in form was ever shown, however briefly. */
function watchForForm() {
  window.formSeen = false;
  new MutationObserver(() => (window.formSeen ||= !!document.querySelector("form"))).observe(document, { childList: true, subtree: true });
}

async function tell(t, { page, site, server, postgres, whole }) {
  const form = (on = page) => on.getByRole("button", { name: "Sign in" });
  const signedIn = (on = page) => on.getByText(`Signed in as ${admin.username}`);
  const notice = page.getByRole("status").getByText("The server is unavailable");
  const answer = (path, on = page) => on.waitForResponse((r) => r.url().startsWith(server.url + path) && r.request().method() !== "OPTIONS");
  const look = () => page.evaluate(() => window.dispatchEvent(new Event("online")));
  const me = (on = page) => ask(on, `${server.url}/api/me?slide=false`, { credentials: "include" });

  const { answers, settled } = collectAnswers(page.context());
  const ofTheClient = (name, steps) => whole && t.test(name, steps);

  async function signIn(on = page, password = admin.password) {
    await on.getByLabel("Username").fill(admin.username);
    await on.getByLabel("Password").fill(password);
    await form(on).click();
  }
  async function neverAsked(on, action) {
    await on.evaluate(() => (window.formSeen = false));
    await action();
    await signedIn(on).waitFor();
    assert.equal(await on.evaluate(() => window.formSeen), false, "the sign-in was shown");
  }
  /** Ends the session, and waits until each page shows why. */
  async function ends(pages, action, reason) {
    await action();
    const began = performance.now();
    await Promise.all(pages.map((on) => on.getByText(`You are signed out (${reason})`).waitFor({ timeout: 120_000 })));
    t.diagnostic(`${reason}: seen after ${Math.round(performance.now() - began)} ms`);
  }
  const streaming = (on = page) => on.waitForRequest((r) => r.url() === `${server.url}/api/auth/events`);

  await t.test("signed out it shows the sign-in, and nothing behind it", async () => {
    const [response] = await Promise.all([answer("/api/me"), page.goto(`${site}/`)]);
    assert.equal(response.status(), 401);
    await form().waitFor();
    assert.equal(await signedIn().count(), 0);
    assert.equal(await page.getByText("You are signed out").count(), 0);
    await checkAccessible(page, "signed out");
  });

  await t.test("a wrong password is reported", async () => {
    await signIn(page, "not her password, at all");
    await page.getByRole("alert").getByText("Wrong username or password").waitFor();
    assert.equal(await ticket(page), undefined);
  });

  await t.test("the right one signs in", async () => {
    await Promise.all([streaming(), signIn()]);
    await signedIn().waitFor();
    assert.equal((await ticket(page)).httpOnly, true);
    await checkAccessible(page, "signed in");
  });

  await t.test("a reload stays signed in", async () => {
    await Promise.all([streaming(), page.reload()]);
    await signedIn().waitFor();
    assert.equal(await page.evaluate(() => window.formSeen), false, "the sign-in was shown");
  });

  const tab = await page.context().newPage();
  await t.test("a second tab is signed in, and shares the stream", async () => {
    const streams = [];
    tab.on("request", (r) => r.url().endsWith("/api/auth/events") && streams.push(r.url()));
    await tab.goto(`${site}/`);
    await signedIn(tab).waitFor();
    await tab.waitForTimeout(300);
    assert.deepEqual(streams, []);
  });

  await ofTheClient("K04 no script can find the ticket", async () => {
    await checkSecrecy([(await ticket(page)).value], page, answers, { inReach: "csrftoken", inHeap: admin.email });
  });

  await t.test("a sign-out in one tab is seen in the other, and so is a sign-in", async () => {
    await ends([tab, page], () => page.getByRole("button", { name: "Sign out" }).click(), "signed_out");
    assert.equal(await ticket(page), undefined);
    await Promise.all([signedIn().waitFor(), signIn(tab)]);
    await signedIn(tab).waitFor();
  });

  await t.test("a device ended elsewhere is seen in every tab within a second", async () => {
    const other = await device(server);
    await ends([page, tab], () => other("DELETE", "/api/auth/sessions"), "ended_elsewhere");
    await Promise.all([streaming(tab), signIn(tab)]);
    await signedIn().waitFor();
  });

  await ofTheClient("a password changed elsewhere signs every tab out", async () => {
    const changed = "two hangers for each coat";
    const other = await device(server);
    const change = (from, to) => ({ current_password: from, new_password: to });
    await ends([page, tab], () => other("POST", "/api/auth/password/change", change(admin.password, changed)), "password_changed");
    const again = await device(server, changed);
    await again("POST", "/api/auth/password/change", change(changed, admin.password));
    await Promise.all([streaming(tab), signIn(tab)]);
    await signedIn().waitFor();
  });

  await ofTheClient("a ticket that another tab rotates during six requests is no sign-out", async () => {
    let refused = 0;
    page.on("response", (r) => r.url().includes("/api/auth/sessions") && r.status() === 401 && refused++);
    await neverAsked(page, async () => {
      for (let round = 0; round < 20 && refused < 3; round++) {
        const rotate = tab.evaluate(async ([url, password]) => {
          const { createClient } = await import("/client/index.js");
          await createClient({ url }).reauthenticate(password);
        }, [server.url, admin.password]);
        const statuses = await page.evaluate(async (url) => {
          const { createAuth } = await import("/client/index.js");
          const auth = createAuth({ url, events: false });
          await auth.refresh();
          const out = [];
          for (let i = 0; i < 10; i++) { // while the password is looked at, which takes its time
            const six = Array.from({ length: 6 }, () => auth.fetch(`${url}/api/auth/sessions`));
            out.push(...(await Promise.all(six)).map((r) => r.status));
          }
          return [...new Set(out), auth.getState().status];
        }, server.url);
        await rotate;
        assert.deepEqual(statuses, [200, "authenticated"]);
      }
    });
    t.diagnostic(`${refused} requests came with the old ticket, and were repeated`);
    await signedIn(tab).waitFor();
  });

  await t.test("a server that is restarted under an open page is no sign-out", async () => {
    const before = await ticket(page);
    await neverAsked(page, async () => {
      await server.stop();
      await look();
      await notice.waitFor();
      await signedIn().waitFor();
      const streams = Promise.race([streaming(page), streaming(tab)]);
      await server.start();
      await notice.waitFor({ state: "detached", timeout: 120_000 });
      await streams;
    });
    assert.deepEqual(await ticket(page), before);
  });

  await ofTheClient(`a database that is away for ${away} s is reported, is no sign-out, and is noticed when it is back`, async () => {
    await neverAsked(page, async () => {
      await postgres.stop();
      await look();
      await notice.waitFor();
      assert.equal((await me()).status, 503);
      await page.waitForTimeout(away * 1000);
      await signedIn().waitFor();
      assert.equal(await notice.count(), 1);
      await postgres.start();
      await notice.waitFor({ state: "detached", timeout: 120_000 });
    });
  });

  await tab.close();
  await t.test("a page that is opened during an outage says so, and doesn't show the sign-in", async () => {
    const headers = { "Access-Control-Allow-Origin": site, "Access-Control-Allow-Credentials": "true" };
    await page.route(/\/api\/me(\?|$)/, (route) => route.fulfill({
      status: 503, headers, contentType: "application/problem+json", body: '{"status":503,"code":"unavailable"}',
    }));
    await Promise.all([answer("/api/me"), page.reload()]);
    await notice.waitFor();
    assert.equal(await signedIn().count(), 0);
    await page.unrouteAll();
    await look();
    await signedIn().waitFor();
    await notice.waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => window.formSeen), false, "the sign-in was shown");
  });

  await ofTheClient("a page that was frozen while the session ended learns of it when it resumes", async () => {
    const frozen = await page.context().newCDPSession(page);
    await neverAsked(page, async () => {
      await frozen.send("Page.setWebLifecycleState", { state: "frozen" });
      await frozen.send("Page.setWebLifecycleState", { state: "active" });
    });
    const other = await device(server);
    await frozen.send("Page.setWebLifecycleState", { state: "frozen" });
    await other("DELETE", "/api/auth/sessions");
    await new Promise((resolve) => setTimeout(resolve, 500));
    await frozen.send("Page.setWebLifecycleState", { state: "active" });
    await form().waitFor({ timeout: 120_000 });
    await signIn();
    await signedIn().waitFor();
  });

  await t.test("an account with an authenticator app is asked for a code, which a reload doesn't forget", async () => {
    const code = page.getByLabel("Code of your app");
    const proceed = page.getByRole("button", { name: "Continue" });
    const { app } = await addApp(await device(server)); // which ends what was signed in with the password alone
    await page.getByText("You are signed out").waitFor({ timeout: 120_000 });
    await signIn();
    await code.waitFor();
    assert.equal((await me()).status, 401);
    await checkAccessible(page, "the second step");
    await page.reload();
    await code.fill(app.staleCode());
    await proceed.click();
    await page.getByRole("alert").getByText("Wrong code").waitFor();
    const other = await page.context().newPage();
    await other.goto(`${site}/`);
    await form(other).waitFor(); // the first step was this tab's
    await code.fill(await app.code());
    await proceed.click();
    await Promise.all([signedIn().waitFor(), signedIn(other).waitFor()]);
    await other.close();
  });

  const last = (await ticket(page)).value;
  await t.test("it signs out, and stays signed out", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await form().waitFor();
    assert.equal(await ticket(page), undefined);
    await page.goto(`${site}/`);
    await form().waitFor();
  });

  await ofTheClient("K04 no script can find its last ticket", async () => {
    await settled();
    assert.ok(answers.some(({ url }) => url.endsWith("/api/auth/events")), "the streams of events were not looked at");
    await checkSecrecy([last], page, answers, { inReach: "csrftoken", inHeap: "not_authenticated" });
  });
}
