// Follows the pages of docs/start as their readers do: writes the files that they show, runs their commands in order, compares what they
// print with what the page says, and does in the browser what the page tells last.
//
// A block "sh" runs to its end. A block "sh server" goes on, at the port that it names or 8000. A block "text" has lines that the commands
// before it print, in this order; … stands for anything. The ports of a page are replaced by free ones.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { fillPassword, openPage, startBrowser } from "./lib/browser.mjs";
import { startPostgres } from "./lib/postgres.mjs";
import { admin, withoutSettings } from "./lib/server.mjs";

const root = path.join(import.meta.dirname, "..");
const patience = 300_000; // only what hangs takes so long
const block = /(?:^`([\w.]+)`(?:, a script)?:\n\n)?^```(\w+)((?: \w+)*)\n([\s\S]*?)\n```$/gm;

/** Ends what the walk of a test has started. */
const end = async (started) => {
  for (const { child } of started) kill(child);
  await Promise.all(started.map(({ ended }) => ended));
};

/** Follows a page; what it starts is noted in `started`, and ends with the test. Returns what its servers have printed, and where its port 8000 is. */
async function follow(t, name, env = {}, started = []) {
  const home = await mkdtemp(path.join(os.tmpdir(), "walk-"));
  t.after(async () => {
    await end(started);
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  });
  const bin = path.join(home, "bin");
  await mkdir(bin);
  await symlink(process.env.CLOAKROOM_BIN, path.join(bin, "cloakroom"));
  await symlink(process.env.CLOAKROOM_PYTHON ?? "/usr/bin/python3", path.join(bin, "python3"));
  await symlink(root, path.join(home, "cloakroom"));
  const state = path.join(home, "state");
  await writeFile(state, `cd '${home}'\n`);

  const base = await freeBase();
  const moved = (text) => text.replace(/\b800(?=[0-3]\b|\$[1n])/g, base);
  const environment = {
    ...withoutSettings(), ...env, HOME: home, PATH: `${bin}:/usr/sbin:${process.env.PATH}`, GOFLAGS: "-trimpath",
    GOCACHE: process.env.GOCACHE ?? path.join(os.homedir(), ".cache/go-build"), GOMODCACHE: process.env.GOMODCACHE ?? path.join(os.homedir(), "go/pkg/mod"),
    CLOAKROOM_LISTEN: `localhost:${base}0`, npm_config_cache: path.join(os.homedir(), ".npm"), npm_config_audit: "false", npm_config_fund: "false",
    npm_config_update_notifier: "false",
  };
  const shell = (script) => {
    const child = spawn("bash", ["-e", "-c", `. '${state}'\n${script}`], { detached: true, env: environment, stdio: ["ignore", "pipe", "pipe"] });
    const run = { child, out: "", ended: new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code))) };
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (run.out += text));
    started.push(run);
    return run;
  };

  let printed = "";
  let commands = 0;
  const page = await readFile(path.join(root, "docs/start", `${name}.md`), "utf8");
  for (const [, file, language, more, content] of page.matchAll(block)) {
    const text = moved(content);
    if (file) {
      const { out } = await done(shell("pwd"));
      await writeFile(path.join(out.trim(), file), `${text}\n`);
    } else if (language === "sh" && more.startsWith(" server")) {
      const server = shell(text);
      await listening(moved(more.match(/\d+/)?.[0] ?? "8000"), server);
    } else if (language === "sh") {
      commands++;
      printed = (await done(shell(`${text}\necho "cd '$PWD'; umask $(umask)" > '${state}'`))).out;
    } else if (language === "text") {
      let rest = printed;
      for (const line of text.split("\n")) {
        const found = new RegExp(line.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*")).exec(rest);
        assert.ok(found, `${name}: the page says ${line}, and the commands print\n${printed}`);
        rest = rest.slice(found.index + found[0].length);
      }
    } else {
      assert.fail(`${name}: a block in ${language} that is neither a file nor a command:\n${content}`);
    }
  }
  assert.ok(commands > 0, "the page has no commands");
  assert.equal([...page.matchAll(block)].length * 2, page.split("\n```").length - 1, "each fence begins or ends a block");
  return { url: `http://localhost:${base}0`, printed, servers: () => started.map(({ out }) => out).join("") };
}

/** Returns what to write for 800, so that the ports from 8000 to 8003 are free. */
async function freeBase() {
  for (;;) {
    const base = String(2000 + Math.floor(Math.random() * 1000));
    const free = await Promise.all([0, 1, 2, 3].map((n) => fetch(`http://localhost:${base}${n}`).then(() => false, (error) => error.cause?.code === "ECONNREFUSED")));
    if (free.every(Boolean)) return base;
  }
}

function kill(child) {
  try {
    process.kill(-child.pid, "SIGKILL"); // the group: the shell, and what it has started
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** Waits for the end of commands, which must succeed. */
async function done(run) {
  const late = setTimeout(() => kill(run.child), patience);
  const code = await run.ended;
  clearTimeout(late);
  await new Promise((resolve) => setTimeout(resolve, 50)); // what is still in the pipe; a server of the commands may hold it open
  assert.equal(code, 0, run.out);
  return run;
}

/** Waits until a server answers. */
async function listening(port, server) {
  let over = false;
  void server.ended.then(() => (over = true));
  for (const end = Date.now() + patience; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    assert.ok(!over, `the server has ended:\n${server.out}`);
    const answer = await fetch(`http://localhost:${port}/readyz`).catch(() => undefined);
    if (answer && answer.status < 502) return;
  }
  assert.fail(`no server at ${port}:\n${server.out}`);
}

/** Opens the link of a server that has no user, and makes the first one. */
async function makeFirstUser(page, walk) {
  const file = walk.servers().match(/file=(\S+setup-link)/)?.[1]; // where the command writes it if it has no terminal
  const [link] = (file ? await readFile(file, "utf8") : walk.servers()).match(/http:\/\/localhost:\d+\/auth\/setup#\w+/) ?? assert.fail(walk.servers());
  await page.goto(link);
  await page.getByLabel("Username").fill(admin.username);
  await fillPassword(page, "Password", admin.password);
  await page.getByRole("button", { name: "Create the account" }).click();
  await page.waitForURL((url) => !url.pathname.endsWith("/setup"));
}

test("the walks of the readers", async (t) => {
  const browser = await startBrowser(t);

  await t.test("a Go developer", async (t) => {
    const walk = await follow(t, "go");
    const page = await openPage(t, browser);
    await makeFirstUser(page, walk);
    await page.goto(walk.url);
    await page.getByText("hello, ada").waitFor();
  });

  await t.test("a front-end developer", async (t) => {
    const walk = await follow(t, "front-end");
    const page = await openPage(t, browser);
    await makeFirstUser(page, walk);
    await page.goto(walk.url);
    await page.getByText("Signed in as ada").waitFor();
    const other = await page.context().newPage();
    await other.goto(walk.url);
    await other.getByText("Signed in as ada").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await other.getByRole("link", { name: "Sign in" }).waitFor();
  });

  await t.test("a Django team", async (t) => {
    await follow(t, "django");
  });

  await t.test("an operator of three nodes", async (t) => {
    const started = [];
    const postgres = await startPostgres(t, () => end(started));
    const { printed } = await follow(t, "operator", { DATABASE: postgres.url }, started);
    assert.match(printed, /^ *\d+ 200\n$/, "each answer during the restarts is 200");
  });

  await t.test("an administrator in an incident", async (t) => {
    const walk = await follow(t, "administrator");
    const [link] = walk.servers().match(/http:\/\/localhost:\d+\/auth\/reset#\w+/) ?? assert.fail(walk.servers());
    const page = await openPage(t, browser);
    await page.goto(link);
    await fillPassword(page, "New password", "another phrase for bob alone");
    await page.getByRole("button", { name: "Set the password" }).click();
    await page.getByRole("heading", { name: "Your password is set" }).waitFor();
  });
});
