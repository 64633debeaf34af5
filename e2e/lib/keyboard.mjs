// Uses a page as somebody does who has a keyboard and nothing else.

import assert from "node:assert/strict";

/** What a screen reader would call the element that has the focus. */
function focused() {
  const at = document.activeElement;
  const inside = (element) => element?.innerText?.trim() ?? "";
  const name = at.getAttribute("aria-label") || [...(at.labels ?? [])].map(inside).join(" ") || inside(at);
  const rings = [at, at.closest(".picker")].filter(Boolean).map((element) => getComputedStyle(element).outlineStyle);
  return { name: name.replaceAll("\n", " "), seen: rings.some((style) => style !== "none") };
}

export function keyboardOf(page) {
  const { keyboard } = page;

  /** Goes on with Tab to what is called so; a regular expression, or the whole name. */
  async function to(name) {
    const passed = [];
    for (let stop = 0; stop < 400; stop++) {
      const at = await page.evaluate(focused);
      if (typeof name === "string" ? at.name === name : name.test(at.name)) {
        assert.ok(at.seen, `nothing shows that the focus is on ${at.name}`);
        return;
      }
      passed.push(at.name.slice(0, 40));
      await keyboard.press("Tab");
    }
    assert.fail(`Tab never comes to ${name}: ${[...new Set(passed)].join(" | ")}`);
  }

  return {
    to,
    /** Presses what is called so. */
    async press(name) {
      await to(name);
      await keyboard.press("Enter");
    },
    /** Types a text in place of what the field has. */
    async type(name, text) {
      await to(name);
      await keyboard.press("Control+A");
      await keyboard.press("Delete");
      await keyboard.type(text);
    },
    /** Types into a field that offers what there is, and takes what it offers first. */
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
