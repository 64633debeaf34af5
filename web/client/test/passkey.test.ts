import { beforeEach, expect, test, vi } from "vitest";
import "../src/explain.js"; // so that they are there when they are asked for
import "../src/passkey.js";
import type { Pending } from "../src/index.js";
import { ada, asked, codes, demandEnrolment, json, lost, next, pass, problem, server, tab } from "./world.js";

/** A browser's passkeys: what it was asked, and answers that a test gives. */
const browser = {
  asked: [] as any[],
  signals: [] as [string, object][],
  answer: undefined as ((credential?: object) => void) | undefined,
  pending: 0,
};

const buffer = (text: string) => new TextEncoder().encode(text).buffer;
const chosen = {
  id: "Y3JlZA", type: "public-key", authenticatorAttachment: "platform",
  response: { clientDataJSON: buffer("{}"), authenticatorData: buffer("data\xff>?"), signature: buffer("sig"), userHandle: buffer("ada") },
};

function ask(options: any): Promise<unknown> {
  browser.asked.push(options);
  if (browser.pending) return Promise.reject(new DOMException("A request is already pending.", "OperationError"));
  browser.pending++;
  return new Promise((resolve, reject) => {
    browser.answer = (credential) => (credential ? resolve(credential) : reject(new DOMException("no", "NotAllowedError")));
    options.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
  }).finally(() => browser.pending--);
}

const signal = (name: string) => async (about: object) => void browser.signals.push([name, about]);

let challenges = 0;
beforeEach(() => {
  Object.assign(browser, { asked: [], signals: [], answer: undefined, pending: 0 });
  vi.stubGlobal("location", new URL("http://localhost:5173/signin"));
  vi.stubGlobal("PublicKeyCredential", {
    isConditionalMediationAvailable: async () => true,
    signalUnknownCredential: signal("unknown"),
    signalAllAcceptedCredentials: signal("accepted"),
    signalCurrentUserDetails: signal("details"),
  });
  Object.defineProperty(navigator, "credentials", { configurable: true, value: { get: ask, create: ask } });
  server.answers.set("POST /api/auth/passkey/options", () =>
    json({ publicKey: { challenge: `Q2${challenges++ % 10}-_w`, timeout: 300_000, rpId: "localhost", userVerification: "required" } }),
  );
  server.answers.set("POST /api/auth/passkey/login", () => json((server.user = ada)));
});

test("passkey() signs in with what the browser answers", async () => {
  const { auth } = tab();
  await pass();
  const done = auth.passkey({ remember: false });
  await pass();
  const { publicKey, mediation } = browser.asked[0];
  expect(mediation).toBeUndefined();
  expect(publicKey).toMatchObject({ rpId: "localhost", userVerification: "required", allowCredentials: [] });
  expect(publicKey.challenge).toBeInstanceOf(Uint8Array);
  browser.answer!(chosen);
  await pass();
  expect(await done).toEqual(ada);
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada });
  expect(await server.requests.at(-1)!.json()).toEqual({
    remember: false,
    credential: {
      id: "Y3JlZA", rawId: "Y3JlZA", type: "public-key", authenticatorAttachment: "platform", clientExtensionResults: {},
      response: { clientDataJSON: "e30", authenticatorData: "ZGF0YcO_Pj8", signature: "c2ln", userHandle: "YWRh" },
    },
  });
});

test("a closed dialog is no error, and signs no one in", async () => {
  const { auth } = tab();
  await pass();
  const done = auth.passkey();
  await pass();
  browser.answer!();
  await pass();
  expect(await done).toBeUndefined();
  expect(asked("POST /api/auth/passkey/login")).toBe(0);
  expect(auth.getState().status).toBe("anonymous");
});

test("autofill signs in once a passkey is chosen, and says what `remember` says then", async () => {
  const { auth } = tab();
  await pass();
  let remember = true;
  const done = auth.autofill(undefined, () => remember);
  await pass();
  expect(browser.asked[0].mediation).toBe("conditional");
  remember = false;
  browser.answer!(chosen);
  await pass();
  expect(await done).toEqual(ada);
  expect(await server.requests.at(-1)!.json()).toMatchObject({ remember: false });
});

test("autofill asks for a new challenge at three quarters of its life", async () => {
  const { auth } = tab();
  await pass();
  const done = auth.autofill();
  await pass();
  await pass(225_000 - 10);
  expect(browser.asked.length).toBe(1);
  await pass(20);
  expect(browser.asked.length).toBe(2);
  expect(browser.asked[0].signal.aborted).toBe(true);
  expect(browser.asked[1].publicKey.challenge).not.toEqual(browser.asked[0].publicKey.challenge);
  browser.answer!(chosen);
  await pass();
  expect(await done).toEqual(ada);
  await pass(300_000);
  expect(browser.asked.length).toBe(2);
});

test("passkey() ends the autofill, waits for its end, and uses its options", async () => {
  const { auth } = tab();
  await pass();
  const first = auth.autofill();
  await pass();
  const second = auth.passkey();
  await pass();
  expect(browser.asked.length).toBe(2);
  expect(asked("POST /api/auth/passkey/options")).toBe(1);
  browser.answer!(chosen);
  await pass();
  expect(await first).toBeUndefined();
  expect(await second).toEqual(ada);
});

test("a closed dialog, and a passkey that is refused, leave the autofill waiting with a new challenge", async () => {
  const { auth } = tab();
  await pass();
  const stop = new AbortController();
  const suggested = auth.autofill(stop.signal);
  await pass();
  const closed = auth.passkey();
  await pass();
  browser.answer!();
  await pass();
  expect(await closed).toBeUndefined();
  expect(browser.asked.map(({ mediation }) => mediation)).toEqual(["conditional", undefined, "conditional"]);
  expect(browser.asked[2].publicKey.challenge).not.toEqual(browser.asked[0].publicKey.challenge);

  next("POST /api/auth/passkey/login", () => problem(401, "invalid_credentials"));
  const refused = auth.passkey().catch((error) => error.code);
  const twice = auth.passkey().catch((error) => error.code);
  await pass();
  browser.answer!(chosen);
  await pass();
  expect([await refused, await twice].sort()).toEqual(["invalid_credentials", "passkey_failed"]);
  expect(browser.asked.at(-1).mediation).toBe("conditional");
  expect(browser.pending).toBe(1);

  browser.answer!(chosen);
  await pass();
  expect(await suggested).toEqual(ada);
  expect(browser.pending).toBe(0);
});

test("autofill that is stopped during another question doesn't ask again", async () => {
  const { auth } = tab();
  await pass();
  const stop = new AbortController();
  const suggested = auth.autofill(stop.signal);
  await pass();
  const asking = auth.passkey();
  await pass();
  stop.abort();
  await pass();
  expect(await suggested).toBeUndefined();
  browser.answer!();
  await pass();
  expect(await asking).toBeUndefined();
  expect(browser.pending).toBe(0);
  expect(browser.asked.length).toBe(2);
});

test("autofill asks again after the person has closed the browser's dialog of it", async () => {
  const { auth } = tab();
  await pass();
  const suggested = auth.autofill();
  await pass(3000);
  browser.answer!();
  await pass();
  expect(browser.pending).toBe(1);
  browser.answer!(); // at once: this is no person
  await pass();
  expect(await suggested).toBeUndefined();
  expect(browser.pending).toBe(0);
});

test("a second autofill ends the first one, and a signal ends it, too", async () => {
  const { auth } = tab();
  await pass();
  const first = auth.autofill();
  await pass();
  const stop = new AbortController();
  const second = auth.autofill(stop.signal);
  await pass();
  expect(await first).toBeUndefined();
  expect(browser.pending).toBe(1);
  stop.abort();
  await pass();
  expect(await second).toBeUndefined();
  expect(browser.pending).toBe(0);
  expect(await auth.autofill(stop.signal)).toBeUndefined();
});

test("a page that is left keeps no question open, and asks again when it is shown again", async () => {
  const { auth } = tab();
  await pass();
  void auth.autofill();
  await pass();
  dispatchEvent(new Event("pagehide"));
  await pass();
  expect(browser.pending).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  dispatchEvent(new Event("pageshow"));
  await pass();
  expect(browser.pending).toBe(1);
  expect(asked("POST /api/auth/passkey/options")).toBe(2);
});

test("autofill is quiet where it can't work", async () => {
  const { auth } = tab();
  await pass();
  next("POST /api/auth/passkey/options", () => problem(400, "passkeys_off"));
  expect(await Promise.race([auth.autofill(), pass(1000)])).toBeUndefined();
  next("POST /api/auth/passkey/options", lost);
  expect(await Promise.race([auth.autofill(), pass(1000)])).toBeUndefined();
  vi.stubGlobal("PublicKeyCredential", {});
  expect(await auth.autofill()).toBeUndefined();
  vi.stubGlobal("PublicKeyCredential", undefined);
  expect(await auth.autofill()).toBeUndefined();
  expect(browser.asked.length).toBe(0);
});

test("the browser forgets a passkey only if the server doesn't know it", async () => {
  const { auth } = tab();
  await pass();
  for (const [code, signals] of [["invalid_credentials", 0], ["passkey_changed", 0], ["passkey_unknown", 1]] as const) {
    next("POST /api/auth/passkey/login", () => problem(401, code));
    const done = auth.passkey().catch((error) => error.code);
    await pass();
    browser.answer!(chosen);
    await pass();
    expect(await done).toBe(code);
    expect(browser.signals.length).toBe(signals);
  }
  expect(browser.signals).toEqual([["unknown", { rpId: "localhost", credentialId: "Y3JlZA" }]]);
});

test("a removal tells the browser which passkeys are left, and those of another domain are not named", async () => {
  server.user = ada;
  const { auth } = tab();
  await pass();
  server.answers.set("DELETE /api/auth/factors/f%2F1", () => json({}));
  server.answers.set("GET /api/auth/factors", () =>
    json({
      factors: [{ rp_id: "localhost", credential_id: "b25l" }, { rp_id: "example.com", credential_id: "dHdv" }, { kind: "totp" }],
      passkey: { rp_id: "localhost", user_id: "YWRh", name: "ada", display_name: "Ada" },
    }),
  );
  await auth.removePasskey("f/1");
  expect(browser.signals).toEqual([
    ["accepted", { rpId: "localhost", userId: "YWRh", allAcceptedCredentialIds: ["b25l"] }],
    ["details", { rpId: "localhost", userId: "YWRh", name: "ada", displayName: "Ada" }],
  ]);
});

test("a passkey is added with what the browser makes", async () => {
  server.user = ada;
  const { auth } = tab();
  await pass();
  server.answers.set("POST /api/auth/factors/passkey/options", () =>
    json({ publicKey: { challenge: "Q2hh", user: { id: "YWRh", name: "ada", displayName: "Ada" }, excludeCredentials: [{ id: "b25l" }] } }),
  );
  const added = { factor: { id: "f" }, recovery_codes: ["one"] };
  server.answers.set("POST /api/auth/factors/passkey", () => json(added));
  const done = auth.addPasskey({ name: "Key", securityKey: true });
  await pass();
  const { publicKey } = browser.asked[0];
  expect([publicKey.user.id, publicKey.excludeCredentials[0].id].every((it) => it instanceof Uint8Array)).toBe(true);
  browser.answer!({ id: "bmV3", type: "public-key", response: { clientDataJSON: buffer("{}"), attestationObject: buffer("o"), getTransports: () => ["usb"] } });
  await pass();
  expect(await done).toEqual(added);
  expect(await server.requests.at(-1)!.json()).toEqual({
    kind: "security_key", name: "Key",
    credential: {
      id: "bmV3", rawId: "bmV3", type: "public-key", clientExtensionResults: {},
      response: { clientDataJSON: "e30", attestationObject: "bw", transports: ["usb"] },
    },
  });
});

test("a passkey makes the sign-in fresh again", async () => {
  server.user = ada;
  const { auth } = tab();
  await pass();
  server.answers.set("POST /api/auth/reauthenticate/options", () =>
    json({ publicKey: { challenge: "Q2hh", timeout: 1, rpId: "localhost", userVerification: "preferred", allowCredentials: [{ id: "b25l" }] } }),
  );
  const done = auth.reauthenticateByPasskey();
  await pass();
  browser.answer!(chosen);
  await pass();
  expect(await done).toEqual(ada);
});

test("an IP address is explained in the console, once", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  vi.stubGlobal("location", new URL("http://127.0.0.1:5173/signin"));
  const { auth } = tab();
  await pass();
  for (let i = 0; i < 2; i++) {
    void auth.passkey();
    await pass();
    await vi.waitFor(() => expect(warn).toHaveBeenCalledOnce());
    browser.answer!();
    await pass();
  }
  expect(warn.mock.calls[0]![0]).toContain("open http://localhost:5173 instead");
});

test("it takes the second step with the options of the first, and with new ones after that", async () => {
  const { auth } = tab();
  await pass();
  const step = (challenge: string) => ({
    factors: ["passkey"], expires_at: "2026-01-01T00:10:00Z",
    passkey: { publicKey: { challenge, timeout: 300_000, rpId: "localhost", userVerification: "preferred", allowCredentials: [{ type: "public-key", id: "b25l" }] } },
  });
  next("POST /api/auth/login", () => problem(401, "second_factor_required", { pending: step("Zmlyc3Q") }));
  server.answers.set("GET /api/auth/login/pending", () => json(step("c2Vjb25k")));
  const { pending } = (await auth.login({ username: "ada", password: "right" })) as { pending: Pending };
  const challenges = () => browser.asked.map(({ publicKey }) => new TextDecoder().decode(publicKey.challenge));

  next("POST /api/auth/login/second", () => problem(503, "unavailable"));
  const first = pending.passkey!().catch((error) => error.code);
  await pass();
  browser.answer!(chosen);
  await pass();
  expect(await first).toBe("unavailable");
  next("POST /api/auth/login/second", () => json((server.user = ada)));
  const second = pending.passkey!();
  await pass();
  browser.answer!(chosen);
  await pass();
  expect(await second).toEqual(ada);
  expect(challenges()).toEqual(["first", "second"]);
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada });
});

test("a passkey that the server requires is set up on the way in, and ends the autofill before", async () => {
  demandEnrolment();
  const { auth } = tab();
  await pass();
  const suggested = auth.autofill();
  await pass();
  expect(browser.pending).toBe(1);
  const { pending } = (await auth.login({ username: "ada", password: "right" })) as { pending: Pending };
  const closed = pending.enrol!.passkey();
  await pass();
  expect(await suggested).toBeUndefined();
  browser.answer!();
  await pass();
  expect(await closed).toBeUndefined();
  expect(auth.getState().status).toBe("pending");
  const done = pending.enrol!.passkey({ securityKey: true });
  await pass();
  browser.answer!({ id: "bmV3", type: "public-key", response: { clientDataJSON: buffer("{}"), attestationObject: buffer("o") } });
  await pass();
  expect(await done).toMatchObject({ user: ada, recovery_codes: codes });
  expect(await server.requests.at(-1)!.json()).toMatchObject({ kind: "security_key", credential: { id: "bmV3" } });
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada, recoveryCodes: codes });
});

test("an account begins with a passkey, and a passkey that begins none is forgotten", async () => {
  const { auth } = tab();
  await pass();
  const account = { secret: "S", username: "ada" };
  const made = { id: "bmV3", type: "public-key", response: { clientDataJSON: buffer("{}"), attestationObject: buffer("o") } };
  server.answers.set("POST /api/auth/signup/passkey/options", () => json({ publicKey: { challenge: "Q2hh", rp: { id: "localhost" }, user: { id: "YWRh" } } }));
  const closed = auth.signupByPasskey(account);
  await pass();
  expect(await server.requests.at(-1)!.json()).toEqual(account);
  browser.answer!();
  await pass();
  expect(await closed).toBeUndefined();
  expect(asked("POST /api/auth/signup/passkey")).toBe(0);
  for (const [status, code, forgotten] of [[503, "unavailable", 0], [409, "factor_exists", 0], [403, "link_invalid", 1]] as const) {
    next("POST /api/auth/signup/passkey", () => problem(status, code));
    const refused = auth.signupByPasskey(account).catch((error) => error.code);
    await pass();
    browser.answer!(made);
    await pass();
    expect(await refused).toBe(code);
    expect(browser.signals.length).toBe(forgotten);
  }
  expect(browser.signals).toEqual([["unknown", { rpId: "localhost", credentialId: "bmV3" }]]);
  next("POST /api/auth/signup/passkey", () => json({ user: (server.user = ada), factor: { id: "f" }, recovery_codes: codes }));
  const done = auth.signupByPasskey({ ...account, name: "Phone" });
  await pass();
  browser.answer!(made);
  await pass();
  expect(await done).toMatchObject({ user: ada, recovery_codes: codes });
  expect(await server.requests.at(-1)!.json()).toMatchObject({ ...account, name: "Phone", credential: { id: "bmV3" } });
  expect(auth.getState()).toMatchObject({ status: "authenticated", user: ada, recoveryCodes: codes });
});

test("what the browser refuses has a code", async () => {
  server.user = ada;
  const { auth } = tab();
  await pass();
  server.answers.set("POST /api/auth/factors/passkey/options", () => json({ publicKey: { challenge: "Q2hh", user: { id: "YWRh" } } }));
  for (const [name, code] of [["InvalidStateError", "factor_exists"], ["SecurityError", "passkey_failed"]]) {
    const refuse = () => Promise.reject(new DOMException("no", name));
    Object.defineProperty(navigator, "credentials", { configurable: true, value: { get: refuse, create: refuse } });
    await expect(auth.addPasskey()).rejects.toMatchObject({ code, status: 400 });
  }
  await expect(auth.passkey()).rejects.toMatchObject({ code: "passkey_failed" });
});

test("the second step ends an autofill that still waits", async () => {
  const { auth } = tab();
  await pass();
  void auth.autofill();
  await pass();
  const passkey = { publicKey: { challenge: "Q2hh", timeout: 300_000, rpId: "localhost", userVerification: "preferred" } };
  next("POST /api/auth/login", () => problem(401, "second_factor_required", { pending: { kind: "second", factors: ["passkey"], expires_at: "", passkey } }));
  next("POST /api/auth/login/second", () => json((server.user = ada)));
  const { pending } = (await auth.login({ username: "ada", password: "right" })) as { pending: Pending };
  const done = pending.passkey!();
  await pass();
  expect(browser.asked.at(-1).mediation).toBeUndefined();
  browser.answer!(chosen);
  await pass();
  expect(await done).toEqual(ada);
});

test("autofill is quiet where the browser refuses to ask", async () => {
  const { auth } = tab();
  await pass();
  Object.defineProperty(navigator, "credentials", { configurable: true, value: { get: async () => { throw new DOMException("no", "SecurityError"); } } });
  expect(await Promise.race([auth.autofill(), pass(1000).then(() => "late")])).toBeUndefined();
});
