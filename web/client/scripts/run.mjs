import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Runs a script with Node, and exits with its code if it fails. */
export function run(script, ...args) {
  try {
    execFileSync(process.execPath, [script, ...args], { stdio: "inherit" });
  } catch (error) {
    process.exit(error.status ?? 1);
  }
}

/** Returns the path of the compiler of an installed version: "typescript-6" or "typescript-7". */
export function typescript(version) {
  return require.resolve(`${version}/package.json`).replace("package.json", "bin/tsc");
}
