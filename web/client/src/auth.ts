import { clientOf, type Client } from "./client.js";
import type { AuthError } from "./error.js";
import { createSender, type Recover, type Sender, type SenderOptions } from "./send.js";
import { openTabs, type News } from "./tabs.js";
import type { Credentials, PasswordChange, User } from "./types.js";

/**
 * Who is signed in, as far as this page knows. Only the server's word makes it "anonymous": when nobody can say, it is
 * "unavailable", and keeps the user it had. A state never changes; another one takes its place.
 */
export type AuthState =
  | { readonly status: "loading"; readonly user?: undefined }
  | {
      readonly status: "anonymous";
      readonly user?: undefined;
      /**
       * "not_authenticated" where nobody had signed in, "signed_out" after a sign-out here; else why the session is over:
       * "session_ended", or what the server told more exactly.
       */
      readonly reason: string;
    }
  | {
      readonly status: "authenticated";
      readonly user: User;
      /** When the session will end for want of use, once that is near. `refresh()` keeps it. */
      readonly expiresAt?: string | undefined;
    }
  | {
      readonly status: "unavailable";
      readonly user: User | undefined;
      readonly error: AuthError;
      /** When the next try is due, as `Date.now()` has it. */
      readonly retryAt: number;
    };

export interface AuthOptions extends SenderOptions {
  /** false: no stream of events; other devices' doings are seen when the page is looked at. Default: true. */
  events?: boolean | undefined;
}

export interface Auth {
  getState(): AuthState;
  /**
   * Calls back after each change, until what it returns is called. While anybody is subscribed the state is kept true: asked
   * for at once, when the page is looked at again, and when the server or another tab says that it changed.
   */
  subscribe(listener: () => void): () => void;
  /** Asks the server, and counts as a use of the session unless `slide` is false. */
  refresh(options?: { slide?: boolean }): Promise<AuthState>;
  /**
   * The first state from which it is clear whether somebody is signed in, which may be the present one. On a server, which
   * has nobody's cookie, it is the present one, "loading".
   */
  known(): Promise<AuthState>;
  login(credentials: Credentials): Promise<User>;
  logout(): Promise<void>;
  reauthenticate(password: string): Promise<User>;
  changePassword(change: PasswordChange): Promise<void>;
  /** For other ways in, such as `setUp`: this user is signed in now. Tells the other tabs. */
  adopt(user: User): void;
  /**
   * `fetch` for the app's own API. To the server's origin, and those of `origins`, it adds the cookie and the CSRF token. A
   * 401 makes the state "anonymous" only when `/api/me` says the same; else the request is repeated, once.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** The other routes. They go through `fetch`. */
  readonly client: Client;
  /**
   * Has `ask` called when the server wants the password once more for a request. It asks for the password, gives it to
   * `reauthenticate`, and answers whether that went well; then the request is repeated. Requests that come meanwhile share
   * the answer. There is one such function; undefined takes it away, and then the request fails.
   */
  onFreshSignIn(ask: (() => Promise<boolean>) | undefined): void;

  /** For adapters of other HTTP libraries: whether a refused request should be repeated. `tried` is one set a request. */
  readonly recover: Recover;
  /** For the same: whether an address gets the cookie, and what goes with it as X-CSRFToken. */
  readonly sender: Pick<Sender, "covers" | "csrfToken">;
}

// None on a server.
const page = globalThis.document;

const pause = 300; // how long the answer that brings a new ticket may be behind one that refuses the old

/** Keeps who is signed in, in one place. It does nothing until it is subscribed to or asked. */
export function createAuth(options: AuthOptions = {}): Auth {
  const sender = createSender(options);
  const raw = clientOf(sender, sender.recover);
  const tabs = openTabs(sender.url, hear, () => void again());
  const listeners = new Set<() => void>();
  let state: AuthState = { status: "loading" };
  let deeds = 0; // what was asked before a deed of ours is no longer worth knowing
  let failures = 0;
  let asking: Promise<AuthState> | undefined;
  let freshSignIn: (() => Promise<boolean>) | undefined;
  let confirming: Promise<boolean> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;

  function become(next: AuthState): void {
    if (JSON.stringify(next) === JSON.stringify(state)) return;
    state = next;
    follow();
    for (const listener of listeners) listener();
  }

  /** Has the stream of events open, and the next try due, exactly while that is of use to somebody. */
  function follow(): void {
    clearTimeout(retry);
    tabs.follow(!!listeners.size && !!state.user && options.events !== false);
    if (listeners.size && state.status === "unavailable") retry = setTimeout(ask, state.retryAt - Date.now());
  }

  function ask(slide = false, reason?: string): Promise<AuthState> {
    return (asking ??= look(slide, reason).finally(() => (asking = undefined)));
  }

  /** Asks once more where an answer that is under way may be older than the news. */
  async function again(reason?: string, slide?: boolean): Promise<AuthState> {
    await asking;
    return ask(slide, reason);
  }

  async function look(slide: boolean, reason?: string): Promise<AuthState> {
    const asked = deeds;
    let next;
    try {
      next = signedIn(await me(slide, reason), slide ? undefined : (state as { expiresAt?: string }).expiresAt);
    } catch (thrown) {
      const error = thrown as AuthError;
      // A 401 that isn't Cloakroom's is that of a proxy, which knows nothing.
      if (error.status !== 401 || error.code === "http_401") next = unavailable(error);
      else next = state.status === "anonymous" ? state : signedOut(reason ?? error.code);
    }
    if (asked === deeds) become(next);
    return state;
  }

  /**
   * Another tab may just be getting a new ticket. Then the old one is refused before the browser has the new one, so a
   * session that is said to be over is asked about again when that is done.
   */
  async function me(slide: boolean, reason?: string): Promise<User> {
    try {
      return await raw.me({ slide });
    } catch (error) {
      if ((error as AuthError).code !== "session_ended") throw error;
      if (!reason) await new Promise((resolve) => setTimeout(resolve, pause));
      await tabs.settled();
      return raw.me({ slide });
    }
  }

  /** At least as long as the server asks for, then longer each time, and never all browsers at once. */
  function unavailable(error: AuthError): AuthState {
    failures = state.status === "unavailable" ? failures + 1 : 0;
    const seconds = Math.max(error.retryAfter ?? 0, Math.min(30, 2 ** failures / 2));
    const retryAt = Date.now() + seconds * (1000 + 500 * Math.random());
    return { status: "unavailable", user: state.user, error, retryAt };
  }

  /** Does what gives the browser another ticket, or takes it. */
  async function deed<Out>(act: () => Promise<Out>, next: (out: Out) => AuthState): Promise<Out> {
    try {
      const out = await tabs.changing(act);
      deeds++;
      become(next(out));
      tabs.tell({ type: "changed", reason: (state as { reason?: string }).reason });
      return out;
    } catch (error) {
      if (state.user && (error as AuthError).status === 401) void ask();
      throw error;
    }
  }

  function hear({ type, reason, expires_at }: News): void {
    if (type !== "session.expiring") void again(reason);
    else if (state.status === "authenticated") become({ ...state, expiresAt: expires_at });
  }

  const recover: Recover = async (refused, tried) => {
    if (await sender.recover(refused, tried)) return true;
    const { status, code } = refused;
    const first = !tried.has(code);
    tried.add(code);
    // What a server asks for while it renders comes with nobody's cookie, and says nothing about the page's user.
    if (status === 401 && !page) return false;
    if (status === 401 && code !== "invalid_credentials" && state.status !== "anonymous") {
      return (await ask()).status === "authenticated" && first;
    }
    if (!first || code !== "fresh_sign_in_required" || !freshSignIn) return false;
    return (confirming ??= freshSignIn().finally(() => (confirming = undefined)));
  };

  const auth: Auth = {
    getState: () => state,
    subscribe(listener) {
      listeners.add(listener);
      if (listeners.size === 1 && page) {
        tabs.open();
        void ask(state.status === "loading");
        follow();
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size) return;
        follow();
        tabs.close();
      };
    },
    refresh: ({ slide = true } = {}) => again(undefined, slide),
    known: () =>
      new Promise((resolve) => {
        const check = () => {
          if (!state.user && state.status !== "anonymous" && page) return;
          unsubscribe();
          resolve(state);
        };
        const unsubscribe = auth.subscribe(check);
        check();
      }),
    login: (credentials) => deed(() => raw.login(credentials), signedIn),
    logout: () => deed(raw.logout, () => signedOut("signed_out")),
    reauthenticate: (password) => deed(() => raw.reauthenticate(password), signedIn),
    changePassword: (change) => deed(() => raw.changePassword(change), () => state),
    adopt: (user) => void deed(async () => user, signedIn),
    fetch: (input, init) => sender.send(new Request(input, init), recover),
    client: clientOf(sender, recover),
    onFreshSignIn: (ask) => void (freshSignIn = ask),
    recover,
    sender,
  };
  return auth;
}

function signedIn(user: User, expiresAt?: string): AuthState {
  return { status: "authenticated", user, expiresAt };
}

function signedOut(reason: string): AuthState {
  return { status: "anonymous", reason };
}
