// Checks with axe-core whether a page is accessible without seeing it and without a mouse.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * Fails on any violation of WCAG 2.2 A or AA, or of axe's own best practices; with `rules` of these alone. A failure names `where`.
 */
export async function checkAccessible(page, where, rules = undefined) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(source);
  const { violations, passes } = await page.evaluate(
    (rules) => axe.run(document, { resultTypes: ["violations", "passes"], ...(rules && { runOnly: rules }) }), rules);
  assert.ok(passes.length >= (rules ? rules.length : 11), `${where}: axe checked next to nothing`);
  const found = violations.map(({ id, impact, help, nodes }) => `${id} (${impact}): ${help}\n  ${nodes.map((n) => n.html).join("\n  ")}`);
  assert.deepEqual(found, [], where);
}
