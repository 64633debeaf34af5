// Checks that the types agree with openapi.yaml, and that an app which uses them compiles, with the two newest major versions
// of TypeScript and both ways of resolving modules: the older with one, the newer with the other, and with CLOAKROOM_LONG=1 each
// with both. The JavaScript that the documentation shows is checked as well.

import { mkdirSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import { run, typescript } from "./run.mjs";

const openapi = await openapiTS(new URL("../../../internal/httpapi/openapi.yaml", import.meta.url));
mkdirSync(".types", { recursive: true });
writeFileSync(".types/openapi.ts", astToString(openapi));

const usual = { "typescript-6": "nodenext", "typescript-7": "bundler" };

for (const version of Object.keys(usual)) {
  for (const [module, resolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
    if (!process.env.CLOAKROOM_LONG && resolution !== usual[version]) continue;
    console.log(`types: ${version}, ${resolution}`);
    run(typescript(version), "-p", "test/types", "--module", module, "--moduleResolution", resolution);
  }
}
console.log("types: the documentation");
await import("./snippets.mjs");
