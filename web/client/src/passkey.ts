// Passkeys and security keys (WebAuthn), and setting up a factor during a sign-in. This module is loaded when one of its functions is first called.

import type { Client } from "./client.js";
import { AuthError } from "./error.js";
import type { EnrolmentOfApp } from "./auth.js";
import type { AddedFactor, Enrolled, Factors, FirstPasskey, NewPasskey, PasskeyRequest, User } from "./types.js";

/** @internal What auth.ts lends to this module. */
export interface Host {
  /** Asks no one to sign in. */
  readonly raw: Client;
  readonly client: Client;
  /** Runs a request that completes a sign-in. */
  complete<Out extends User | Enrolled>(act: () => Promise<Out>): Promise<Out>;
  /** Runs a request that brings a new ticket. `user` returns the user who is then signed in, if the answer says it. */
  change<Out>(act: () => Promise<Out>, user?: (out: Out) => User): Promise<Out>;
}

/** @internal */
export interface Passkeys {
  signIn(options?: { remember?: boolean }): Promise<User | undefined>;
  autofill(signal?: AbortSignal, remember?: () => boolean): Promise<User | undefined>;
  /** Takes the second step. `until` is when the options, which the server has sent, must not be used any more. */
  second(ask: PasskeyRequest, until: number): Promise<User | undefined>;
  reauthenticate(options?: { password?: string }): Promise<User | undefined>;
  add(options?: NewPasskey): Promise<AddedFactor | undefined>;
  enrol(options?: NewPasskey): Promise<Enrolled | undefined>;
  enrolApp(): Promise<EnrolmentOfApp>;
  join(account: FirstPasskey): Promise<Enrolled | undefined>;
  remove(id: string): Promise<void>;
}

/** Suggestions that wait for a choice. The promises are of the user whose passkey was chosen before. */
interface Waiting {
  ask?: PasskeyRequest;
  /** Set while another question is open. */
  paused?: Promise<void>;
  /** Ends the open question. */
  withdraw?: () => void;
  /** Withdraws the question until `resume` was called as often. */
  pause(): Promise<User | undefined>;
  resume(): void;
  stop(): Promise<User | undefined>;
}

interface PasskeyCreation {
  publicKey: {
    challenge: string;
    rp: { id: string };
    user: { id: string; name: string; displayName: string };
    excludeCredentials?: { id: string }[];
  };
}

interface Signal {
  rpId: string;
  [member: string]: unknown;
}
type Signals = { readonly [name in "signalUnknownCredential" | "signalAllAcceptedCredentials" | "signalCurrentUserDetails"]?: (about: Signal) => Promise<void> };

const base = "/api/auth/";
const enrolment = "login/enrol/";

/** @internal */
export function createPasskeys({ raw, client, complete, change }: Host): Passkeys {
  explainAddress();
  const post = <Answer>(path: string, body = {}, by = client) => by.call<Answer>("POST", base + path, body);
  const options = () => post<PasskeyRequest>("passkey/options", {}, raw);
  let waiting: Waiting | undefined;
  let party: { id: string }; // of the credential that was made last

  /** Sends what the browser has answered, and lets the browser forget a passkey that the server has removed. */
  async function finish(path: string, ask: PasskeyRequest, credential: object, remember?: boolean): Promise<User> {
    try {
      return await complete(() => post<User>(path, { credential, ...(remember === false && { remember }) }, raw));
    } catch (error) {
      if ((error as AuthError).code === "passkey_unknown") {
        await signal("signalUnknownCredential", { rpId: ask.publicKey.rpId, credentialId: (credential as { id: string }).id });
      }
      throw error;
    }
  }

  /** Asks until a passkey is chosen, with a new challenge before the old one is over. `quiet` is called when a pause has begun. */
  async function waitForChoice(mine: Waiting, stopped: AbortSignal, quiet: () => void, remember?: () => boolean): Promise<User | undefined> {
    while (!stopped.aborted) {
      if (mine.paused) {
        quiet();
        await mine.paused;
        continue;
      }
      const ask = await options().catch(() => undefined);
      if (!ask) return undefined;
      if (mine.paused || stopped.aborted) continue;
      mine.ask = ask;
      const asked = Date.now();
      let why: "renew" | "left" | "stop" | undefined;
      const question = new AbortController();
      const { signal } = question;
      const timer = setTimeout(end, (ask.publicKey.timeout * 3) / 4, "renew");
      // A browser keeps no page with an open question for its Back button. After a return to the page the question is asked again.
      addEventListener("pagehide", () => end("left"), { signal });
      stopped.addEventListener("abort", () => end("stop"), { signal });
      mine.withdraw = () => end("stop");
      function end(reason: typeof why): void {
        why = reason;
        question.abort();
      }
      const credential = await get(ask, { mediation: "conditional", signal }).catch(() => undefined);
      clearTimeout(timer);
      question.abort();
      if (credential) return finish("passkey/login", ask, credential, remember?.());
      if (why === "left") await new Promise((shown) => addEventListener("pageshow", shown, { once: true }));
      // A browser that refuses at once would refuse again; later, the person has closed its dialog.
      else if (!why && Date.now() - asked < 1000) return undefined;
    }
    return undefined;
  }

  /** Lets the browser make a credential, and returns what adds it; undefined: the person has refused. */
  async function make(path: string, { name, securityKey, ...account }: NewPasskey = {}, by: Client): Promise<{ credential: object } | undefined> {
    await waiting?.stop();
    const body = { ...account, ...(securityKey && { kind: "security_key" }) };
    const { publicKey } = await post<PasskeyCreation>(path + "/options", body, by);
    party = publicKey.rp;
    const credential = await settle(() =>
      navigator.credentials.create({
        publicKey: {
          ...publicKey,
          challenge: bytes(publicKey.challenge),
          user: { ...publicKey.user, id: bytes(publicKey.user.id) },
          excludeCredentials: decoded(publicKey.excludeCredentials),
        } as object as PublicKeyCredentialCreationOptions,
      }),
    );
    return credential && { ...body, credential, ...(name && { name }) };
  }

  /** Tells the browser which passkeys the user has, so that it offers no others, and what the user is called. */
  async function report(): Promise<void> {
    const { factors, passkey } = await client.call<Factors>("GET", base + "factors");
    if (!passkey) return;
    const { rp_id: rpId, user_id: userId, name, display_name: displayName } = passkey;
    const own = factors.filter((factor) => factor.rp_id === rpId);
    await signal("signalAllAcceptedCredentials", { rpId, userId, allAcceptedCredentialIds: own.map((factor) => factor.credential_id) });
    await signal("signalCurrentUserDetails", { rpId, userId, name, displayName });
  }

  return {
    async signIn({ remember } = {}) {
      // Some browsers ask only right after a click. The options of the autofill save a request.
      const suggestions = waiting;
      const before = suggestions?.ask;
      const chosen = await suggestions?.pause();
      if (chosen) return chosen;
      try {
        const ask = before ?? (await options());
        const credential = await get(ask);
        const user = credential && (await finish("passkey/login", ask, credential, remember));
        if (user) void suggestions?.stop();
        return user;
      } finally {
        suggestions?.resume();
      }
    },
    async autofill(signal, remember) {
      if (!(await globalThis.PublicKeyCredential?.isConditionalMediationAvailable?.())) return undefined;
      await waiting?.stop();
      if (signal?.aborted) return undefined;
      const stopping = new AbortController();
      let pauses = 0;
      let begun: Promise<undefined>;
      let quiet = () => {};
      let resume = () => {};
      const mine: Waiting = {
        pause() {
          if (!pauses++) {
            mine.paused = new Promise((resolve) => (resume = resolve));
            begun = new Promise((resolve) => (quiet = () => resolve(undefined)));
            delete mine.ask; // its challenge will be spent
            mine.withdraw?.();
          }
          return Promise.race([begun, done.catch(() => undefined)]);
        },
        resume() {
          if (--pauses) return;
          delete mine.paused;
          resume();
        },
        stop() {
          stopping.abort();
          delete mine.paused;
          resume();
          return done.catch(() => undefined);
        },
      };
      signal?.addEventListener("abort", () => void mine.stop(), { once: true });
      waiting = mine;
      const done = waitForChoice(mine, stopping.signal, () => quiet(), remember);
      return done.finally(() => {
        if (waiting === mine) waiting = undefined;
      });
    },
    async second(ask, until) {
      const chosen = await waiting?.stop();
      if (chosen) return chosen;
      if (Date.now() > until) ask = (await raw.pending()).passkey ?? ask;
      const credential = await get(ask);
      return credential && finish("login/second", ask, credential);
    },
    async reauthenticate({ password } = {}) {
      await waiting?.stop();
      const ask = await post<PasskeyRequest>("reauthenticate/options");
      const credential = await get(ask);
      return credential && change(() => post<User>("reauthenticate", { credential, ...(password && { password }) }), (user) => user);
    },
    async add(options) {
      const path = "factors/passkey";
      const made = await make(path, options, client);
      return made && change(() => post<AddedFactor>(path, made));
    },
    async enrol(options) {
      const path = enrolment + "passkey";
      const made = await make(path, options, raw);
      return made && complete(() => post<Enrolled>(path, made, raw));
    },
    async join(account) {
      const path = "signup/passkey";
      const made = await make(path, account, raw);
      if (!made) return undefined;
      try {
        return await complete(() => post<Enrolled>(path, made, raw));
      } catch (error) {
        const { status, code } = error as AuthError;
        // No account has the passkey. After an outage it isn't known.
        if (status >= 400 && status < 500 && code !== "factor_exists") {
          await signal("signalUnknownCredential", { rpId: party.id, credentialId: (made.credential as { id: string }).id });
        }
        throw error;
      }
    },
    async enrolApp() {
      const { id, secret, uri } = await post<{ id: string; secret: string; uri: string }>(enrolment + "totp", {}, raw);
      return { secret, uri, confirm: (code) => complete(() => post<Enrolled>(enrolment + "totp/confirm", { id, code }, raw)) };
    },
    async remove(id) {
      await change(() => client.call("DELETE", `${base}factors/${encodeURIComponent(id)}`));
      await report();
    },
  };
}

/** Asks for a passkey; undefined: the person has refused, or `signal` was aborted. Fails with `passkey_failed`. */
export function get({ publicKey }: PasskeyRequest, more?: object): Promise<object | undefined> {
  return settle(() =>
    navigator.credentials.get({
      publicKey: {
        ...publicKey,
        challenge: bytes(publicKey.challenge),
        allowCredentials: decoded(publicKey.allowCredentials),
      } as PublicKeyCredentialRequestOptions,
      ...more,
    }),
  );
}

async function settle(ask: () => Promise<Credential | null>): Promise<object | undefined> {
  try {
    const credential = (await ask()) as PublicKeyCredential | null;
    return credential ? encoded(credential) : undefined;
  } catch (error) {
    const { name } = error as DOMException;
    if (/^(NotAllowed|Abort)Error$/.test(name)) return undefined;
    throw new AuthError(name === "InvalidStateError" ? "factor_exists" : "passkey_failed", 400);
  }
}

/** Tells the developer, in the console, why a browser refuses passkeys. */
function explainAddress(): void {
  if (/^[\d.]+$|^\[/.test(location.hostname)) void import("./explain.js").then((it) => it.explainPasskeys(location), () => {}); // a page that is left explains nothing
}

/** What PublicKeyCredential.toJSON returns, which Safari lacks before 18.4. */
function encoded({ id, type, response, authenticatorAttachment }: PublicKeyCredential): object {
  const it = response as AuthenticatorAssertionResponse & AuthenticatorAttestationResponse;
  const parts: Record<string, unknown> = {};
  for (const name of ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"] as const) {
    if (it[name]) parts[name] = text(it[name]);
  }
  if (it.getTransports) parts.transports = it.getTransports();
  return { id, rawId: id, type, response: parts, clientExtensionResults: {}, ...(authenticatorAttachment && { authenticatorAttachment }) };
}

function decoded(list: readonly { id: string }[] = []): PublicKeyCredentialDescriptor[] {
  return list.map((it) => ({ ...it, type: "public-key", id: bytes(it.id) }));
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64url.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Tells the browser about passkeys, if it listens. It answers nothing about them. */
async function signal(name: keyof Signals, about: Signal): Promise<void> {
  await (PublicKeyCredential as unknown as Signals)[name]?.(about).catch(() => {});
}
