// Builds dist, which is committed, and measures it. A build of the same sources has the same bytes on every machine.

import { rmSync } from "node:fs";
import { run, typescript } from "./run.mjs";

rmSync("dist", { recursive: true, force: true });
run(typescript("typescript-7"), "-p", "tsconfig.build.json");
run("scripts/size.mjs");
