import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "vitest";
import { accountPath, safeNext } from "./next.ts";

// Payloads that may lead a browser to another site, and some that don't. Node's URL, which follows the WHATWG, decides which.
const payloads = JSON.parse(readFileSync(new URL("./testdata/redirects.json", import.meta.url), "utf8")) as string[];
const origin = "https://app.example.com";
const here = `${origin}/signin`;

/** The payload as the page may read it: unchanged, and from a query, encoded or not. */
function* readings(payload: string): Generator<string | null> {
  yield payload;
  yield new URL(`${here}?next=${payload}`).searchParams.get("next");
  yield new URLSearchParams(`next=${encodeURIComponent(payload)}`).get("next");
}

test("no way back leads to another site", () => {
  let foreign = 0, followed = 0;
  for (const payload of payloads) {
    for (const next of readings(payload)) {
      const to = safeNext(next, origin);
      assert.equal(new URL(to, here).origin, origin, JSON.stringify([next, to]));
      assert.match(to, /^\/(?![/\\])[\x21-\x7e]*$/, JSON.stringify([next, to]));
      assert.ok(!/^\/signin\/?(?:[?#]|$)/i.test(to) || to.startsWith("/SIGNIN"), JSON.stringify([next, to]));
      if (next === null || !URL.canParse(next, here)) continue;
      if (new URL(next, here).origin !== origin) {
        foreign++;
        assert.equal(to, accountPath, JSON.stringify(next));
      } else if (to !== accountPath) followed++;
    }
  }
  assert.ok(payloads.length >= 500 && foreign >= 500 && followed >= 20, `${payloads.length} payloads, ${foreign} foreign, ${followed} followed`);
});
