import assert from "node:assert/strict";
import test from "node:test";
import { ago, day, exactly, wait } from "./when.ts";

const now = Date.parse("2026-03-03T12:00:00Z");

test("tells how long ago", () => {
  const cases: readonly [string, string | undefined][] = [
    ["2026-03-03T12:00:10Z", undefined],
    ["2026-03-03T11:59:01Z", undefined],
    ["2026-03-03T11:59:00Z", "1 minute ago"],
    ["2026-03-03T10:30:00Z", "1 hour ago"],
    ["2026-03-02T11:00:00Z", "yesterday"],
    ["2026-02-28T11:00:00Z", "3 days ago"],
    ["2026-02-01T12:00:00Z", "4 weeks ago"],
    ["2024-03-01T12:00:00Z", "2 years ago"],
    ["nonsense", undefined],
  ];
  for (const [moment, words] of cases) assert.equal(ago(moment, now), words, moment);
});

test("gives nothing for a moment that isn't one", () => {
  assert.equal(day(""), "");
  assert.equal(exactly("soon"), "");
  assert.match(exactly("2026-03-03T12:00:00Z"), /2026/);
});

test("counts down in words", () => {
  assert.deepEqual([1, 59, 60, 125, 3600, 3900].map(wait), ["1 s", "59 s", "1 min", "2 min 5 s", "1 h", "1 h 5 min"]);
});
