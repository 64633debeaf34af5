// Builds the apps in examples/ with their own tools, and serves them.

import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startServer } from "./server.mjs";
import { startSite } from "./site.mjs";

const top = fileURLToPath(new URL("../../", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8" };

/** Builds examples/NAME for a server at `api` ("": the app's own origin), and returns the folder. */
export async function buildExample(t, name, api) {
  const cwd = path.join(top, "examples", name);
  const out = await mkdtemp(path.join(os.tmpdir(), "cloakroom-example-"));
  t.after(() => rm(out, { recursive: true, force: true }));
  const [tool, ...args] = name === "angular"
    ? ["node_modules/@angular/cli/bin/ng.js", "build", "--output-path", out, "--define", `API='${api}'`]
    : ["node_modules/vite/bin/vite.js", "build", "--outDir", out, "--emptyOutDir"];
  const env = { ...process.env, VITE_API: api, NG_CLI_ANALYTICS: "false", CI: "1" };
  await promisify(execFile)(process.execPath, [await find(cwd, tool), ...args], { cwd, env });
  return name === "angular" ? path.join(out, "browser") : out;
}

/** Finds a tool of the example, or of its workspace. */
async function find(cwd, tool) {
  for (const folder of [cwd, top]) {
    const file = path.join(folder, tool);
    if (await readFile(file).then(() => true, () => false)) return file;
  }
  throw new Error(`there is no ${tool}: run npm ci`);
}

/** Returns the files of a folder for `startSite`, below a prefix. */
export async function filesOf(folder, prefix = "/") {
  const files = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    files[prefix + path.relative(folder, file)] = { type: types[path.extname(file)] ?? "text/plain", body: await readFile(file) };
  }
  return files;
}

/** The built client, for the pages that a test writes. */
export const clientFolder = path.join(top, "web", "client", "dist");

const places = { "on another port": elsewhere, "on the server's own origin": own };
const usual = { react: "on another port", vue: "on the server's own origin", angular: "on another port" };

/**
 * The examples with a framework, each in its usual place; with CLOAKROOM_LONG=1 in both. `start(t, name, flags)` returns the address of
 * the app and its server. Both are at localhost, since browsers refuse passkeys at an IP address.
 */
export const runs = Object.keys(usual).flatMap((name) =>
  Object.entries(places).filter(([where]) => process.env.CLOAKROOM_LONG || where === usual[name]).map(([where, start]) => ({ name, where, start })));

/** The app on a port of its own, and the server that allows it. */
async function elsewhere(t, name, flags) {
  const pages = await filesOf(clientFolder, "/client/");
  const site = `http://localhost:${await startSite(t, pages)}`;
  const server = await startServer(t, ["--origin", site, ...flags], "localhost");
  const files = await filesOf(await buildExample(t, name, server.url));
  Object.assign(pages, files, { "*": files["/index.html"] });
  return { site, server };
}

/** The app handed out by the server itself. */
async function own(t, name, flags) {
  const folder = await buildExample(t, name, "");
  await cp(clientFolder, path.join(folder, "client"), { recursive: true });
  const server = await startServer(t, ["--app", folder, ...flags], "localhost");
  return { site: server.url, server };
}
