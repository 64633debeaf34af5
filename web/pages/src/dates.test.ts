import assert from "node:assert/strict";
import { test } from "vitest";
import { formatDay, formatDuration, formatFull, formatTime, startOfDay, timeAgo } from "./dates.ts";

const now = Date.parse("2026-03-03T12:00:00Z");

test("says how long ago a time was", () => {
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
  for (const [moment, words] of cases) assert.equal(timeAgo(moment, now), words, moment);
});

test("gives nothing for an invalid time", () => {
  assert.equal(formatDay(""), "");
  assert.equal(formatFull("soon"), "");
  assert.match(formatFull("2026-03-03T12:00:00Z"), /2026/);
});

test("writes a duration in words", () => {
  assert.deepEqual([1, 59, 60, 125, 3600, 3900].map(formatDuration), ["1 s", "59 s", "1 min", "2 min 5 s", "1 h", "1 h 5 min"]);
});

test("gives the start of a day, and of a later day, in the reader’s time zone", () => {
  const begins = (day: string, later?: number) => new Date(startOfDay(day, later)!).toString();
  assert.equal(begins("2026-03-03"), new Date(2026, 2, 3).toString());
  assert.equal(begins("2026-12-31", 1), new Date(2027, 0, 1).toString());
  for (const none of ["", "2026-3-3", "today", "2026-03-03T00:00:00Z"]) assert.equal(startOfDay(none), undefined, none);
  assert.match(formatTime("2026-03-03T12:00:00Z"), /3 Mar 2026.*:00:00/);
  assert.equal(formatTime("soon"), "");
});
