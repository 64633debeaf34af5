import assert from "node:assert/strict";
import { test } from "vitest";
import { AuthError } from "../api.ts";
import { changedExtra, isExact, written } from "./extra.ts";
import type { AdminUser } from "./types.ts";

const grace = { id: 2, username: "grace", extra: { plan: "pro", n: 1 } } as unknown as AdminUser;
const unchanged = { extra: written(grace.extra), private_extra: "" };

test("sends only the objects that were changed", () => {
  assert.deepEqual(changedExtra(unchanged, grace), {});
  assert.deepEqual(changedExtra({ ...unchanged, extra: `\n${unchanged.extra}\n` }, grace), {}, "blanks around it are no change");
  assert.deepEqual(changedExtra({ ...unchanged, private_extra: '{"note": "x"}' }, grace), { private_extra: { note: "x" } });
  assert.deepEqual(changedExtra({ ...unchanged, extra: " " }, grace), { extra: {} }, "an empty field removes the object");
});

test("names the field of a text that is no object", () => {
  for (const text of ["{", "[]", "1", "null", '"x"', "{plan: 1}", '{"n": 9007199254740993}', '{"a": [{"n": 1e999}]}']) {
    assert.throws(
      () => changedExtra({ extra: text, private_extra: text }, grace),
      (error) => error instanceof AuthError && error.errors["extra"]?.length === 1 && error.errors["private_extra"]?.length === 1,
      text,
    );
  }
});

test("knows which numbers are kept", () => {
  assert.ok(isExact({ a: [1, -2.5, 9007199254740991], b: { c: "9007199254740993" } }));
  assert.ok(!isExact({ a: [{ n: -9007199254740993 }] }));
  assert.ok(isExact(undefined));
});
