import assert from "node:assert/strict";
import test from "node:test";
import { checkAccessible } from "../lib/axe.mjs";
import { ask, atAccount, openPage, startBrowser } from "../lib/browser.mjs";
import { codeIn, makeProven, password } from "../lib/code.mjs";
import { admin, startServer } from "../lib/server.mjs";

async function askForCode(page, server, address) {
  await page.goto(`${server.url}/signin`);
  await page.getByRole("button", { name: "Mail me a code" }).click();
  await page.getByLabel("E-mail").fill(address);
  await page.getByRole("button", { name: "Send the code" }).click();
  await page.getByRole("heading", { name: "Enter the code" }).waitFor();
}

async function enter(page, code) {
  await page.getByLabel("Code", { exact: true }).fill(code);
  await page.getByRole("button", { name: "Continue" }).click();
}

test("a mailed code signs in, in the browser that has asked for it", async (t) => {
  const server = await startServer(t, ["--mail-code"]);
  await makeProven(server);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);

  await t.test("the page says the same for an address without an account", async () => {
    await askForCode(page, server, "unknown@example.com");
    await page.getByText("If this is the confirmed address of an account").waitFor();
    await checkAccessible(page, "code");
    await page.getByRole("button", { name: "Start over" }).click();
    await page.getByRole("heading", { name: "Sign in by mailed code" }).waitFor();
    await page.getByRole("button", { name: "Back to sign-in" }).click();
    await page.getByRole("heading", { name: "Sign in", exact: true }).waitFor();
  });

  await t.test("a wrong code can be corrected, also after a reload", async () => {
    await askForCode(page, server, admin.email);
    const code = codeIn(await server.mail("code"));
    const elsewhere = await openPage(t, browser);
    await askForCode(elsewhere, server, "unknown@example.com");
    await enter(elsewhere, code);
    await elsewhere.getByText("This code is not right. 4 tries are left.").waitFor();
    await page.reload();
    await enter(page, code.startsWith("1") ? "2000 0000" : "1000 0000");
    await page.getByText("This code is not right. 4 tries are left.").waitFor();
    await enter(page, code);
    await atAccount(page);
    assert.equal((await ask(page, "/api/me")).status, 200);
    assert.ok(!server.log.includes(code) && !server.log.includes(code.replace(" ", "")), "the log has the code");
  });
});

test("a mailed code comes before the second factor that the server requires", async (t) => {
  const server = await startServer(t, ["--second-factor", "required"]);
  await makeProven(server);
  const browser = await startBrowser(t);
  const page = await openPage(t, browser);
  await page.goto(`${server.url}/signin`);
  await page.getByLabel("Username or e-mail").fill(admin.username);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("Before you set one up, enter the code").waitFor();
  await checkAccessible(page, "code before the enrolment");
  await enter(page, codeIn(await server.mail("code_enrol")));
  await page.getByRole("heading", { name: "Set up a second factor" }).waitFor();
  await page.waitForLoadState("networkidle"); // what the page loads after a refusal
});
