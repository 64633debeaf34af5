import { expect, test, vi } from "vitest";
import { ada, asked, bob, lost, pass, server, Stream, tab, url } from "./world.js";

const right = { username: "ada", password: "right" };

async function twoTabs() {
  server.user = ada;
  const tabs = [tab(), tab()] as const;
  await pass();
  return tabs;
}

test("a sign-in and a sign-out in one tab are seen in the other", async () => {
  const [one, two] = [tab(), tab()];
  await pass();
  await one.auth.login(right);
  await pass();
  expect(two.auth.getState()).toMatchObject({ status: "authenticated", user: ada });
  await two.auth.logout();
  await pass();
  expect(one.auth.getState()).toEqual({ status: "anonymous", reason: "signed_out" });
  expect(two.states).toEqual(["anonymous", "authenticated", "anonymous"]);
  expect(one.states).toEqual(["anonymous", "authenticated", "anonymous"]);
});

test("another user in one tab is seen in the other", async () => {
  const [one, two] = await twoTabs();
  await one.auth.login({ username: "bob", password: "right" });
  await pass();
  expect(two.auth.getState().user).toEqual(bob);
});

test("a browser has one stream, and another tab takes it over", async () => {
  const [one] = await twoTabs();
  for (let i = 0; i < 5; i++) tab();
  await pass();
  expect(Stream.open.length).toBe(1);
  expect(String(Stream.open[0]!.address)).toBe(`${url}/api/auth/events`);
  expect(Stream.open[0]!.options.withCredentials).toBe(true);
  one.close();
  await pass();
  expect(Stream.open.length).toBe(1);
  expect(Stream.all.length).toBe(2);
});

test("there is no stream without a user, or with events: false", async () => {
  const { auth } = tab();
  await pass();
  expect(Stream.all).toEqual([]);
  await auth.login(right);
  await pass();
  expect(Stream.open.length).toBe(1);
  await auth.logout();
  await pass();
  expect(Stream.open).toEqual([]);
  tab({ events: false });
  await pass();
  expect(Stream.open).toEqual([]);
});

test("a session ended elsewhere is seen in every tab, with the reason, without waiting", async () => {
  const tabs = await twoTabs();
  Stream.open[0]!.begin();
  await pass();
  server.user = undefined;
  server.ended = true;
  Stream.open[0]!.send("session.ended", { reason: "password_changed" });
  await pass();
  for (const { auth, states } of tabs) {
    expect(auth.getState()).toEqual({ status: "anonymous", reason: "password_changed" });
    expect(states).toEqual(["authenticated", "anonymous"]);
  }
  expect(Stream.open).toEqual([]);
});

test("a session that was replaced by another is no sign-out", async () => {
  const [one] = await twoTabs();
  Stream.open[0]!.send("session.ended", { reason: "replaced" });
  await pass(1000);
  expect(one.states).toEqual(["authenticated"]);
});

test("changed permissions are seen", async () => {
  const tabs = await twoTabs();
  server.user = { ...ada, is_staff: true };
  Stream.open[0]!.send("permissions.changed");
  await pass();
  for (const { auth } of tabs) expect(auth.getState().user!.is_staff).toBe(true);
});

test("a session about to end says when; only a use extends it", async () => {
  const tabs = await twoTabs();
  Stream.open[0]!.send("session.expiring", { expires_at: "2026-01-01T00:01:00Z" });
  await pass();
  for (const { auth } of tabs) expect(auth.getState()).toHaveProperty("expiresAt", "2026-01-01T00:01:00Z");
  const { auth } = tabs[0];
  await auth.refresh({ slide: false });
  expect(auth.getState()).toHaveProperty("expiresAt", "2026-01-01T00:01:00Z");
  await auth.refresh();
  await pass();
  for (const { auth } of tabs) expect(auth.getState()).toHaveProperty("expiresAt", undefined);
});

test("a use extends the session also if the page asks for other reasons at the same time", async () => {
  const [{ auth }] = await twoTabs();
  const uses = () => server.requests.filter((it) => new URL(it.url).pathname === "/api/me" && !it.url.includes("slide=false")).length;
  const before = uses();
  const first = auth.refresh({ slide: false });
  Stream.open[0]!.send("permissions.changed");
  await Promise.all([first, auth.refresh()]);
  expect(uses()).toBe(before + 1);
});

test("a session that was used in time, but not by a page, is asked for once, and then isn't about to end", async () => {
  const tabs = await twoTabs();
  Stream.open[0]!.send("session.expiring", { expires_at: "2026-01-01T00:01:00Z" });
  await pass(50_000);
  for (const { auth } of tabs) expect(auth.getState()).toHaveProperty("expiresAt", "2026-01-01T00:01:00Z");
  const before = asked("GET /api/me");
  await pass(11_000);
  for (const { auth } of tabs) expect(auth.getState()).toHaveProperty("expiresAt", undefined);
  expect(asked("GET /api/me")).toBe(before + tabs.length);
  await pass(600_000);
  expect(asked("GET /api/me")).toBe(before + tabs.length);
});

test("a session is no longer about to end after its minute, also if the clock was set back meanwhile", async () => {
  const [{ auth }] = await twoTabs();
  Stream.open[0]!.send("session.expiring", { expires_at: "2026-01-01T00:01:00Z" });
  await pass();
  vi.setSystemTime(Date.now() - 3_600_000);
  expect(auth.getState()).toHaveProperty("expiresAt", "2026-01-01T00:01:00Z");
  await pass(62_000);
  expect(auth.getState()).toHaveProperty("expiresAt", undefined);
});

test("the state is asked for when a lost stream is back", async () => {
  const tabs = await twoTabs();
  Stream.open[0]!.begin();
  await pass();
  server.user = undefined;
  Stream.open[0]!.begin(); // the browser has connected again
  await pass();
  for (const { auth } of tabs) expect(auth.getState().status).toBe("anonymous");
});

test("a refused stream is retried ever less often, by one tab", async () => {
  await twoTabs();
  for (let i = 0; i < 12; i++) {
    Stream.open[0]?.refuse();
    await pass(700_000);
    expect(Stream.all.length).toBe(i + 2);
  }
  Stream.open[0]!.refuse();
  await pass(290_000);
  expect(Stream.all.length).toBe(13);
});

test("a frozen page gives up the stream, and asks when it resumes", async () => {
  const [one, two] = await twoTabs();
  two.close();
  window.dispatchEvent(new Event("freeze"));
  await pass();
  expect(Stream.open).toEqual([]);
  server.user = undefined;
  window.dispatchEvent(new Event("resume"));
  await pass();
  expect(one.auth.getState().status).toBe("anonymous");
});

test("a page restored by the Back button asks, and has its stream again", async () => {
  const [one, two] = await twoTabs();
  two.close();
  window.dispatchEvent(new Event("pagehide"));
  expect(Stream.open).toEqual([]);
  const before = asked("GET /api/me");
  window.dispatchEvent(new Event("pageshow"));
  await pass();
  expect(asked("GET /api/me")).toBe(before + 1);
  expect(Stream.open.length).toBe(1);
  expect(one.states).toEqual(["authenticated"]);
});

test("a machine that slept gets a new stream", async () => {
  await twoTabs();
  Stream.open[0]!.begin();
  await pass(60_000);
  expect(Stream.all.length).toBe(1);
  vi.setSystemTime(Date.now() + 8 * 3600_000);
  await pass(31_000);
  expect(Stream.all.length).toBe(2);
  expect(Stream.open.length).toBe(1);
});

test("without locks there is no stream, and everything else works", async () => {
  Object.defineProperty(navigator, "locks", { value: undefined, configurable: true });
  const [one, two] = await twoTabs();
  expect(Stream.all).toEqual([]);
  await one.auth.logout();
  await pass();
  expect(two.auth.getState().status).toBe("anonymous");
});

test("an outage keeps the stream, and the user", async () => {
  const [one] = await twoTabs();
  server.answers.set("GET /api/me", lost);
  await one.auth.refresh();
  expect(one.auth.getState().status).toBe("unavailable");
  expect(Stream.open.length).toBe(1);
});
