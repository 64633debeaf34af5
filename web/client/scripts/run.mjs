import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Runs a script of Node's, and fails as it does. */
export function run(script, ...args) {
  try {
    execFileSync(process.execPath, [script, ...args], { stdio: "inherit" });
  } catch (error) {
    process.exit(error.status ?? 1);
  }
}

/** The compiler of one of the installed versions: "typescript-6" or "typescript-7". */
export function typescript(version) {
  return require.resolve(`${version}/package.json`).replace("package.json", "bin/tsc");
}
