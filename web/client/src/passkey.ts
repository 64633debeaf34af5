// Sign-in by passkey (WebAuthn). This module is loaded when one of its functions is first called.

import type { Client } from "./client.js";
import type { AuthError } from "./error.js";
import type { PasskeyRequest, User } from "./types.js";

/** @internal Runs a request that signs in. */
export type Change = (act: () => Promise<User>) => Promise<User>;

/** @internal */
export interface Passkeys {
  signIn(options?: { remember?: boolean }): Promise<User | undefined>;
  autofill(signal?: AbortSignal, remember?: () => boolean): Promise<User | undefined>;
}

interface Signal {
  rpId: string;
  [member: string]: unknown;
}
type Signals = { readonly [name in "signalUnknownCredential"]?: (about: Signal) => Promise<void> };

const base = "/api/auth/";

/** @internal */
export function createPasskeys(client: Client, change: Change): Passkeys {
  const post = <Answer>(path: string, body = {}) => client.call<Answer>("POST", base + path, body);
  let waiting: { ask?: PasskeyRequest; stop: () => Promise<User | undefined> } | undefined;

  async function finish(ask: PasskeyRequest, credential: object, remember?: boolean): Promise<User> {
    try {
      return await change(() => post<User>("passkey/login", { credential, ...(remember === false && { remember }) }));
    } catch (error) {
      if ((error as AuthError).code === "passkey_unknown") {
        await signal("signalUnknownCredential", { rpId: ask.publicKey.rpId, credentialId: (credential as { id: string }).id });
      }
      throw error;
    }
  }

  /** Asks until a passkey is chosen, with a new challenge before the old one is over. */
  async function waitForChoice(stopped: AbortSignal, remember?: () => boolean): Promise<User | undefined> {
    while (!stopped.aborted) {
      const ask = await post<PasskeyRequest>("passkey/options").catch(() => undefined);
      if (!ask || stopped.aborted) return undefined;
      waiting!.ask = ask;
      let why: "renew" | "left" | undefined;
      const question = new AbortController();
      const { signal } = question;
      const timer = setTimeout(end, (ask.publicKey.timeout * 3) / 4, "renew");
      // A browser keeps no page with an open question for its Back button. After a return to the page the question is asked again.
      addEventListener("pagehide", () => end("left"), { signal });
      stopped.addEventListener("abort", () => end(), { signal });
      function end(reason?: typeof why): void {
        why = reason;
        question.abort();
      }
      const credential = await get(ask, { mediation: "conditional", signal });
      clearTimeout(timer);
      question.abort();
      if (credential) return finish(ask, credential, remember?.());
      if (why === "left") await new Promise((shown) => addEventListener("pageshow", shown, { once: true }));
      else if (why !== "renew") return undefined;
    }
    return undefined;
  }

  return {
    async signIn({ remember } = {}) {
      // Some browsers ask only right after a click. The options of the autofill save a request.
      const before = waiting?.ask;
      const chosen = await waiting?.stop();
      if (chosen) return chosen;
      const ask = before ?? (await post<PasskeyRequest>("passkey/options"));
      const credential = await get(ask);
      return credential && finish(ask, credential, remember);
    },
    async autofill(signal, remember) {
      if (!(await globalThis.PublicKeyCredential?.isConditionalMediationAvailable?.())) return undefined;
      await waiting?.stop();
      const stopping = new AbortController();
      const stop = () => stopping.abort();
      if (signal?.aborted) return undefined;
      signal?.addEventListener("abort", stop, { once: true });
      const mine: typeof waiting = {
        stop() {
          stop();
          return done.catch(() => undefined);
        },
      };
      waiting = mine;
      const done = waitForChoice(stopping.signal, remember);
      return done.finally(() => {
        if (waiting === mine) waiting = undefined;
      });
    },
  };
}

/** Asks for a passkey; undefined: the person has refused, or `signal` was aborted. */
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
  explainAddress();
  try {
    const credential = (await ask()) as PublicKeyCredential | null;
    return credential ? encoded(credential) : undefined;
  } catch (error) {
    if (/^(NotAllowed|Abort)Error$/.test((error as DOMException).name)) return undefined;
    throw error;
  }
}

/** Tells the developer, in the console, why a browser refuses passkeys. */
function explainAddress(): void {
  if (/^[\d.]+$|^\[/.test(location.hostname)) void import("./explain.js").then((it) => it.explainPasskeys(location));
}

/** What PublicKeyCredential.toJSON returns, which Safari lacks before 18.4. */
function encoded({ id, type, response, authenticatorAttachment }: PublicKeyCredential): object {
  const it = response as AuthenticatorAssertionResponse;
  const parts: Record<string, unknown> = {};
  for (const name of ["clientDataJSON", "authenticatorData", "signature", "userHandle"] as const) {
    if (it[name]) parts[name] = text(it[name]);
  }
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
