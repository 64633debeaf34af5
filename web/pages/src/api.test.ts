import assert from "node:assert/strict";
import { test } from "vitest";
import { AuthError, isDeclined, isOutage } from "./api.ts";

test("an outage is no answer or a server error", () => {
  for (const status of [0, 500, 502, 503, 504]) assert.ok(isOutage(new AuthError("x", status)));
  for (const status of [400, 401, 403, 429]) assert.ok(!isOutage(new AuthError("x", status)));
});

test("a declined password is recognised", () => {
  assert.ok(isDeclined(new AuthError("fresh_sign_in_required", 403)));
  assert.ok(isDeclined(new AuthError("full_sign_in_required", 403)));
  assert.ok(!isDeclined(new AuthError("permission_denied", 403)));
});
