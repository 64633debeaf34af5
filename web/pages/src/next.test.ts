import assert from "node:assert/strict";
import { test } from "vitest";
import { accountPath, safeNext } from "./next.ts";

const origin = "https://app.example.com";

test("follows a path of this site", () => {
  for (const next of ["/", "/orders", "/orders?page=2#top", "/a/../b", "/%E2%9C%93", "/x?next=https://evil.example"]) {
    const want = next === "/a/../b" ? "/b" : next;
    assert.equal(safeNext(next, origin), want);
  }
});

test("follows letters of any script, encoded or not", () => {
  for (const next of ["/straße?q=ü#é", "/stra%C3%9Fe?q=%C3%BC#%C3%A9"]) {
    assert.equal(safeNext(next, origin), "/stra%C3%9Fe?q=%C3%BC#%C3%A9");
  }
  assert.equal(safeNext("/注文/7", origin), "/%E6%B3%A8%E6%96%87/7");
});

test("never leaves this site", () => {
  const traps = [
    null, "", "orders", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "https://evil.example/", "https:evil.example", "javascript:alert(1)", "data:text/html,x",
    "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example",
    "/.//evil.example", "/..//evil.example", "/%2e//evil.example", "/a\\b", "/\u0000", "/\u2028", "/\u00a0", "/\u202e", "/\ud800",
    "@evil.example", "https://app.example.com.evil.example/", "https://app.example.com@evil.example/",
  ];
  for (const next of traps) assert.equal(safeNext(next, origin), accountPath, JSON.stringify(next));
});

test("does not come back to the sign-in page", () => {
  assert.equal(safeNext("/signin?next=/orders", origin), accountPath);
  assert.equal(safeNext("/x/../signin/", origin), accountPath);
});
