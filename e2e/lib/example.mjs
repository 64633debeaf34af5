// Builds the apps in examples/ with their own tools, and serves them.

import { execFile } from "node:child_process";
import { access, cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startServer } from "./server.mjs";
import { startSite } from "./site.mjs";

const top = fileURLToPath(new URL("../../", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8" };

/** Stands in a build for the address of the server, which differs in each test. */
const anyServer = "https://server.invalid";

/**
 * Builds examples/NAME for a server at `api` ("": the app's own origin), and returns the folder. The tests of a run, which are several
 * processes, share one build of each example, and have copies of it with their server's address.
 */
export async function buildExample(t, name, api) {
  const built = path.join(process.env.CLOAKROOM_E2E, `example-${name}${api && "-elsewhere"}`);
  const first = await mkdir(`${built}.lock`).then(() => true, (error) => error.code === "EEXIST" ? false : Promise.reject(error));
  if (first) {
    try {
      await build(name, api && anyServer, `${built}.new`);
      await rename(`${built}.new`, built);
    } catch (error) {
      await writeFile(`${built}.failed`, String(error));
      throw error;
    }
  }
  for (const end = Date.now() + 600_000; !(await exists(built)); await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (await exists(`${built}.failed`)) throw new Error(`examples/${name} could not be built for another test`);
    if (Date.now() > end) throw new Error(`examples/${name} was not built in ten minutes`);
  }
  const out = await mkdtemp(path.join(os.tmpdir(), "cloakroom-example-"));
  t.after(() => rm(out, { recursive: true, force: true }));
  await cp(built, out, { recursive: true });
  let changed = false;
  for (const entry of api ? await readdir(out, { recursive: true, withFileTypes: true }) : []) {
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isFile() || !entry.name.endsWith(".js")) continue;
    const text = await readFile(file, "utf8");
    changed ||= text.includes(anyServer);
    await writeFile(file, text.replaceAll(anyServer, api));
  }
  if (api && !changed) throw new Error(`the build of examples/${name} doesn't name its server`);
  return name === "angular" ? path.join(out, "browser") : out;
}

const exists = (file) => access(file).then(() => true, () => false);

async function build(name, api, out) {
  const cwd = path.join(top, "examples", name);
  const [tool, ...args] = name === "angular"
    ? ["node_modules/@angular/cli/bin/ng.js", "build", "--output-path", out, "--define", `API='${api}'`]
    : ["node_modules/vite/bin/vite.js", "build", "--outDir", out, "--emptyOutDir"];
  const env = { ...process.env, VITE_API: api, NG_CLI_ANALYTICS: "false", CI: "1" };
  await promisify(execFile)(process.execPath, [await find(cwd, tool), ...args], { cwd, env });
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
