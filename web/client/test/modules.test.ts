import { expect, test, vi } from "vitest";
import { ada, pass, server, Stream, tab } from "./world.js";

vi.mock("../src/passkey.js", () => {
  throw new TypeError("Failed to fetch dynamically imported module");
});

test("passkeys whose module can't be loaded fail as without an answer", async () => {
  const { auth } = tab();
  await expect(auth.passkey()).rejects.toMatchObject({ name: "AuthError", code: "unreachable", status: 0 });
});

test("a stream whose module could not be loaded is tried again", async () => {
  vi.spyOn(navigator.locks, "request").mockRejectedValueOnce(new TypeError("Failed to fetch dynamically imported module"));
  server.user = ada;
  const { auth } = tab();
  await pass();
  expect([auth.getState().status, Stream.all.length]).toEqual(["authenticated", 0]);
  window.dispatchEvent(new Event("online"));
  await pass();
  expect(Stream.open.length).toBe(1);
});
