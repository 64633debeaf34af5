// Passkeys in each framework, with examples/ unchanged, on the server's own origin or on another; with CLOAKROOM_LONG=1 on both.

import assert from "node:assert/strict";
import test from "node:test";
import { addAuthenticator, answered, suggests, watch } from "../lib/authenticator.mjs";
import { checkAccessible } from "../lib/axe.mjs";
import { ask, openPage, startBrowser, ticket } from "../lib/browser.mjs";
import { codeIn, makeProven, password as provenPassword } from "../lib/code.mjs";
import { runs } from "../lib/example.mjs";
import { admin } from "../lib/server.mjs";
import { authenticator as appOnPhone } from "../lib/totp.mjs";

const { username, password } = admin;

for (const { name, where, start } of runs) {
  test(`passkeys in examples/${name} ${where}`, async (t) => {
    const { site, server } = await start(t, name, ["--second-factor", "required", "--enrol-on-password"]);
    await server.makeAdmin().catch(() => {}); // it is answered that a second factor is to be set up
    const browser = await startBrowser(t);
    const page = await openPage(t, browser);
    await watch(page);
    const authenticator = await addAuthenticator(page);
    await tell(t, { page, site, server, authenticator });
  });
}

for (const { name, where, start } of runs) {
  test(`a mailed code before the second factor in examples/${name} ${where}`, async (t) => {
    const { site, server } = await start(t, name, ["--second-factor", "required"]);
    await makeProven(server);
    const browser = await startBrowser(t);
    const page = await openPage(t, browser);
    await page.goto(`${site}/`);
    await page.getByLabel("Username").fill(username);
    await page.getByLabel("Password").fill(provenPassword);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("button", { name: "Mail me a code" }).click();
    await page.getByLabel("Code from the mail").fill(codeIn(await server.mail("code_enrol")));
    await checkAccessible(page, "a mailed code");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("button", { name: "Set up an authenticator app" }).waitFor();
  });
}

async function tell(t, { page, site, server, authenticator }) {
  const button = (name, on = page) => on.getByRole("button", { name, exact: true });
  const signedIn = (on = page) => on.getByText(`Signed in as ${username}`).waitFor();
  const passkeys = page.getByRole("listitem").filter({ has: button("Remove") });
  const me = async () => JSON.parse((await ask(page, `${server.url}/api/auth/sessions`, { credentials: "include" })).body).sessions.find((it) => it.current);

  async function firstStep(on = page) {
    await on.getByLabel("Username").fill(username);
    await on.getByLabel("Password").fill(password);
    await button("Sign in", on).click();
  }
  /** Signs out while no one touches the authenticator. The suggestions of the form then wait until another question comes. */
  async function signOut() {
    await authenticator.touch(false);
    await button("Sign out").click();
    await button("Sign in").waitFor();
    await suggests(page);
  }
  /** Signs out while someone touches the authenticator, so that the suggestions are answered at once. */
  async function signOutAndIn() {
    const [answer] = await Promise.all([page.waitForResponse((it) => it.url().endsWith("/api/auth/passkey/login")), button("Sign out").click()]);
    assert.equal(answer.status(), 200);
    await signedIn();
  }
  const touch = () => authenticator.touch(true);

  await t.test("a passkey is set up on the way in", async () => {
    await authenticator.verify(false); // so that the suggestions choose nothing
    await page.goto(`${site}/`);
    await firstStep();
    await button("Set up an authenticator app").click();
    await page.getByLabel("Code of your app").fill(appOnPhone(await page.locator("code").innerText()).staleCode());
    await button("Continue").click();
    await page.getByRole("alert").getByText("Wrong code").waitFor();
    await checkAccessible(page, "setting a factor up");
    await page.reload();
    await button("Set up a passkey").waitFor();
    assert.equal(await ticket(page), undefined);
    await authenticator.verify(true);
    await button("Set up a passkey").click();
    await page.getByText("Keep these recovery codes").waitFor();
    assert.equal(await page.getByRole("listitem").count(), 10);
    await checkAccessible(page, "recovery codes");
    await button("I have kept them").click();
    await signedIn();
    await passkeys.first().waitFor();
    await checkAccessible(page, "signed in");
  });

  await t.test("it signs in from the field", async () => {
    await signOutAndIn();
    const { method, level } = await me();
    assert.deepEqual({ method, level }, { method: "passkey", level: 2 });
  });

  await t.test("it signs in by the button, in every tab", async () => {
    await signOut();
    const tab = await page.context().newPage();
    await addAuthenticator(tab, { isUserVerified: false });
    await tab.goto(`${site}/`);
    await button("Sign in", tab).waitFor();
    await page.bringToFront();
    // Where the suggestions are answered first, there is no button any more: once more then.
    for (let pressed = false; !pressed; ) {
      await touch();
      pressed = await button("Use a passkey").click({ timeout: 3000 }).then(() => true, () => false);
      await Promise.all([signedIn(), signedIn(tab)]);
      if (!pressed) await signOut();
    }
    await tab.close();
  });

  await t.test("without verification of the person it signs no one in", async () => {
    await signOut();
    await authenticator.verify(false);
    await touch();
    await button("Use a passkey").click();
    await answered(page, "NotAllowedError");
    assert.equal(await ticket(page), undefined);
    assert.equal(await button("Sign in").count(), 1);
    await authenticator.touch(false);
    await authenticator.verify(true);
  });

  await t.test("it is the second step after the password", async () => {
    await page.reload(); // the field suggests passkeys again, and no one touches the authenticator
    await button("Sign in").waitFor();
    await firstStep();
    await page.getByLabel("Code of your app").waitFor();
    await checkAccessible(page, "the second step");
    await touch();
    await button("Use a passkey").click();
    await signedIn();
    assert.deepEqual((await me()).methods.includes("pwd"), true);
  });

  await t.test("it proves again who the person is", async () => {
    await refuseOnce(page, /\/api\/auth\/factors\/[^/]+$/, { code: "full_sign_in_required", factors: ["passkey"] });
    const [again] = await Promise.all([
      page.waitForResponse((it) => it.url().endsWith("/api/auth/reauthenticate") && it.request().method() === "POST"),
      passkeys.first().getByRole("button").click(),
    ]);
    assert.equal(again.status(), 200);
    await page.getByRole("alert").getByText("remove your last one").waitFor(); // the last one can't be removed
    assert.equal(await passkeys.count(), 1);
  });

  await t.test("another is added, and the first removed", async () => {
    await authenticator.remove();
    authenticator = await addAuthenticator(page);
    await button("Add a passkey").click();
    await passkeys.nth(1).waitFor();
    const [added] = await authenticator.credentials();
    await passkeys.first().getByRole("button").click();
    await passkeys.nth(1).waitFor({ state: "detached" });
    assert.deepEqual((await authenticator.credentials()).map((it) => it.credentialId), [added.credentialId]);
    await signOutAndIn();
  });

  await t.test("the last one stays", async () => {
    await passkeys.first().getByRole("button").click();
    await page.getByRole("alert").getByText("remove your last one").waitFor();
    assert.equal((await authenticator.credentials()).length, 1);
  });
}

/** Answers the next request to `path` as a server does that wants a fresh sign-in. */
async function refuseOnce(page, path, problem) {
  const origin = new URL(page.url()).origin;
  const headers = { "Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true" };
  let refused = false;
  await page.route(path, (route) => {
    if (refused || route.request().method() !== "DELETE") return route.fallback();
    refused = true;
    return route.fulfill({ status: 403, headers, contentType: "application/problem+json", body: JSON.stringify({ status: 403, ...problem }) });
  });
}
