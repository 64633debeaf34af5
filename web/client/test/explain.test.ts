import { beforeEach, expect, test, vi } from "vitest";
import { lost, next, pass } from "./world.js";

// The page of these tests is at http://127.0.0.1:3000. What is told once is told once a page, so each test is a new one.
beforeEach(() => vi.resetModules());

async function visit(url: string | undefined) {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const { createAuth } = await import("../src/index.js");
  const auth = createAuth({ url });
  createAuth({ url });
  return { auth, said: () => warn.mock.calls.map(([sentence]) => sentence as string) };
}

test("localhost against 127.0.0.1 is explained at once, and once", async () => {
  const { auth, said } = await visit("http://localhost:8000");
  await vi.waitFor(() => expect(said().length).toBe(1));
  expect(said()[0]).toContain("this page is at http://127.0.0.1:3000, the server at http://localhost:8000");
  expect(said()[0]).toContain("Open the page at http://localhost:3000 instead");
  next("GET /api/me", lost);
  await auth.refresh();
  await pass(100);
  expect(said().length).toBe(1);
});

test("so are http and https", async () => {
  const { said } = await visit("https://auth.example.com");
  await vi.waitFor(() => expect(said()[0]).toContain("http and https are two sites"));
});

test("an answer that may not be read names the flag", async () => {
  const { auth, said } = await visit("http://127.0.0.1:8000");
  await pass(100);
  expect(said()).toEqual([]);
  next("GET /api/me", lost);
  await auth.refresh();
  await vi.waitFor(() => expect(said()[0]).toContain("--origin http://127.0.0.1:3000"));
});

test("a page of the server's own origin is told nothing", async () => {
  const { auth, said } = await visit(undefined);
  next("GET /api/me", lost);
  await auth.refresh();
  await pass(100);
  expect(said()).toEqual([]);
});
