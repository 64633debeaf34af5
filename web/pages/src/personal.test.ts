import assert from "node:assert/strict";
import { test } from "vitest";
import { changedPersonal } from "./personal.ts";

const ada = { first_name: "Ada", last_name: "", language: "de" };

test("sends only what was changed", () => {
  assert.deepEqual(changedPersonal(ada, ada), {});
  assert.deepEqual(changedPersonal({ ...ada, last_name: "Lovelace" }, ada), { last_name: "Lovelace" }, "a name is no choice of a language");
  assert.deepEqual(changedPersonal({ ...ada, first_name: "", language: "" }, ada), { first_name: "", language: "" });
});
