// Checks the types of the JavaScript that README.md and the pages of docs/ show. Blocks that run elsewhere are left out: those of
// docs/start, which e2e/walks.test.mjs follows, and the verifier of docs/gateway.md, which the tests of the gateway run. The rest of each
// block is declared here, by its first words; a block that isn't known fails the check, and so does a declaration without a block.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run, typescript } from "./run.mjs";

const root = new URL("../../../", import.meta.url);
const react = 'import type { ReactElement } from "react";\n';
const around = {
  "README.md": { "import { createAuth }": `${react}declare function SignIn(): ReactElement;\ndeclare function Home(): ReactElement;\n` },
  "docs/look.md": { "const next": "" },
  "docs/moving.md": {
    "const old": "",
    "import { createAuth }": "",
    "import { headers }": "", // Next.js isn't installed: its function is declared below
  },
  "docs/second-factors.md": {
    "import { createAuth }": 'import type { User } from "@cloakroom/client";\ndeclare const button: HTMLButtonElement;\ndeclare function enter(user: User): void;\n',
  },
  "docs/webhooks.md": { // neither is the library of Standard Webhooks
    "const event": "declare class Webhook { constructor(secret: string); verify(body: string, headers: Record<string, string>): unknown }\n" +
      "declare const secret: string;\ndeclare const request: Request;\n",
  },
};
const elsewhere = { "docs/gateway.md": "import { createPublicKey" };
const modules = 'declare module "next/headers" {\n  export function headers(): Promise<Headers>;\n}\n';

const folder = new URL("../.types/docs/", import.meta.url);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
writeFileSync(new URL("modules.d.ts", folder), modules);
writeFileSync(new URL("tsconfig.json", folder), JSON.stringify({
  compilerOptions: {
    target: "es2022", lib: ["es2023", "dom", "dom.iterable"], strict: true, skipLibCheck: true, types: [], noEmit: true, jsx: "react-jsx",
    module: "esnext", moduleResolution: "bundler", moduleDetection: "force",
  },
  include: ["."],
}));

const fail = (text) => {
  console.error(text);
  process.exitCode = 1;
};
const pages = ["README.md", ...readdirSync(new URL("docs/", root)).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
for (const page of pages) {
  const text = readFileSync(new URL(page, root), "utf8");
  const rest = new Set(Object.keys(around[page] ?? {}));
  for (const { index, 1: indent, 2: content } of text.matchAll(/^( *)```(?:js|jsx|ts|tsx)\n([\s\S]*?)^ *```$/gm)) {
    const code = content.replaceAll(new RegExp(`^${indent}`, "gm"), "");
    if (elsewhere[page] && code.startsWith(elsewhere[page])) continue;
    const line = text.slice(0, index).split("\n").length;
    const begins = [...rest].find((words) => code.startsWith(words));
    if (begins === undefined) {
      fail(`${page}:${line}: scripts/snippets.mjs doesn't know this block`);
      continue;
    }
    rest.delete(begins);
    writeFileSync(new URL(`${path.basename(page, ".md")}-${line}.tsx`, folder), `${around[page][begins]}${code}`);
  }
  if (rest.size) fail(`${page} has no block that begins with ${[...rest].join(" or ")}`);
}
run(typescript("typescript-7"), "-p", ".types/docs");
