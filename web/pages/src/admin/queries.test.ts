import assert from "node:assert/strict";
import { test, vi } from "vitest";
import { api } from "../api.ts";
import { mutations } from "./queries.ts";

test("users are disabled a thousand in a request, and the results are joined", async () => {
  const call = vi.spyOn(api, "call").mockImplementation(async (_method, _path, body) => ({
    users: (body as { users: number[] }).users.map((id) => ({ id, outcome: "disabled" })),
  }) as never);
  for (const [count, requests] of [[1, [1]], [1000, [1000]], [2500, [1000, 1000, 500]]] as const) {
    call.mockClear();
    const ids = Array.from({ length: count }, (_, i) => i + 1);
    const result = await mutations.disableUsers(ids);
    assert.deepEqual(result.map(({ id }) => id), ids);
    assert.deepEqual(call.mock.calls.map(([, , body]) => (body as { users: number[] }).users.length), requests);
  }
  vi.restoreAllMocks();
});
