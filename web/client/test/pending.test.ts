import { expect, test } from "vitest";
import type { Auth, Pending } from "../src/index.js";
import { ada, asked, bob, codes, demandCode, demandEnrolment, json, lost, mailCodes, next, pass, problem, server, tab } from "./world.js";

const right = { username: "ada", password: "right" };

function pendingOf(auth: Auth): Pending {
  const { pending } = auth.getState();
  if (!pending) throw new Error(auth.getState().status);
  return pending;
}

test("a right password alone leaves the sign-in pending, and a code completes it", async () => {
  demandCode();
  const { auth, states } = tab();
  await pass();
  const result = await auth.login(right);
  if (result.done) throw new Error("it is done");
  expect(result.pending).toMatchObject({ factors: ["totp", "recovery_code"], expiresAt: "2026-01-01T00:10:00Z" });
  expect(auth.getState()).toEqual({ status: "pending", pending: result.pending });
  await expect(result.pending.second("000000")).rejects.toMatchObject({ code: "invalid", errors: { code: ["Wrong."] } });
  expect(auth.getState().status).toBe("pending");
  await expect(result.pending.second("123456")).resolves.toEqual(ada);
  expect(states).toEqual(["anonymous", "pending", "authenticated"]);
});

test("a reload keeps the step, and a page that began no sign-in doesn't ask for one", async () => {
  demandCode();
  const { auth, close } = tab();
  await pass();
  expect(asked("GET /api/auth/login/pending")).toBe(0);
  await auth.login(right);
  close();
  const again = tab();
  await pass();
  expect(again.states).toEqual(["pending"]);
  await pendingOf(again.auth).second("123456");
  expect(again.auth.getState().status).toBe("authenticated");
  await again.auth.logout();
  const before = asked("GET /api/auth/login/pending");
  tab();
  await pass();
  expect(asked("GET /api/auth/login/pending")).toBe(before);
});

test("other tabs hear of the sign-in, and not of its first step", async () => {
  demandCode();
  const one = tab();
  await pass();
  const channel = new BroadcastChannel("cloakroomhttp://127.0.0.1:8000");
  const heard: unknown[] = [];
  channel.onmessage = ({ data }) => heard.push(data);
  await one.auth.login(right);
  await pass();
  expect(heard).toEqual([]);
  await pendingOf(one.auth).second("123456");
  await pass();
  channel.close();
  expect(heard).toEqual([{ type: "changed", reason: undefined }]);
});

test("it can be given up", async () => {
  demandCode();
  const { auth } = tab();
  await pass();
  await auth.login(right);
  await pendingOf(auth).cancel();
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "not_authenticated" });
  expect(asked("DELETE /api/auth/login/pending")).toBe(1);
  await auth.refresh();
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "not_authenticated" });
});

test("a session that was there before goes on when the sign-in is given up", async () => {
  server.user = ada;
  demandCode();
  const { auth } = tab();
  await pass();
  await auth.login(right);
  expect(auth.getState().status).toBe("pending");
  await pendingOf(auth).cancel();
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada });
});

test("after too many wrong codes the user starts over", async () => {
  demandCode();
  const { auth } = tab();
  await pass();
  await auth.login(right);
  const { second } = pendingOf(auth);
  for (let i = 0; i < 5; i++) await expect(second("000000")).rejects.toMatchObject({ code: "invalid" });
  await expect(second("000000")).rejects.toMatchObject({ code: "pending_ended" });
  await pass();
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "pending_ended" });
});

test("a sign-in that has ended meanwhile is noticed", async () => {
  const it = demandCode();
  const { auth } = tab();
  await pass();
  await auth.login(right);
  await auth.refresh();
  expect(auth.getState().status).toBe("pending");
  it.end();
  await auth.refresh();
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "pending_ended" });
});

test("an outage doesn't end it", async () => {
  demandCode();
  const { auth } = tab();
  await pass();
  await auth.login(right);
  next("GET /api/auth/login/pending", lost);
  await auth.refresh();
  expect(auth.getState().status).toBe("unavailable");
  await pass(2000);
  expect(auth.getState().status).toBe("pending");
  next("POST /api/auth/login/second", lost);
  await expect(pendingOf(auth).second("123456")).rejects.toMatchObject({ code: "unreachable" });
  expect(auth.getState().status).toBe("pending");
});

test("a browser that permits no storage signs in, too", async () => {
  demandCode();
  const storage = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage")!;
  Object.defineProperty(globalThis, "sessionStorage", { configurable: true, get: () => { throw new DOMException("", "SecurityError"); } });
  try {
    const { auth } = tab();
    await pass();
    await auth.login(right);
    await auth.refresh();
    expect(auth.getState().status).toBe("pending");
    await pendingOf(auth).second("123456");
    expect(auth.getState().status).toBe("authenticated");
  } finally {
    Object.defineProperty(globalThis, "sessionStorage", storage);
  }
});

test("ready knows that a step is due", async () => {
  demandCode();
  const { auth } = tab();
  await pass();
  await auth.login(right);
  await expect(auth.ready()).resolves.toMatchObject({ status: "pending" });
});

test("a factor that the server requires is set up on the way in, and its codes stay until they are kept", async () => {
  demandEnrolment();
  const { auth, states } = tab();
  await pass();
  await auth.login(right);
  const { kind, enrol } = pendingOf(auth);
  expect(kind).toBe("enrol");
  const { uri, secret, confirm } = await enrol!.app();
  expect([uri, secret]).toEqual(["otpauth://totp/ada", "ABCD"]);
  await expect(confirm("000000")).rejects.toMatchObject({ code: "invalid", errors: { code: ["Wrong."] } });
  expect(auth.getState().status).toBe("pending");
  expect(await confirm("123456")).toMatchObject({ user: ada, recovery_codes: codes });
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada, recoveryCodes: codes });
  await auth.refresh();
  expect(auth.getState().recoveryCodes).toEqual(codes);
  next("GET /api/me", lost);
  await auth.refresh();
  expect(auth.getState()).toMatchObject({ status: "unavailable", recoveryCodes: codes });
  await auth.refresh();
  expect(auth.getState()).toMatchObject({ status: "authenticated", recoveryCodes: codes });
  auth.codesKept();
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada });
  expect(auth.getState().recoveryCodes).toBeUndefined();
  await auth.refresh();
  expect(auth.getState().recoveryCodes).toBeUndefined();
  expect(states.slice(0, 3)).toEqual(["anonymous", "pending", "authenticated"]);
});

test("the codes of one user are not shown to another, nor after a sign-out", async () => {
  demandEnrolment();
  const { auth } = tab();
  await pass();
  await auth.login(right);
  await (await pendingOf(auth).enrol!.app()).confirm("123456");
  server.user = bob;
  await auth.refresh();
  expect(auth.getState()).toMatchObject({ user: bob });
  expect(auth.getState().recoveryCodes).toBeUndefined();
  next("GET /api/me", () => problem(401, "not_authenticated"));
  await auth.refresh();
  expect(auth.getState()).toMatchObject({ status: "anonymous" });
  expect(auth.getState().recoveryCodes).toBeUndefined();
  await auth.logout();
  server.user = ada;
  auth.adopt(ada);
  await pass();
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada });
  expect(auth.getState().recoveryCodes).toBeUndefined();
});

test("the recovery codes stay if the browser doesn't keep the cookie of the sign-in, until they are kept", async () => {
  for (const code of ["not_authenticated", "two_session_cookies"]) {
    demandEnrolment();
    const { auth } = tab();
    await auth.login({ username: "ada", password: "right" });
    const app = await auth.getState().pending!.enrol!.app();
    server.answers.set("GET /api/me", () => problem(401, code));
    await app.confirm("123456");
    expect(auth.getState()).toMatchObject({ status: "authenticated", recoveryCodes: codes });
    await auth.refresh();
    expect(auth.getState()).toMatchObject({ status: "anonymous", reason: code, recoveryCodes: codes });
    await auth.refresh();
    expect(auth.getState().recoveryCodes).toEqual(codes);
    auth.codesKept();
    expect(auth.getState()).toEqual({ status: "anonymous", reason: code });
    await auth.refresh();
    expect(auth.getState().recoveryCodes).toBeUndefined();
    server.answers.delete("GET /api/me");
  }
});

test("the recovery codes go with a sign-out that the page isn't told of, once the session has worked", async () => {
  demandEnrolment();
  const { auth } = tab();
  await pass();
  for (const times of [1, 2]) {
    await auth.login(right);
    await (await pendingOf(auth).enrol!.app()).confirm("123456");
    await auth.refresh();
    expect(auth.getState(), `${times}`).toMatchObject({ status: "authenticated", recoveryCodes: codes });
    next("GET /api/me", () => problem(401, "not_authenticated"));
    await auth.refresh();
    expect(auth.getState()).toEqual({ status: "anonymous", reason: "not_authenticated" });
  }
  // Whether an earlier session has worked says nothing about the cookie of this sign-in.
  await auth.login(right);
  await (await pendingOf(auth).enrol!.app()).confirm("123456");
  next("GET /api/me", () => problem(401, "not_authenticated"));
  await auth.refresh();
  expect(auth.getState()).toMatchObject({ status: "anonymous", recoveryCodes: codes });
});

test("the recovery codes go with the session", async () => {
  demandEnrolment();
  const { auth } = tab();
  await auth.login({ username: "ada", password: "right" });
  await (await auth.getState().pending!.enrol!.app()).confirm("123456");
  server.user = undefined;
  server.ended = true;
  void auth.refresh();
  await pass(1000);
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "session_ended" });
});

test("a step that shows a factor sets none up", async () => {
  demandCode();
  const { auth } = tab();
  await pass();
  await auth.login(right);
  expect(pendingOf(auth).enrol).toBeUndefined();
});

test("a mailed code signs in, also after a reload", async () => {
  mailCodes();
  const { auth, states, close } = tab();
  await pass();
  const pending = await auth.sendCode("ada@example.com");
  expect(pending).toMatchObject({ kind: "code", factors: [] });
  expect(pending.mailed?.send).toBeUndefined();
  await expect(pending.mailed?.enter("00000000")).rejects.toMatchObject({ code: "invalid" });
  expect(states).toEqual(["anonymous", "pending"]);
  close();
  const again = tab();
  await pass();
  await expect(pendingOf(again.auth).mailed?.enter("12345678", { remember: false })).resolves.toEqual({ done: true, user: bob });
  expect(again.auth.getState().status).toBe("authenticated");
});

test("after a mailed code the second factor is due", async () => {
  mailCodes({ kind: "second", factors: ["totp"], expires_at: "2026-01-01T00:10:00Z" });
  const { auth } = tab();
  await pass();
  const result = await (await auth.sendCode("ada@example.com")).mailed?.enter("12345678");
  expect(result).toMatchObject({ done: false, pending: { kind: "second", factors: ["totp"] } });
  expect(pendingOf(auth).kind).toBe("second");
});

test("a mailed code comes before the enrolment", async () => {
  demandEnrolment();
  const pending = { factors: ["totp"], expires_at: "2026-01-01T00:10:00Z" };
  server.answers.set("POST /api/auth/login", () => problem(401, "second_factor_enrolment_required", { pending: { ...pending, kind: "enrol_code" } }));
  server.answers.set("POST /api/auth/login/enrol/code", () => json({}));
  server.answers.set("POST /api/auth/login/enrol/code/confirm", async (request) =>
    (await request.json()).code === "12345678" ? json({ ...pending, kind: "enrol" }) : problem(401, "pending_ended"));
  const { auth } = tab();
  await pass();
  await auth.login(right);
  const { mailed, enrol } = pendingOf(auth);
  expect(enrol).toBeUndefined();
  await mailed?.send?.();
  expect(asked("POST /api/auth/login/enrol/code")).toBe(1);
  await expect(mailed?.enter("12345678")).resolves.toMatchObject({ done: false, pending: { kind: "enrol" } });
  expect(pendingOf(auth).enrol).toBeDefined();
  await auth.login(right);
  await expect(pendingOf(auth).mailed?.enter("00000000")).rejects.toMatchObject({ code: "pending_ended" });
  await pass();
  expect(auth.getState()).toEqual({ status: "anonymous", reason: "pending_ended" });
});
