// Uses a page with the keyboard alone.

import assert from "node:assert/strict";

/** The name by which a screen reader calls the focused element, and whether a focus ring is visible. */
function focused() {
  const at = document.activeElement;
  const inside = (element) => element?.innerText?.trim() ?? "";
  const name = at.getAttribute("aria-label") || [...(at.labels ?? [])].map(inside).join(" ") || inside(at);
  const rings = [at, at.closest(".picker")].filter(Boolean).map((element) => getComputedStyle(element).outlineStyle);
  return { name: name.replaceAll("\n", " "), seen: rings.some((style) => style !== "none") };
}

export function keyboardOf(page) {
  const { keyboard } = page;

  /** Presses Tab until the element with this name has the focus. `name` is a regular expression, or the whole name. */
  async function to(name) {
    const passed = [];
    for (let stop = 0; stop < 400; stop++) {
      const at = await page.evaluate(focused);
      if (typeof name === "string" ? at.name === name : name.test(at.name)) {
        assert.ok(at.seen, `no focus ring is visible on ${at.name}`);
        return;
      }
      passed.push(at.name.slice(0, 40));
      await keyboard.press("Tab");
    }
    assert.fail(`Tab never reaches ${name}: ${[...new Set(passed)].join(" | ")}`);
  }

  return {
    to,
    /** Presses the button or link with this name. */
    async press(name) {
      await to(name);
      await keyboard.press("Enter");
    },
    /** Replaces the value of a field. */
    async type(name, text) {
      await to(name);
      await keyboard.press("Control+A");
      await keyboard.press("Delete");
      await keyboard.type(text);
    },
    /** Types into a field that suggests values, and takes the first suggestion. */
    async pick(name, text) {
      await to(name);
      await keyboard.type(text);
      await page.getByRole("option").first().waitFor();
      await keyboard.press("Enter");
    },
    async tick(name) {
      await to(name);
      await keyboard.press("Space");
    },
    key: (key) => keyboard.press(key),
  };
}
