import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { parseAst } from "vite";
import { test } from "vitest";
import en from "../../../internal/texts/pages/en.json";
import { plural, section, t } from "./catalogue.ts";

const sources = import.meta.dirname;
const read = (file: string) => readFileSync(`${sources}/${file}`, "utf8");
const files = readdirSync(sources, { encoding: "utf8", recursive: true }).filter((name) => /(?<!\.test)\.tsx?$/.test(name));
const catalogue: Readonly<Record<string, string>> = en;

function placeholders(text: string): string[] {
  return [...new Set(text.match(/(?<=\{)[a-z_]+(?=\})/g))].sort();
}

test("fills placeholders, and writes numbers as the language does", () => {
  assert.equal(t("pages.field.lengthSoFar", { has: 1234, min: 15 }), "1,234 of 15 characters");
  assert.equal(t("pages.title", { page: "{product}", product: "$& <b>" }), "{product} · $& <b>");
  assert.equal(plural("pages.waysIn.codesLeft", 1), "One recovery code is left.");
  assert.equal(plural("pages.waysIn.codesLeft", 2000), "2,000 recovery codes are left.");
  assert.deepEqual(section("pages.agent").go, "a Go program");
  assert.ok(!Object.hasOwn(section("pages.devices"), "methods.basic"));
});

// `t("KEY", { a, b: c })` and `plural("KEY", n)`, as texts.ts writes them.
test("gives each text the values that its words need", () => {
  const source = read("texts.ts");
  const given = new Map<string, string>();
  for (const [, key, values] of source.matchAll(/\bt\("([^"]+)"(?:, \{([^}]*)\})?/g)) {
    const names = (values ?? "").split(",").map((value) => /^\s*(\w+) *(:|$)/.exec(value.trim())?.[1] ?? "").filter(Boolean).sort();
    given.set(key!, names.join());
  }
  for (const [, key] of source.matchAll(/\bplural\("([^"]+)"/g)) given.set(`${key}.other`, "n");
  for (const [key, text] of Object.entries(catalogue)) {
    if (/\.(zero|one|two|few|many)$/.test(key)) continue; // as .other
    if (key.startsWith("pages.said.")) continue; // by the function said
    assert.equal(given.get(key) ?? "", placeholders(text).join(), `${key}: ${text}`);
  }
});

test("has no text that no page shows", () => {
  const all = files.map(read).join("\n");
  const byTheServer = ["pages.language", "pages.unloaded", "pages.noScript"];
  // Sections whose texts are chosen by a name that the server sends.
  const named = /^pages\.(endings|providers\.errors|devices\.methods|tokens\.kinds|waysIn\.(kinds|addKey|keyWhat|addedKind)|admin\.audit\.events|said)\./;
  const unused = Object.keys(catalogue).filter((key) => {
    if (byTheServer.includes(key) || named.test(key)) return false;
    const name = key.replace(/\.(zero|one|two|few|many|other)$/, "").split(".").at(-1)!;
    return !new RegExp(`\\.${name}\\b`).test(all);
  });
  assert.deepEqual(unused, []);
});

test("has every word that a page shows", () => {
  // The attributes that people see or hear, of elements and of our own components.
  const shown = /^(aria-label|alt|title|placeholder|label|hint|note|page|heading|body|children)$/;
  for (const file of files.filter((name) => name.endsWith(".tsx"))) {
    const found: string[] = [];
    walk(parseAst(read(file), { lang: "tsx" }), (node, path) => {
      const attribute = path.find((parent) => parent.type === "JSXAttribute")?.name as { name: string } | undefined;
      const text = textOf(node);
      const compared = path[0]?.type === "CallExpression" || path[0]?.type === "BinaryExpression";
      const inAttribute = attribute !== undefined && shown.test(attribute.name) && !compared;
      const inElement = attribute === undefined && path[0]?.type === "JSXExpressionContainer";
      // Elsewhere, a string of two words or more is taken for a sentence.
      const sentence = attribute === undefined && /\p{Ll} \p{L}/u.test(text);
      if (/\p{L}{2}/u.test(text) && (node.type === "JSXText" || inAttribute || inElement || sentence)) found.push(text.trim());
    });
    assert.deepEqual(found, [], `${file}: put the words into internal/texts/pages`);
  }
});

function textOf({ type, value }: Node): string {
  if (type === "JSXText" || (type === "Literal" && typeof value === "string")) return String(value);
  return type === "TemplateElement" ? (value as { raw: string }).raw : "";
}

interface Node {
  type: string;
  [field: string]: unknown;
}

/** Calls `visit` with each node of a syntax tree, and with the nodes around it, the next one first. */
function walk(value: unknown, visit: (node: Node, path: readonly Node[]) => void, path: readonly Node[] = []): void {
  if (Array.isArray(value)) return value.forEach((item) => walk(item, visit, path));
  if (typeof value !== "object" || value === null) return;
  const node = value as Node;
  const within = typeof node.type === "string" ? [node, ...path] : path;
  if (typeof node.type === "string") visit(node, path);
  for (const child of Object.values(node)) walk(child, visit, within);
}
