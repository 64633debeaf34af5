// Checks that the types agree with openapi.yaml, and that an app which uses them compiles, with the two newest major versions
// of TypeScript and both ways of resolving modules.

import { mkdirSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import { run, typescript } from "./run.mjs";

const openapi = await openapiTS(new URL("../../../internal/httpapi/openapi.yaml", import.meta.url));
mkdirSync(".types", { recursive: true });
writeFileSync(".types/openapi.ts", astToString(openapi));

for (const version of ["typescript-6", "typescript-7"]) {
  for (const [module, resolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
    console.log(`types: ${version}, ${resolution}`);
    run(typescript(version), "-p", "test/types", "--module", module, "--moduleResolution", resolution);
  }
}
