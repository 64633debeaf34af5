// A scripted server, and a browser's locks and event streams, which the test environment lacks. The tests in e2e run against
// the real ones; these tests check what the client does with each answer, and when.

import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, vi } from "vitest";
import "../src/stream.js"; // so that it is there when it is asked for
import { createAuth, type Auth, type AuthOptions, type User } from "../src/index.js";

export const url = "http://127.0.0.1:8000";

export const ada: User = {
  id: 1, username: "ada", email: "", first_name: "", last_name: "", date_joined: "2026-01-01T00:00:00Z", last_login: null,
  is_staff: false, is_superuser: false, groups: [], permissions: [],
};
export const bob: User = { ...ada, id: 2, username: "bob" };

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  const type = status < 400 ? "application/json" : "application/problem+json";
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": type, ...headers } });
}

export function problem(status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Response {
  return json({ status, code, detail: `${code}.`, ...more }, status, headers);
}

export type Answer = (request: Request) => Response | Promise<Response>;

/** The server: its signed-in user, and answers that a test sets. */
export const server = {
  user: undefined as User | undefined,
  ended: false,
  /** By method and path. Each answer in `once` is used once. */
  answers: new Map<string, Answer>(),
  once: new Map<string, Answer[]>(),
  /** The requests, as "GET /api/me". */
  asked: [] as string[],
  requests: [] as Request[],
};

export function asked(what: string): number {
  return server.asked.filter((it) => it === what).length;
}

export function next(what: string, ...answers: Answer[]): void {
  server.once.set(what, [...(server.once.get(what) ?? []), ...answers]);
}

export const lost: Answer = () => {
  throw new TypeError("Failed to fetch");
};

const usual: Record<string, Answer> = {
  "GET /api/me": () => {
    if (server.user) return json(server.user);
    return problem(401, server.ended ? "session_ended" : "not_authenticated");
  },
  "POST /api/auth/login": async (request) => {
    const { username, password } = await request.json();
    if (password !== "right") return problem(401, "invalid_credentials");
    return json((server.user = username === "bob" ? bob : ada));
  },
  "POST /api/auth/logout": () => {
    server.user = undefined;
    return json({});
  },
  "POST /api/auth/reauthenticate": () => json(server.user),
  "GET /api/auth/csrf": () => json({ csrftoken: "token" }),
};

async function answer(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const { pathname } = new URL(request.url);
  const what = `${request.method} ${pathname}`;
  server.asked.push(what);
  server.requests.push(request.clone());
  const found = server.once.get(what)?.shift() ?? server.answers.get(what) ?? usual[what];
  if (!found) return problem(404, "not_found");
  return found(request);
}

const step = { kind: "second", factors: ["totp", "recovery_code"], expires_at: "2026-01-01T00:10:00Z" };

/** The server, once ada has a second factor: the first step leaves a pending sign-in, and a right code ends it. */
export function demandCode() {
  let pending = false;
  let tries = 5;
  const ended = () => problem(401, "pending_ended");
  server.answers.set("POST /api/auth/login", async (request) => {
    if ((await request.json()).password !== "right") return problem(401, "invalid_credentials");
    pending = true;
    return problem(401, "second_factor_required", { pending: step });
  });
  server.answers.set("POST /api/auth/login/second", async (request) => {
    if (!pending) return ended();
    if ((await request.json()).code !== "123456") {
      pending = --tries > 0;
      return problem(400, "invalid", { errors: { code: ["Wrong."] } });
    }
    pending = false;
    return json((server.user = ada));
  });
  server.answers.set("GET /api/auth/login/pending", () => (pending ? json(step) : ended()));
  server.answers.set("DELETE /api/auth/login/pending", () => {
    pending = false;
    return json({});
  });
  return { end: () => (pending = false) };
}

export const codes = ["AAAA-BBBB", "CCCC-DDDD"];

/** The server mails the code "12345678" to every address; with `next` the code alone isn't enough. */
export function mailCodes(next?: object): void {
  let due = false;
  server.answers.set("POST /api/auth/code", () => ((due = true), json({})));
  server.answers.set("GET /api/auth/login/pending", () => (due ? json({ kind: "code", factors: [], expires_at: "2026-01-01T00:10:00Z" }) : problem(401, "pending_ended")));
  server.answers.set("POST /api/auth/code/login", async (request) => {
    const { code, remember } = await request.json();
    if (!due) return problem(401, "pending_ended");
    if (code !== "12345678") return problem(400, "invalid", { errors: { code: ["Wrong."] } });
    if (next) return problem(401, "second_factor_required", { pending: next });
    return json((server.user = remember === false ? bob : ada));
  });
}

/** The server, if it requires a second factor and ada has none: "123456" is the code of the app that she sets up. */
export function demandEnrolment() {
  const pending = { kind: "enrol", factors: ["passkey", "security_key", "totp"], expires_at: "2026-01-01T00:10:00Z" };
  const enrolled = () => json({ user: (server.user = ada), factor: { id: "f" }, recovery_codes: codes });
  server.answers.set("POST /api/auth/login", () => problem(401, "second_factor_enrolment_required", { pending }));
  server.answers.set("GET /api/auth/login/pending", () => json(pending));
  server.answers.set("POST /api/auth/login/enrol/totp", () => json({ id: "app", secret: "ABCD", uri: "otpauth://totp/ada" }));
  server.answers.set("POST /api/auth/login/enrol/totp/confirm", async (request) => {
    const { id, code } = await request.json();
    return id === "app" && code === "123456" ? enrolled() : problem(400, "invalid", { errors: { code: ["Wrong."] } });
  });
  server.answers.set("POST /api/auth/login/enrol/passkey/options", () =>
    json({ publicKey: { challenge: "Q2hh", user: { id: "YWRh", name: "ada", displayName: "Ada" } } }),
  );
  server.answers.set("POST /api/auth/login/enrol/passkey", enrolled);
}

/** Locks as the Web Locks API has them: shared and exclusive, first come, first served. */
class Locks {
  private held = new Map<string, { shared: boolean; count: number }>();
  private queue: { name: string; shared: boolean; run: () => void; signal?: AbortSignal | undefined }[] = [];

  request<Out>(name: string, options: LockOptions, act: () => Promise<Out>): Promise<Out> {
    return new Promise((resolve, reject) => {
      const shared = options.mode === "shared";
      const entry = {
        name, shared, signal: options.signal,
        run: () => {
          void act().then(resolve, reject).finally(() => {
            const held = this.held.get(name)!;
            if (--held.count === 0) this.held.delete(name);
            this.next();
          });
        },
      };
      options.signal?.addEventListener("abort", () => {
        if (!this.queue.includes(entry)) return;
        this.queue = this.queue.filter((it) => it !== entry);
        reject(new DOMException("aborted", "AbortError"));
        this.next();
      });
      this.queue.push(entry);
      this.next();
    });
  }

  private next(): void {
    const blocked = new Set<string>();
    for (const entry of [...this.queue]) {
      const held = this.held.get(entry.name);
      if (blocked.has(entry.name) || (held && !(held.shared && entry.shared))) {
        blocked.add(entry.name);
        continue;
      }
      this.queue = this.queue.filter((it) => it !== entry);
      this.held.set(entry.name, { shared: entry.shared, count: (held?.count ?? 0) + 1 });
      entry.run();
    }
  }
}

export class Stream extends EventTarget {
  static readonly CLOSED = 2;
  static all: Stream[] = [];
  static get open(): Stream[] {
    return Stream.all.filter((it) => it.readyState < 2);
  }
  readyState = 0;
  onopen?: () => void;
  onerror?: () => void;
  constructor(readonly address: URL, readonly options: EventSourceInit) {
    super();
    Stream.all.push(this);
  }
  close(): void {
    this.readyState = 2;
  }
  begin(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  refuse(): void {
    this.readyState = 2;
    this.onerror?.();
  }
  send(type: string, data: object = {}): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }));
  }
}

const ends: (() => void)[] = [];

/** Calls `end` after the test. */
export function finally_(end: () => void): void {
  ends.push(end);
}

/** A tab with a subscription until the end of the test. `states` has all its states. */
export function tab(options: AuthOptions = {}): { auth: Auth; states: string[]; close: () => void } {
  const auth = createAuth({ url, ...options });
  const states: string[] = [];
  const close = auth.subscribe(() => states.push(auth.getState().status));
  ends.push(close);
  return { auth, states, close };
}

/** Runs all pending tasks, and advances the timers by `ms`. */
export async function pass(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  // Messages between tabs arrive in tasks that the fake timers don't know.
  for (let i = 0; i < 5; i++) {
    await setImmediate();
    await vi.advanceTimersByTimeAsync(0);
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  vi.spyOn(console, "warn").mockImplementation(() => {}); // explain.test.ts tests the warnings
  vi.stubGlobal("fetch", answer);
  vi.stubGlobal("EventSource", Stream);
  if (globalThis.navigator) Object.defineProperty(navigator, "locks", { value: new Locks(), configurable: true });
});

afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await pass(1000);
  globalThis.sessionStorage?.clear();
  Object.assign(server, { user: undefined, ended: false, answers: new Map(), once: new Map(), asked: [], requests: [] });
  Stream.all = [];
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});
