// Measures the size of each entry point, bundled, minified and gzipped: without its framework, and all but the core without it.
// It fails if one exceeds its limit. Modules that the core loads later, if at all, are measured separately.

import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

// The core has 50 bytes for its checks whether it runs on a server, and 450 for the second step of a sign-in, which any page
// may meet, and 300 for the functions that load passkey.js, for the age of a challenge and for enrolment, 50 for mail, 150 for the
// way to a provider and back, 200 for mailed codes, 100 for the file with the user's data and the end of the account, and 140 for the notice
// of a session's end, which goes away in each tab, whatever the clock does, for modules that can't be loaded, and for recovery codes without a
// session, which go once it has worked. Each binding has 270 for the steps of a sign-in form: passkeys, their
// suggestions, enrolment and mailed codes. That of Angular has an interceptor besides, which
// reads refusals in each form, and a guard that follows the user within its route. Passkeys have 150 for
// suggestions that go on after a dialog was closed, and 90 for accounts that begin with a passkey.
const limits = { index: 3990, react: 920, vue: 1070, angular: 1410, stream: 500, explain: 750, passkey: 2140 };
const later = /\/(stream|explain|passkey)\.js$/;
const folder = resolve(process.argv[2] ?? "dist");
const frameworks = /^(react|vue|vue-router|rxjs|@angular\/.*)$/;
let over = false;

for (const [entry, limit] of Object.entries(limits)) {
  const bundle = await rolldown({
    input: `${folder}/${entry}.js`,
    // "use client" is for the bundlers of applications and has no effect here.
    onLog: (level, log, report) => log.code === "MODULE_LEVEL_DIRECTIVE" || report(level, log),
    external: (id, from) => from !== undefined && (later.test(id) || frameworks.test(id) || (entry !== "index" && /\/(auth|error)\.js$/.test(id))),
  });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  const size = gzipSync(output[0].code, { level: 9 }).length;
  console.log(`${entry.padEnd(8)} ${String(size).padStart(5)} of ${limit} bytes`);
  over ||= size > limit;
}
if (over) {
  console.error("a module exceeds its limit: make it smaller, or raise the limit in scripts/size.mjs and say why");
  process.exit(1);
}
