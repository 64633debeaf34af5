// What an app pays: each entry point bundled, minified and gzipped, without its framework, and bindings without the core.
// Fails when one is over its limit. What the core loads later, and not every page at all, is listed apart.

import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

// The core has 50 bytes over 2500 for what it leaves undone on a server.
const limits = { index: 2550, react: 1000, vue: 1000, angular: 1000, stream: 500, explain: 750 };
const later = /\/(stream|explain)\.js$/;
const frameworks = /^(react|vue|vue-router|rxjs|@angular\/.*)$/;
let over = false;

for (const [entry, limit] of Object.entries(limits)) {
  const bundle = await rolldown({
    input: `dist/${entry}.js`,
    // "use client" is for bundlers of applications; here it may go.
    onLog: (level, log, report) => log.code === "MODULE_LEVEL_DIRECTIVE" || report(level, log),
    external: (id, from) => from !== undefined && (later.test(id) || frameworks.test(id) || (entry !== "index" && id.endsWith("/auth.js"))),
  });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  const size = gzipSync(output[0].code, { level: 9 }).length;
  console.log(`${entry.padEnd(8)} ${String(size).padStart(5)} of ${limit} bytes`);
  over ||= size > limit;
}
if (over) {
  console.error("over the limit: make it smaller, or say in scripts/size.mjs why it may grow");
  process.exit(1);
}
