// Starts the real binary on a free port of 127.0.0.1, with its own data directory.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

/** The account that `server.makeAdmin` creates. */
export const admin = { username: "ada", email: "ada@example.com", password: "a hanger for each coat" };

/** A port on which nothing listens, and which no other test of this run was or will be given. */
export async function freePort() {
  for (;;) {
    const probe = net.createServer();
    await new Promise((resolve, reject) => probe.once("error", reject).listen(0, "127.0.0.1", resolve));
    const { port } = probe.address();
    await new Promise((resolve) => probe.close(resolve));
    try {
      await (await open(path.join(process.env.CLOAKROOM_E2E, `port-${port}`), "wx")).close();
      return port;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
  }
}

/**
 * Starts a server. It is stopped, and its data removed, when the test or suite `t` ends. `flags` are added to its command line.
 * Browsers reach it as `host`, which must be this machine, or at `publicURL`, where a proxy of the test serves it.
 */
export async function startServer(t, flags = [], host = "127.0.0.1", publicURL = undefined) {
  const binary = process.env.CLOAKROOM_BIN;
  if (!binary) throw new Error("CLOAKROOM_BIN is not set: run the tests with e2e/run.sh");
  const data = await mkdtemp(path.join(os.tmpdir(), "cloakroom-e2e-"));
  const port = await freePort();
  const local = `http://${host}:${port}`;
  const url = publicURL ?? local;
  const args = ["serve", "--listen", `127.0.0.1:${port}`, "--url", url, "--data", data, ...flags];
  let child;
  let exited;

  const server = {
    url,
    /** The address that it listens on itself. */
    local,
    /** Everything that the server wrote to its standard output and error. */
    log: "",

    async start() {
      child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"], env: withoutSettings() });
      exited = new Promise((resolve) => {
        child.once("exit", (code, signal) => resolve(signal ?? code));
        child.once("error", (error) => resolve((server.log += error))); // it could not be started
      });
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (server.log += chunk));
      await ready(local, exited, () => server.log);
    },

    /** Stops it with SIGTERM, and fails unless it exits with 0. */
    async stop() {
      if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 120_000);
      const code = await exited;
      clearTimeout(late);
      if (code !== 0) throw new Error(`the server ended with ${code}:\n${server.log}`);
    },

    /** Starts another process on the same data and database, which is stopped with `t`, and returns its port. */
    async beside(t) {
      const port = await freePort();
      const node = spawn(binary, ["serve", "--listen", `127.0.0.1:${port}`, "--url", url, "--data", data, ...flags], { stdio: "ignore", env: withoutSettings() });
      const ended = new Promise((resolve) => node.once("exit", (code, signal) => resolve(signal ?? code)));
      const kill = () => node.kill("SIGKILL");
      process.once("exit", kill);
      t.after(async () => {
        node.kill("SIGTERM");
        const late = setTimeout(kill, 120_000);
        await ended;
        clearTimeout(late);
        process.removeListener("exit", kill);
      });
      await ready(`http://127.0.0.1:${port}`, ended, () => "");
      return port;
    },

    /** Runs another command of the binary on the same data, and returns its output. */
    async run(...command) {
      const { stdout } = await promisify(execFile)(binary, [...command, "--data", data], { env: withoutSettings() });
      return stdout;
    },

    /** The one-time link with which the first administrator is created. */
    async setupLink() {
      return (await readFile(path.join(data, "setup-link"), "utf8")).trim();
    },

    /** Waits for the n-th message of a kind, counted from 0, and returns one of its parts. Without a mail server, messages are files. */
    async mail(kind, n = 0, type = "text/plain") {
      for (const end = Date.now() + 120_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
        const files = (await readdir(path.join(data, "mail")).catch(() => [])).filter((name) => name.endsWith(".eml") && name.includes(`-${kind}-`));
        if (files.length > n) return partOf(await readFile(path.join(data, "mail", files.sort()[n]), "utf8"), type);
      }
      throw new Error(`no message of the kind ${kind} has come:\n${server.log}`);
    },

    /** Everything that is in its data directory, each byte as a character. */
    async stored() {
      const entries = await readdir(data, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile()).map((entry) => readFile(path.join(entry.parentPath ?? entry.path, entry.name), "latin1"));
      return (await Promise.all(files)).join("\n");
    },

    /** Creates the first administrator without a browser. */
    async makeAdmin() {
      const secret = new URL(await server.setupLink()).hash.slice(1);
      const response = await server.post("/api/auth/setup", { secret, ...admin });
      if (!response.ok) throw new Error(`setup: ${response.status} ${await response.text()}`);
    },

    /** Sends a request as a program: without Origin and without cookies. */
    post(path, body, headers = {}) {
      return fetch(url + path, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(body),
      });
    },
  };

  const kill = () => child?.kill("SIGKILL");
  process.once("exit", kill);
  t.after(async () => {
    try {
      await server.stop();
    } finally {
      process.removeListener("exit", kill);
      await rm(data, { recursive: true, force: true });
    }
  });
  await server.start();
  return server;
}

/** The part of a type of a message whose parts are quoted-printable. */
function partOf(message, type) {
  const part = message.split(type)[1].split(/\r?\n\r?\n/).slice(1).join("\n\n").split(/\r?\n--/)[0];
  return decodeURIComponent(part.replace(/=\r?\n/g, "").replace(/%/g, "%25").replace(/=([0-9A-F]{2})/g, "%$1"));
}

async function ready(url, exited, log) {
  let over = false;
  void exited.then(() => (over = true));
  for (const end = Date.now() + 120_000; Date.now() < end && !over; ) {
    try {
      const response = await fetch(`${url}/readyz`);
      await response.arrayBuffer();
      if (response.ok) return;
    } catch {
      // It doesn't listen yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the server did not get ready:\n${log()}`);
}

/** This process's environment without the variables that configure the server. */
export function withoutSettings() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("CLOAKROOM_") || name === "CLOAKROOM_E2E"));
}
