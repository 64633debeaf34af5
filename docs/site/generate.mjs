// Writes the pages of the site into .pages: those of docs, with links that lead to files which aren't pages turned to the repository, and
// the references of the HTTP API and of the npm package.

import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { httpPages } from "./http.mjs";
import { typesPage } from "./types.mjs";

const site = import.meta.dirname;
const root = path.join(site, "../..");
const out = path.join(site, ".pages");
const repository = "https://github.com/cloakroom-auth/cloakroom";

/** The pages that are elsewhere in the repository. */
const elsewhere = {
  "CHANGELOG.md": "changelog.md",
  "CONTRIBUTING.md": "contributing.md",
  "SECURITY.md": "reporting.md",
  "web/client/README.md": "client.md",
};

/** Returns the path of the page for a file of the repository; undefined if it is none. */
function pageOf(file) {
  if (file === "internal/httpapi/openapi.yaml") return "http/index.md";
  if (file === "web/client/dist/index.d.ts") return "client-types.md";
  if (elsewhere[file]) return elsewhere[file];
  if (!file.startsWith("docs/") || path.extname(file) !== ".md") return undefined;
  return file.slice("docs/".length).replace(/README\.md$/, "index.md");
}

/** Returns where a link of a file leads on the site. */
async function linkOf(link, file) {
  if (/^([a-z]+:|#|\/)/.test(link)) return link;
  const [target, fragment] = link.split("#");
  const to = path.posix.normalize(path.posix.join(path.posix.dirname(file), target)).replace(/\/$/, "");
  const anchor = fragment ? `#${fragment}` : "";
  const page = pageOf(to) ?? (existsSync(path.join(root, to, "README.md")) ? pageOf(`${to}/README.md`) : undefined);
  const from = pageOf(file);
  if (page) {
    const relative = path.posix.relative(path.posix.dirname(from), page);
    return (relative.startsWith(".") ? relative : `./${relative}`) + anchor;
  }
  if (/\.(png|svg)$/.test(to) && to.startsWith("docs/")) return path.posix.relative(path.posix.dirname(from), to.slice("docs/".length)).replace(/^(?!\.)/, "./");
  const kind = (await stat(path.join(root, to))).isDirectory() ? "tree" : "blob";
  return `${repository}/${kind}/main/${to}${anchor}`;
}

/** Splits a text into code and the rest, which alternate, beginning with the rest. */
const code = /((?:^|\n) *```[\s\S]*?\n *```|`[^`\n]+`)/;

async function page(file) {
  const text = await readFile(path.join(root, file), "utf8");
  const parts = await Promise.all(text.split(code).map((part, i) => (i % 2 ? part : withLinks(part, file))));
  const target = path.join(out, pageOf(file));
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, parts.join(""));
}

async function withLinks(text, file) {
  const links = [...new Set([...text.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].map((m) => m[1] ?? m[2]))];
  const to = Object.fromEntries(await Promise.all(links.map(async (link) => [link, await linkOf(link, file)])));
  return text.replace(/\]\(([^)\s]+)\)/g, (_, link) => `](${to[link]})`).replace(/(src|href)="([^"]+)"/g, (_, name, link) => `${name}="${to[link]}"`);
}

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const docs = (await readdir(path.join(root, "docs"), { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
  .filter((file) => !file.startsWith("docs/site/"));
for (const file of docs) {
  if (path.extname(file) === ".md") await page(file);
  else if (/\.(png|svg)$/.test(file)) await cp(path.join(root, file), path.join(out, file.slice("docs/".length)), { recursive: true });
}
for (const file of Object.keys(elsewhere)) await page(file);
const api = await readFile(path.join(root, "internal/httpapi/openapi.yaml"), "utf8");
for (const [name, text] of Object.entries({ ...httpPages(api), "client-types.md": typesPage(path.join(root, "web/client/dist")) })) {
  await mkdir(path.dirname(path.join(out, name)), { recursive: true });
  await writeFile(path.join(out, name), text);
}
await mkdir(path.join(out, "public"), { recursive: true });
await writeFile(path.join(out, "public/openapi.yaml"), api);
await cp(path.join(root, "web/pages/src/mark.svg"), path.join(out, "public/mark.svg"));
