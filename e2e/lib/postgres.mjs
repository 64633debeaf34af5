// Starts a temporary PostgreSQL, which a test can stop and start again.

import { execFile, spawn } from "node:child_process";
import { access, chown, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { freePort } from "./server.mjs";

const unprivileged = 65534; // the user nobody

/** Finds the folder of the server's programs, which Debian doesn't put into the PATH. */
async function programs() {
  for (let version = 30; version >= 13; version--) {
    const folder = `/usr/lib/postgresql/${version}/bin`;
    if (await access(folder).then(() => true, () => false)) return folder;
  }
  throw new Error("PostgreSQL is not installed; on Debian: apt-get install postgresql-15");
}

/**
 * A database that is removed when the test or suite `t` ends. `before` is awaited first: it stops the servers that use the
 * database.
 */
export async function startPostgres(t, before) {
  const bin = await programs();
  const folder = await mkdtemp(path.join(os.tmpdir(), "cloakroom-postgres-"));
  const user = process.getuid() === 0 ? { uid: unprivileged, gid: unprivileged } : {}; // it refuses to run as root
  if (user.uid) await chown(folder, user.uid, user.gid);
  const options = { ...user, cwd: folder, env: { ...process.env, LC_ALL: "C" } };
  const data = path.join(folder, "data");
  await promisify(execFile)(`${bin}/initdb`, ["--pgdata", data, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"], options);
  const port = await freePort();
  let child;
  let ended;

  const postgres = {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async start() {
      const settings = [`port=${port}`, "listen_addresses=127.0.0.1", `unix_socket_directories=${folder}`, "fsync=off"];
      child = spawn(`${bin}/postgres`, ["-D", data, ...settings.flatMap((setting) => ["-c", setting])], { ...options, stdio: "ignore" });
      ended = new Promise((resolve) => child.once("exit", resolve));
      for (const end = Date.now() + 120_000; ; ) {
        const ready = await promisify(execFile)(`${bin}/pg_isready`, ["-h", "127.0.0.1", "-p", String(port)]).then(() => true, () => false);
        if (ready) return;
        if (Date.now() > end || child.exitCode !== null) throw new Error("PostgreSQL did not get ready");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    /** Stops it, and ends all connections. */
    async stop() {
      child.kill("SIGINT");
      await ended;
    },
  };
  const kill = () => child?.kill("SIGKILL");
  process.once("exit", kill);
  t.after(async () => {
    await before();
    process.removeListener("exit", kill);
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  });
  await postgres.start();
  return postgres;
}
