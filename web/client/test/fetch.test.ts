import { expect, test, vi } from "vitest";
import { AuthError, createClient, type FreshSignIn } from "../src/index.js";
import { ada, asked, json, lost, next, pass, problem, server, tab, url } from "./world.js";

const notes = `${url}/api/notes`;

async function signedIn() {
  server.user = ada;
  const it = tab();
  await pass();
  return it;
}

test("a 401 while signed in is repeated, with its body", async () => {
  const { auth, states } = await signedIn();
  next("POST /api/notes", () => problem(401, "session_ended"), async (request) => json(await request.json()));
  const response = await auth.fetch(notes, { method: "POST", body: '{"n":1}', headers: { "X-Mine": "yes" } });
  expect(await response.json()).toEqual({ n: 1 });
  expect(server.requests.at(-1)!.headers.get("x-mine")).toBe("yes");
  expect(states).toEqual(["authenticated"]);
  expect(asked("GET /api/me")).toBe(2);
});

test("an app's own 401 reaches the app after one retry, and is no sign-out", async () => {
  const { auth, states } = await signedIn();
  server.answers.set("GET /api/notes", () => json({ detail: "no" }, 401));
  const response = await auth.fetch(notes);
  expect(response.status).toBe(401);
  expect(await response.json()).toEqual({ detail: "no" });
  expect(asked("GET /api/notes")).toBe(2);
  expect(states).toEqual(["authenticated"]);
});

test("a wrong password is not tried twice", async () => {
  const { auth } = await signedIn();
  server.answers.set("POST /api/other-login", () => problem(401, "invalid_credentials"));
  await auth.fetch(`${url}/api/other-login`, { method: "POST" });
  expect(asked("POST /api/other-login")).toBe(1);
});

test("many simultaneous 401s cause one question and one change of state", async () => {
  const { auth, states } = await signedIn();
  server.user = undefined;
  server.answers.set("GET /api/notes", () => problem(401, "not_authenticated"));
  const answers = await Promise.all(Array.from({ length: 6 }, () => auth.fetch(notes)));
  expect(answers.map((it) => it.status)).toEqual(Array(6).fill(401));
  expect(states).toEqual(["authenticated", "anonymous"]);
  expect(asked("GET /api/me")).toBe(2);
  expect(asked("GET /api/notes")).toBe(6);
});

test("a 401 during an outage of the server is no sign-out", async () => {
  const { auth } = await signedIn();
  next("GET /api/notes", () => problem(401, "session_ended"));
  next("GET /api/me", lost);
  expect((await auth.fetch(notes)).status).toBe(401);
  expect(auth.getState()).toMatchObject({ status: "unavailable", user: ada });
});

test("a session that ended between two answers is noticed", async () => {
  const { auth } = await signedIn();
  next("GET /api/notes", () => problem(401, "not_authenticated"), () => {
    server.user = undefined;
    return problem(401, "not_authenticated");
  });
  expect((await auth.fetch(notes)).status).toBe(401);
  expect(auth.getState().status).toBe("anonymous");
});

test("a ticket that is being replaced is no sign-out", async () => {
  const { auth, states } = await signedIn();
  next("GET /api/notes", () => problem(401, "session_ended"), () => json({}));
  next("GET /api/me", () => problem(401, "session_ended"));
  const response = auth.fetch(notes);
  await pass(400);
  expect((await response).status).toBe(200);
  expect(states).toEqual(["authenticated"]);
});

test("the question waits for the tab that is getting a new ticket", async () => {
  const { auth, states } = await signedIn();
  const other = tab();
  await pass();
  let confirmed!: (response: Response) => void;
  next("POST /api/auth/reauthenticate", () => new Promise((resolve) => (confirmed = resolve)));
  const change = other.auth.reauthenticate("right");
  await pass();
  server.ended = true;
  server.user = undefined; // the old ticket, until the answer is there
  const look = auth.refresh();
  await pass(5000);
  expect(states).toEqual(["authenticated"]);
  server.user = ada;
  confirmed(json(ada));
  await change;
  await pass(1000);
  expect((await look).status).toBe("authenticated");
  expect(states).toEqual(["authenticated"]);
});

test("a demand for a fresh sign-in asks once for all, and repeats each once", async () => {
  const { auth } = await signedIn();
  let fresh = false;
  server.answers.set("DELETE /api/auth/sessions", () => (fresh ? json({ ended: 2 }) : problem(403, "fresh_sign_in_required")));
  server.answers.set("DELETE /api/notes", () => (fresh ? json({}) : problem(403, "fresh_sign_in_required")));
  const ask = vi.fn(async () => {
    await auth.reauthenticate("right");
    return (fresh = true);
  });
  auth.onFreshSignIn(ask);
  const [ended, response] = await Promise.all([auth.client.endOtherSessions(), auth.fetch(notes, { method: "DELETE" })]);
  expect(ended).toBe(2);
  expect(response.status).toBe(200);
  expect(ask).toHaveBeenCalledOnce();
});

test("the function that asks is told what would do, and whether all of it is needed", async () => {
  const { auth } = await signedIn();
  const needed: FreshSignIn[] = [];
  auth.onFreshSignIn(async (what) => needed.push(what) > 0);
  next("DELETE /api/auth/sessions",
    () => problem(403, "fresh_sign_in_required"),
    () => problem(403, "full_sign_in_required", { factors: ["password+totp"] }),
    () => json({ ended: 1 }));
  await expect(auth.client.endOtherSessions()).resolves.toBe(1);
  expect(needed).toEqual([{ factors: ["password"], full: false }, { factors: ["password+totp"], full: true }]);
});

test("a user who declines, or is refused again, gets the refusal", async () => {
  const { auth } = await signedIn();
  server.answers.set("DELETE /api/auth/sessions", () => problem(403, "fresh_sign_in_required"));
  await expect(auth.client.endOtherSessions()).rejects.toMatchObject({ code: "fresh_sign_in_required" });
  auth.onFreshSignIn(async () => false);
  await expect(auth.client.endOtherSessions()).rejects.toMatchObject({ code: "fresh_sign_in_required" });
  expect(asked("DELETE /api/auth/sessions")).toBe(2);
  auth.onFreshSignIn(async () => true);
  await expect(auth.client.endOtherSessions()).rejects.toMatchObject({ code: "fresh_sign_in_required" });
  expect(asked("DELETE /api/auth/sessions")).toBe(4);
});

test("a person may take longer to confirm than a request may take", async () => {
  const { auth } = await signedIn();
  next("DELETE /api/auth/sessions", () => problem(403, "fresh_sign_in_required"), () => json({ ended: 1 }));
  auth.onFreshSignIn(async () => {
    await new Promise((resolve) => setTimeout(resolve, 120_000));
    return true;
  });
  const ended = auth.client.endOtherSessions();
  await pass(130_000);
  await expect(ended).resolves.toBe(1);
});

test("the CSRF token is fetched when the server asks for it, and sent with unsafe requests", async () => {
  const { auth } = await signedIn();
  const right = "token";
  server.answers.set("POST /api/notes", (request) =>
    request.headers.get("x-csrftoken") === right ? json({}) : problem(403, "csrf_failed"));
  server.answers.set("GET /api/notes", (request) => json({ token: request.headers.get("x-csrftoken") }));
  expect((await auth.fetch(notes, { method: "POST", body: "x" })).status).toBe(200);
  expect((await auth.fetch(notes, { method: "POST", body: "x" })).status).toBe(200);
  expect(asked("POST /api/notes")).toBe(3);
  expect(asked("GET /api/auth/csrf")).toBe(1);
  expect(await (await auth.fetch(notes)).json()).toEqual({ token: null });
  server.answers.set("POST /api/notes", () => problem(403, "csrf_failed"));
  expect((await auth.fetch(notes, { method: "POST" })).status).toBe(403);
  expect(asked("POST /api/notes")).toBe(5);
});

test("other origins get neither cookie nor token, and their 401 is theirs", async () => {
  const { auth } = await signedIn();
  next("POST /api/notes", () => problem(403, "csrf_failed"), () => json({}));
  await auth.fetch(notes, { method: "POST" });
  server.answers.set("POST /x", () => json({}, 401));
  const before = server.asked.length;
  await auth.fetch("http://127.0.0.1:9999/x", { method: "POST" });
  expect(server.asked.length).toBe(before + 1);
  const sent = server.requests.at(-1)!;
  expect(sent.credentials).not.toBe("include");
  expect(sent.headers.get("x-csrftoken")).toBeNull();
});

test("named origins are covered", async () => {
  server.user = ada;
  const { auth } = tab({ origins: ["http://127.0.0.1:9000"] });
  await pass();
  server.answers.set("GET /x", () => json({}));
  await auth.fetch("http://127.0.0.1:9000/x");
  expect(server.requests.at(-1)!.credentials).toBe("include");
});

test("a client throws what the server says", async () => {
  const client = createClient({ url });
  next("POST /api/auth/password/change", () => problem(400, "invalid", { errors: { new_password: ["Too short."] } }));
  const error: AuthError = await client.changePassword({ current_password: "a", new_password: "b" }).catch((it) => it);
  expect(error).toBeInstanceOf(AuthError);
  expect({ ...error }).toMatchObject({ code: "invalid", status: 400, detail: "invalid.", errors: { new_password: ["Too short."] } });
  next("POST /api/auth/login", () => problem(429, "throttled", {}, { "Retry-After": "900" }));
  await expect(client.login({ username: "ada", password: "x" })).rejects.toMatchObject({ code: "throttled", retryAfter: 900 });
  next("POST /api/auth/login", lost);
  await expect(client.login({ username: "ada", password: "x" })).rejects.toMatchObject({ code: "unreachable", status: 0, errors: {} });
});

test("its calls reach the routes", async () => {
  const client = createClient({ url });
  server.user = ada;
  server.answers.set("GET /api/auth/sessions", () => json({ sessions: [{ id: "a" }] }));
  server.answers.set("DELETE /api/auth/sessions/a%2Fb", () => json({}));
  server.answers.set("POST /api/n", async (request) => json({ got: await request.json(), type: request.headers.get("content-type") }));
  expect(await client.me()).toEqual(ada);
  expect(await client.sessions()).toEqual([{ id: "a" }]);
  expect(await client.endSession("a/b")).toEqual({});
  expect(await client.call("POST", "/api/n", { a: 1 })).toEqual({ got: { a: 1 }, type: "application/json" });
});
