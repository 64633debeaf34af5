import { expect, test, vi } from "vitest";
import { AuthError } from "../src/index.js";
import { ada, asked, bob, json, lost, next, pass, problem, server, tab, type Answer } from "./world.js";

test("the first subscription asks the server, as a use of the session", async () => {
  server.user = ada;
  const { auth, states } = tab();
  expect(auth.getState()).toEqual({ status: "loading" });
  await pass();
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada });
  expect(states).toEqual(["authenticated"]);
  expect(server.requests[0]!.url).toBe("http://127.0.0.1:8000/api/me");
  expect(server.requests[0]!.credentials).toBe("include");
});

test("a 401 makes the state anonymous, with the reason", async () => {
  const { auth } = tab();
  await pass();
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "not_authenticated" });
});

test("listeners, streams and messages exist only while there is a subscription", async () => {
  server.user = ada;
  const live = new Map<string, number>();
  const count = (what: string, by: number) => live.set(what, (live.get(what) ?? 0) + by);
  const add = window.addEventListener.bind(window);
  vi.spyOn(window, "addEventListener").mockImplementation((type, act, options) => {
    const { signal } = options as AddEventListenerOptions;
    count(type, 1);
    signal!.addEventListener("abort", () => count(type, -1));
    add(type, act as EventListener, options);
  });
  const closed = vi.spyOn(BroadcastChannel.prototype, "close");
  const { auth, close } = tab();
  const also = auth.subscribe(() => {});
  await pass();
  expect([...live.values()].every((n) => n === 1)).toBe(true);
  expect([...live.keys()]).toContain("visibilitychange");
  close();
  expect(closed).not.toHaveBeenCalled();
  also();
  expect([...live.values()].every((n) => n === 0)).toBe(true);
  expect(closed).toHaveBeenCalledOnce();
  expect(vi.getTimerCount()).toBe(0);
});

const outages: [string, Answer, string][] = [
  ["no answer", lost, "unreachable"],
  ["503", () => problem(503, "unavailable", {}, { "Retry-After": "1" }), "unavailable"],
  ["500", () => problem(500, "server_error"), "server_error"],
  ["a proxy's own page", () => new Response("<html>", { status: 502 }), "http_502"],
  ["a proxy's own 401", () => new Response("<html>", { status: 401 }), "http_401"],
  ["a page in place of the answer", () => new Response("<html>"), "unreachable"],
  ["a host that isn't configured", () => problem(421, "unknown_host"), "unknown_host"],
];

for (const [name, answer, code] of outages) {
  test(`${name} is no sign-out, and the user stays`, async () => {
    server.user = ada;
    const { auth, states } = tab();
    await pass();
    next("GET /api/me", answer);
    await auth.refresh();
    expect(auth.getState()).toMatchObject({ status: "unavailable", user: ada });
    expect(auth.getState()).toHaveProperty("error.code", code);
    await pass(2000);
    expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada });
    expect(states).toEqual(["authenticated", "unavailable", "authenticated"]);
  });
}

test("retries in an outage get rarer, are spread, and end with the last subscription", async () => {
  server.answers.set("GET /api/me", lost);
  const times: number[] = [];
  server.answers.set("GET /api/me", () => {
    times.push(Date.now());
    throw new TypeError();
  });
  const { close } = tab();
  await pass(200_000);
  const gaps = times.slice(1).map((at, i) => (at - times[i]!) / 1000);
  gaps.slice(0, 6).forEach((gap, i) => {
    expect(gap).toBeGreaterThanOrEqual(2 ** i / 2 - 0.001);
    expect(gap).toBeLessThanOrEqual(0.75 * 2 ** i + 0.1);
  });
  for (const gap of gaps.slice(6)) expect(gap).toBeLessThan(46);
  expect(new Set(gaps).size).toBe(gaps.length);
  close();
  const before = times.length;
  await pass(200_000);
  expect(times.length).toBe(before);
});

test("Retry-After is honoured", async () => {
  next("GET /api/me", () => problem(503, "unavailable", {}, { "Retry-After": "20" }));
  const { auth } = tab();
  await pass();
  const state = auth.getState();
  if (state.status !== "unavailable") throw new Error(state.status);
  expect(state.error.retryAfter).toBe(20);
  expect(state.retryAt - Date.now()).toBeGreaterThanOrEqual(20_000 - 10);
  await pass(19_900);
  expect(asked("GET /api/me")).toBe(1);
  await pass(10_200);
  expect(asked("GET /api/me")).toBe(2);
});

test("it asks at once when the network is back", async () => {
  server.answers.set("GET /api/me", lost);
  const { auth } = tab();
  await pass(100_000);
  server.answers.clear();
  server.user = ada;
  window.dispatchEvent(new Event("online"));
  await pass();
  expect(auth.getState().status).toBe("authenticated");
});

test("a page that becomes visible asks without extending the session", async () => {
  server.user = ada;
  tab();
  await pass();
  window.dispatchEvent(new Event("visibilitychange"));
  await pass();
  expect(server.requests.at(-1)!.url).toBe("http://127.0.0.1:8000/api/me?slide=false");
});

test("sign-in and sign-out change the state; a wrong password doesn't", async () => {
  const { auth, states } = tab();
  await pass();
  await expect(auth.login({ username: "ada", password: "wrong" })).rejects.toMatchObject({ code: "invalid_credentials", status: 401 });
  await pass();
  expect(asked("GET /api/me")).toBe(1);
  await expect(auth.login({ username: "ada", password: "right" })).resolves.toEqual({ done: true, user: ada });
  await auth.logout();
  expect(states).toEqual(["anonymous", "authenticated", "anonymous"]);
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "signed_out" });
  await auth.refresh();
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "signed_out" });
});

test("a failed sign-out throws and changes nothing", async () => {
  server.user = ada;
  const { auth } = tab();
  await pass();
  next("POST /api/auth/logout", lost);
  await expect(auth.logout()).rejects.toBeInstanceOf(AuthError);
  expect(auth.getState().status).toBe("authenticated");
});

test("an answer to a question from before a sign-in or a sign-out is ignored", async () => {
  const { auth, states } = tab();
  await pass();
  for (const [act, late] of [
    [() => auth.login({ username: "ada", password: "right" }), problem(401, "not_authenticated")],
    [() => auth.logout(), json(ada)],
  ] as const) {
    let answer!: (response: Response) => void;
    next("GET /api/me", () => new Promise((resolve) => (answer = resolve)));
    const question = auth.refresh();
    await pass();
    await act();
    const after = auth.getState();
    answer(late);
    await question;
    await pass();
    expect(auth.getState()).toBe(after);
  }
  expect(states).toEqual(["anonymous", "authenticated", "anonymous"]);
});

test("an equal answer is no change", async () => {
  server.user = ada;
  const { auth, states } = tab();
  await pass();
  const before = auth.getState();
  await auth.refresh();
  expect(auth.getState()).toBe(before);
  server.user = { ...ada, permissions: ["shop.sell"] };
  await auth.refresh();
  expect(auth.getState().user!.permissions).toEqual(["shop.sell"]);
  expect(states.length).toBe(2);
});

test("ready waits for an outage to end", async () => {
  server.answers.set("GET /api/me", lost);
  const { auth } = tab();
  let known;
  void auth.ready().then((state) => (known = state.status));
  await pass(10_000);
  expect(known).toBeUndefined();
  server.answers.clear();
  await pass(20_000);
  expect(known).toBe("anonymous");
  await expect(auth.ready()).resolves.toMatchObject({ status: "anonymous" });
});

test("adopt sets the pending sign-in of another way in", async () => {
  const { auth } = tab();
  await pass();
  auth.adopt({ kind: "enrol", factors: ["totp"], expires_at: "2026-01-01T00:10:00Z" });
  expect(auth.getState()).toMatchObject({ status: "pending", pending: { kind: "enrol", factors: ["totp"] } });
});

test("adopt sets the user of another way to sign in", async () => {
  const { auth } = tab();
  await pass();
  server.user = bob;
  auth.adopt(bob);
  await pass();
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: bob });
});
