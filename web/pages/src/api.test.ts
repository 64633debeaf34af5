import assert from "node:assert/strict";
import test from "node:test";
import { AuthError, cookie, isOutage, isSignedOut, refusal, retrySeconds } from "./api.ts";

const now = Date.parse("2026-03-03T12:00:00Z");

test("reads a problem", () => {
  const problem = { code: "invalid", detail: "Look below.", errors: { password: ["Too short."], odd: "Alone.", bad: [1] } };
  const error = refusal(400, problem, null, now);
  assert.ok(error instanceof AuthError);
  assert.equal(error.code, "invalid");
  assert.equal(error.message, "Look below.");
  assert.deepEqual(error.errors, { password: ["Too short."], odd: ["Alone."] });
  assert.equal(error.retryAfter, undefined);
});

test("reads a refusal that isn't ours", () => {
  for (const body of [undefined, null, "<html>", [], { code: 7, detail: {}, errors: [] }]) {
    const error = refusal(502, body, "3", now);
    assert.equal(error.code, "http_502");
    assert.deepEqual(error.errors, {});
    assert.equal(error.retryAfter, 3);
  }
});

test("an outage is not a sign-out", () => {
  for (const status of [0, 500, 502, 503, 504]) {
    const error = refusal(status, {}, null, now);
    assert.ok(isOutage(error));
    assert.ok(!isSignedOut(error));
  }
  assert.ok(isSignedOut(refusal(401, { code: "session_ended" }, null, now)));
  assert.ok(!isSignedOut(refusal(401, { code: "invalid_credentials" }, null, now)));
  assert.ok(!isSignedOut(refusal(403, { code: "permission_denied" }, null, now)));
});

test("reads Retry-After in both forms", () => {
  assert.equal(retrySeconds("120", now), 120);
  assert.equal(retrySeconds("0", now), 1);
  assert.equal(retrySeconds("Tue, 03 Mar 2026 12:00:30 GMT", now), 30);
  assert.equal(retrySeconds("Tue, 03 Mar 2026 11:00:00 GMT", now), 1);
  for (const header of [null, "", "soon", "-1x"]) assert.equal(retrySeconds(header, now), undefined, String(header));
});

test("finds one cookie among others", () => {
  assert.equal(cookie("a=1; csrftoken=x=y; b=2", "csrftoken"), "x=y");
  assert.equal(cookie("xcsrftoken=1; csrftoken2=2", "csrftoken"), "");
  assert.equal(cookie("", "csrftoken"), "");
});
