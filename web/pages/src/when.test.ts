import assert from "node:assert/strict";
import { test } from "vitest";
import { ago, day, exactly, moment, startOf, wait } from "./when.ts";

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

test("knows when a day begins for the reader, and the one after it", () => {
  const begins = (day: string, later?: number) => new Date(startOf(day, later)!).toString();
  assert.equal(begins("2026-03-03"), new Date(2026, 2, 3).toString());
  assert.equal(begins("2026-12-31", 1), new Date(2027, 0, 1).toString());
  for (const none of ["", "2026-3-3", "today", "2026-03-03T00:00:00Z"]) assert.equal(startOf(none), undefined, none);
  assert.match(moment("2026-03-03T12:00:00Z"), /3 Mar 2026.*:00:00/);
  assert.equal(moment("soon"), "");
});
