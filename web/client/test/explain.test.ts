import { beforeEach, expect, test, vi } from "vitest";
import { lost, next, pass } from "./world.js";

// The page of these tests is at http://127.0.0.1:3000. The client warns once for each page, so each test is a new page.
beforeEach(() => vi.resetModules());

async function visit(url: string | undefined) {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const { createAuth } = await import("../src/index.js");
  const auth = createAuth({ url });
  createAuth({ url });
  return { auth, warnings: () => warn.mock.calls.map(([sentence]) => sentence as string) };
}

test("localhost against 127.0.0.1 is explained at once, and once", async () => {
  const { auth, warnings } = await visit("http://localhost:8000");
  await vi.waitFor(() => expect(warnings().length).toBe(1));
  expect(warnings()[0]).toContain("this page is at http://127.0.0.1:3000, the server at http://localhost:8000");
  expect(warnings()[0]).toContain("Open the page at http://localhost:3000 instead");
  next("GET /api/me", lost);
  await auth.refresh();
  await pass(100);
  expect(warnings().length).toBe(1);
});

test("http against https is explained", async () => {
  const { warnings } = await visit("https://auth.example.com");
  await vi.waitFor(() => expect(warnings()[0]).toContain("http and https as different sites"));
});

test("the warning about an unreadable answer names the flag", async () => {
  const { auth, warnings } = await visit("http://127.0.0.1:8000");
  await pass(100);
  expect(warnings()).toEqual([]);
  next("GET /api/me", lost);
  await auth.refresh();
  await vi.waitFor(() => expect(warnings()[0]).toContain("--origin http://127.0.0.1:3000"));
});

test("a page of the server's own origin causes no warning", async () => {
  const { auth, warnings } = await visit(undefined);
  next("GET /api/me", lost);
  await auth.refresh();
  await pass(100);
  expect(warnings()).toEqual([]);
});
