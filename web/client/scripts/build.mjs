// Builds dist, which is committed, or another folder that is named, and measures it. A build of the same sources has the same
// bytes on every machine.

import { rmSync } from "node:fs";
import { run, typescript } from "./run.mjs";

const out = process.argv[2] ?? "dist";
rmSync(out, { recursive: true, force: true });
run(typescript("typescript-7"), "-p", "tsconfig.build.json", "--outDir", out);
run("scripts/size.mjs", out);
