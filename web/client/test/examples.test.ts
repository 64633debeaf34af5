import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { expect, test } from "vitest";

const top = join(import.meta.dirname, "../../../examples");

for (const name of ["react", "vue", "angular"]) {
  test(`examples/${name} is under 160 lines`, () => {
    const files = readdirSync(join(top, name), { recursive: true, encoding: "utf8" })
      .filter((file) => !file.includes("node_modules") && [".html", ".js", ".jsx", ".ts", ".vue"].includes(extname(file)));
    const lines = files.flatMap((file) => readFileSync(join(top, name, file), "utf8").split("\n")).filter((line) => line.trim());
    expect(files.length).toBeGreaterThan(1);
    expect(lines.length).toBeLessThan(160);
  });
}
