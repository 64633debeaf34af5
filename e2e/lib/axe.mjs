// Checks with axe-core whether a page is accessible without seeing it and without a mouse.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * Fails on any violation of WCAG 2.2 A or AA, or of axe's own best practices; with `rules` of these alone. A failure names `where`.
 */
export function checkAccessible(page, where, rules = undefined) {
  return check(page, where, rules, rules ? rules.length : 11);
}

/** Checks only what another size or theme of the same page can change: its colors, and what has to be scrolled. */
export function checkLook(page, where) {
  return check(page, where, ["color-contrast", "link-in-text-block", "scrollable-region-focusable"], 1);
}

async function check(page, where, rules, least) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(source);
  const { violations, passes } = await page.evaluate(
    (rules) => axe.run(document, { resultTypes: ["violations", "passes"], ...(rules && { runOnly: rules }) }), rules);
  assert.ok(passes.length >= least, `${where}: axe checked next to nothing`);
  const found = violations.map(({ id, impact, help, nodes }) => `${id} (${impact}): ${help}\n  ${nodes.map((n) => n.html).join("\n  ")}`);
  assert.deepEqual(found, [], where);
}
