import { clientOf, type Client } from "./client.js";
import { AuthError } from "./error.js";
import { createSender, type Recover, type Sender, type SenderOptions } from "./send.js";
import { openTabs, type News } from "./tabs.js";
import type { Passkeys } from "./passkey.js";
import type { AddedFactor, Credentials, Enrolled, FirstPasskey, NewPasskey, PasswordChange, PendingStep, Proof, ProviderVisit, SecondFactor, SignedOut, User } from "./types.js";

/**
 * Who is signed in, as far as this page knows. It becomes "anonymous" only when the server says so. While the server can't
 * answer it is "unavailable", and keeps the user of the state before. State objects are immutable.
 */
export type AuthState =
  | { readonly status: "loading"; readonly user?: undefined; readonly pending?: undefined; readonly recoveryCodes?: undefined }
  | {
      readonly status: "anonymous";
      readonly user?: undefined;
      readonly pending?: undefined;
      /** Set if the sign-in that has brought them came to nothing, because the browser didn't keep its cookie. */
      readonly recoveryCodes?: readonly string[] | undefined;
      /**
       * "not_authenticated" if no one had signed in, "signed_out" after a sign-out in this browser, "pending_ended" if the user
       * has to start the sign-in over. Otherwise why the session ended: "session_ended", or a more precise reason from the server.
       */
      readonly reason: string;
    }
  | {
      /** The first step of a sign-in was right, and it waits for the second. No one is signed in. Other tabs aren't told. */
      readonly status: "pending";
      readonly user?: undefined;
      readonly pending: Pending;
      readonly recoveryCodes?: undefined;
    }
  | {
      readonly status: "authenticated";
      readonly user: User;
      readonly pending?: undefined;
      /**
       * Set after the user has set up a second factor during the sign-in, until `codesKept` is called: show them, with a button that
       * calls it. The server never shows them again, and each replaces a code of the factor once.
       */
      readonly recoveryCodes?: readonly string[] | undefined;
      /** When the session will end because it isn't used; set in its last minute. `refresh()` extends it. */
      readonly expiresAt?: string | undefined;
    }
  | {
      readonly status: "unavailable";
      readonly user: User | undefined;
      readonly pending?: undefined;
      readonly recoveryCodes?: readonly string[] | undefined;
      readonly error: AuthError;
      /** When it will ask again, in milliseconds as `Date.now()` returns them. */
      readonly retryAt: number;
    };

/** A sign-in that waits for its second step. It lasts ten minutes, and permits five wrong attempts. */
export interface Pending {
  /**
   * "second": the user shows one of the factors. "enrol": the user has to set one of them up, since the server requires it;
   * "enrol_code": the same, after a mailed code. "code": the user enters the mailed code of the first step.
   */
  readonly kind: PendingStep["kind"];
  readonly factors: readonly SecondFactor[];
  /** When it ends. */
  readonly expiresAt: string;
  /**
   * Takes the step with a code of an authenticator app or a recovery code, however it is spaced. A wrong one is `invalid`, and
   * `pending_ended` means that the user has to start over.
   */
  second(code: string): Promise<User>;
  /** Takes the step with a passkey or a security key. undefined: the user has closed the dialog. Absent if none works here. */
  readonly passkey?: (() => Promise<User | undefined>) | undefined;
  /** Sets a factor up; present if the kind is "enrol". */
  readonly enrol?: Enrolment | undefined;
  /** Takes a mailed code; present if the kind is "code" or "enrol_code". */
  readonly mailed?: MailedCode | undefined;
  /** Gives the sign-in up. */
  cancel(): Promise<void>;
}

/** A step that is taken with a mailed code. */
export interface MailedCode {
  /** Mails a code to the user's address; present if the kind is "enrol_code". For "code", call `sendCode` of the {@link Auth} again. */
  readonly send?: (() => Promise<void>) | undefined;
  /**
   * Enters the code, however it is spaced. A wrong one is `invalid`, and `pending_ended` means that the user has to start over. `remember`
   * counts for the kind "code", and is as in `login`.
   */
  enter(code: string, options?: { remember?: boolean }): Promise<SignIn>;
}

/**
 * Sets up the second factor that the server requires, which completes the sign-in: the state becomes "authenticated", with the recovery
 * codes. Everything that was signed in with the password alone ends.
 */
export interface Enrolment {
  /** With a passkey or a security key; call it from a click. undefined: the user has closed the dialog. */
  passkey(options?: NewPasskey): Promise<Enrolled | undefined>;
  /** Begins to set up an authenticator app. */
  app(): Promise<EnrolmentOfApp>;
}

/** What an authenticator app needs. It is of use for a quarter of an hour. */
export interface EnrolmentOfApp {
  /** For the QR code that the app scans. */
  readonly uri: string;
  /** For typing into the app. */
  readonly secret: string;
  /** Confirms that the app shows this code. A wrong one is `invalid`. */
  confirm(code: string): Promise<Enrolled>;
}

/** What comes of a sign-in: a user, or a second step. */
export type SignIn = { readonly done: true; readonly user: User } | { readonly done: false; readonly pending: Pending };

/** What the server asks for before it does what was requested. */
export interface FreshSignIn {
  /**
   * What would do: each entry alone. What has to be shown together is joined by a plus sign, such as "password+totp"; the words are
   * "password", those of {@link SecondFactor}, and "mailed_code", for `client.sendReauthenticationCode`.
   */
  readonly factors: readonly string[];
  /**
   * Whether the server asks for all that a sign-in would ask for. Otherwise any one factor is enough.
   */
  readonly full: boolean;
}

export interface AuthOptions extends SenderOptions {
  /** false: no stream of events. Changes made on other devices are then noticed when the page becomes visible. Default: true. */
  events?: boolean | undefined;
}

export interface Auth {
  getState(): AuthState;
  /**
   * Calls `listener` after each change of the state, until the returned function is called. While there is a listener the
   * state is kept up to date: the server is asked at once, when the page becomes visible again, and when the server or another
   * tab reports a change.
   */
  subscribe(listener: () => void): () => void;
  /** Asks the server. This counts as a use of the session, which extends it, unless `slide` is false. */
  refresh(options?: { slide?: boolean }): Promise<AuthState>;
  /**
   * Waits until it is known whether a user is signed in, and returns that state. On a server, which has no cookies of the
   * browser, it returns "loading" at once.
   */
  ready(): Promise<AuthState>;
  /** If the account has a second factor, the result says so, and so does the state, which is "pending" then. */
  login(credentials: Credentials): Promise<SignIn>;
  /**
   * Signs in with a passkey that the user picks in a dialog of the browser; call it from a click. undefined: the user has closed
   * the dialog. `remember` as in `login`.
   */
  passkey(options?: { remember?: boolean }): Promise<User | undefined>;
  /**
   * Offers passkeys in the suggestions of a field with `autocomplete="username webauthn"`, for as long as the page is shown or
   * until `signal` is aborted or another way has signed a user in; while `passkey` asks, the suggestions wait. undefined: none was chosen,
   * or the browser can't do it. It throws only after a choice. `remember` is asked at the choice.
   */
  autofill(signal?: AbortSignal, remember?: () => boolean): Promise<User | undefined>;
  /**
   * Leads to a provider of `client.methods()`, where the user signs in. The browser comes back to the page `next`, of this origin or the
   * server's; default: this page. If the second step is due, the state is "pending" there. If the sign-in has failed, the
   * address ends with `#error=` and a code. Pages of the server's own origin come back to its /signin in both cases.
   */
  startProvider(name: string, options?: ProviderVisit): Promise<void>;
  /**
   * Mails a code to an address, if it is the proven one of an account, with which this browser can sign in: the state is "pending" then,
   * for every address.
   */
  sendCode(email: string): Promise<Pending>;
  /**
   * Makes the account of a mailed link with a passkey in place of a password (`client.completeSignup`), and signs in; call it from a click. The
   * recovery codes that come along are in the state, too, until `codesKept`. undefined: the user has closed the dialog, and the link still works.
   */
  signupByPasskey(account: FirstPasskey): Promise<Enrolled | undefined>;
  /** Signs out here. The page then goes to `end_session_url`, if there is one, to sign out at the provider as well. */
  logout(): Promise<SignedOut>;
  /** Proves again that the user is at the browser. A string is the password. */
  reauthenticate(proof: string | Proof): Promise<User>;
  /** Like `reauthenticate`, with one of the user's passkeys or security keys. undefined: the user has closed the dialog. */
  reauthenticateByPasskey(options?: { password?: string }): Promise<User | undefined>;
  /**
   * Adds a passkey or a security key; needs a fresh sign-in. undefined: the user has closed the dialog. Fails with `factor_exists` if
   * the authenticator has one of this account.
   */
  addPasskey(options?: NewPasskey): Promise<AddedFactor | undefined>;
  /** Removes a factor, and tells the browser, so that it offers the passkey no more. Everything else of the user's is signed out. */
  removePasskey(id: string): Promise<void>;
  changePassword(change: PasswordChange): Promise<void>;
  /**
   * Deletes the user's account for good, and signs out here and everywhere else: the state is "anonymous" then, with the reason "deleted".
   * `username` is what the user has typed to confirm it. See `client.deleteAccount` for how it fails.
   */
  deleteAccount(username: string): Promise<void>;
  /** Removes `recoveryCodes` from the state: the user has kept them. */
  codesKept(): void;
  /** Runs a request that gives this browser a new ticket, such as a change of the user's factors. The other tabs wait for it. */
  changing<Out>(act: () => Promise<Out>): Promise<Out>;
  /** Sets the user after a sign-in by other means than `login`, such as the first setup, and tells the other tabs. */
  adopt(found: User | PendingStep): void;
  /**
   * `fetch` for the app's own API. Requests to the server's origin, and to `origins`, get the cookie and the CSRF token. After
   * a 401 it asks `/api/me`: if the user is still signed in, the request is repeated once; otherwise the state changes.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** The other routes of the server, sent as `fetch` sends them. */
  readonly client: Client;
  /**
   * Sets the function that is called when the server asks for a fresh sign-in. `ask` lets the user enter what is `needed`,
   * passes it to `reauthenticate`, and returns whether that succeeded; if so, the request is repeated. Requests that are refused
   * in the meantime share the result. Without such a function (undefined) the request fails with `fresh_sign_in_required` or
   * `full_sign_in_required`.
   */
  onFreshSignIn(ask: ((needed: FreshSignIn) => Promise<boolean>) | undefined): void;

  /** For adapters of other HTTP libraries: whether to repeat a refused request. `tried` is a new set for each request. */
  readonly recover: Recover;
  /** For the same adapters: whether an address gets the cookie, and the value of its X-CSRFToken header. */
  readonly sender: Pick<Sender, "covers" | "csrfToken">;
}

// Undefined on a server.
const page = globalThis.document;

const notice = 61_000; // milliseconds after "session.expiring" in which a session that isn't used ends
const pause = 300; // milliseconds by which an answer with a new ticket may arrive after one that refuses the old ticket

/** Creates the store of who is signed in. It sends no request until it has a listener or one of its functions is called. */
export function createAuth(options: AuthOptions = {}): Auth {
  const sender = createSender(options);
  const raw = clientOf(sender, sender.recover);
  const tabs = openTabs(sender.url, handleNews, () => void askAgain());
  const listeners = new Set<() => void>();
  const mark = "cloakroom" + sender.url.origin;
  let state: AuthState = { status: "loading" };
  let changes = 0; // sign-ins and sign-outs here: an answer to a question from before one of them is outdated
  let failures = 0;
  let warned = 0; // when "session.expiring" came
  let asking: Promise<AuthState> | undefined;
  let freshSignIn: ((needed: FreshSignIn) => Promise<boolean>) | undefined;
  let confirming: Promise<boolean> | undefined;
  let loaded: Passkeys | undefined;
  let enrolled: Enrolled | undefined; // with codes that the user hasn't kept yet
  let works = false; // the server has known the browser since
  let retry: ReturnType<typeof setTimeout> | undefined;

  function setState(next: AuthState): void {
    if (JSON.stringify(next) === JSON.stringify(state)) return;
    state = next;
    if (/^(anonymous|pending)$/.test(next.status) && !next.recoveryCodes) enrolled = undefined;
    updateBackground();
    for (const listener of listeners) listener();
  }

  /**
   * Keeps the stream of events open only for listeners of a signed-in user, and a timer only during an outage, or when the session is
   * about to end: no event says that it was used in time.
   */
  function updateBackground(): void {
    clearTimeout(retry);
    tabs.follow(!!listeners.size && !!state.user && options.events !== false);
    const due = state.status === "unavailable" ? state.retryAt : expiring() && warned + notice;
    if (!listeners.size || !due) return;
    retry = setTimeout(() => {
      warned = 0; // the time is over, also if the clock was set back
      void ask();
    }, due - Date.now());
  }

  function expiring(): string | undefined {
    return (state as { expiresAt?: string }).expiresAt;
  }

  function ask(slide = false, reason?: string): Promise<AuthState> {
    return (asking ??= fetchState(slide, reason).finally(() => (asking = undefined)));
  }

  /** Waits for a request that is under way, whose answer may be older than the news, and asks once more. A use shares no other's request. */
  async function askAgain(reason?: string, slide?: boolean): Promise<AuthState> {
    do await asking;
    while (slide && asking);
    return ask(slide, reason);
  }

  async function fetchState(slide: boolean, reason?: string): Promise<AuthState> {
    const changesBefore = changes;
    let next;
    try {
      const user = await me(slide, reason);
      if (slide && expiring()) tabs.tell({ type: "session.expiring" }); // no more
      if (changesBefore === changes) works = true;
      next = signedIn(user, slide || Date.now() >= warned + notice ? undefined : expiring());
      if (begun() === "away") {
        begun(""); // this tab is back from a provider, with a new ticket
        tabs.tell({ type: "changed" });
      }
    } catch (thrown) {
      const error = thrown as AuthError;
      // A 401 without a code of Cloakroom comes from a proxy, which doesn't know who is signed in.
      if (error.status !== 401 || error.code === "http_401") next = unavailable(error);
      else next = state.status === "anonymous" ? state : (await findPending(reason)) ?? withoutCookie(reason ?? error.code);
    }
    if (changesBefore === changes) setState(next);
    return state;
  }

  /**
   * The recovery codes stay if the browser has never sent the cookie of the sign-in, or sends two: the server never shows them again. Once
   * it has, the same answer may mean that the user signed out somewhere else, and the next person is at this page.
   */
  function withoutCookie(reason: string): AuthState {
    return { ...signedOut(reason), recoveryCodes: !works && /^(not_auth|two_)/.test(reason) ? state.recoveryCodes : undefined };
  }

  /**
   * While another tab gets a new ticket, the server refuses the old one before the browser has the new one. An answer
   * "session_ended" is therefore checked again when no tab is changing the ticket.
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

  /** Asks for the pending sign-in, after a reload too, if this tab has begun one. */
  async function findPending(reason = "pending_ended"): Promise<AuthState | undefined> {
    const { pending } = state;
    if (!pending && !begun()) return undefined;
    try {
      return pendingState(await raw.pending());
    } catch (error) {
      if ((error as AuthError).code !== "pending_ended") return unavailable(error as AuthError);
      begun("");
      return pending && signedOut(reason);
    }
  }

  /**
   * Remembers, in this tab alone, whether a sign-in was begun, here or at a provider: other pages don't have to ask for one. "" is
   * for none.
   */
  function begun(now?: "here" | "away" | ""): string | undefined {
    try {
      if (now) sessionStorage[mark] = now;
      else if (now === "") delete sessionStorage[mark];
      return sessionStorage[mark];
    } catch {
      return undefined; // the browser permits no storage: after a reload the user starts over
    }
  }

  async function startProvider(name: string, { next = location.href, ...visit }: ProviderVisit = {}): Promise<void> {
    next = next.replace(/#(pending|error=.*)$/, ""); // of an earlier visit
    const { href, origin } = new URL(next, location.href);
    const to = await auth.client.startProvider(name, { ...visit, next: origin === sender.url.origin ? href.slice(origin.length) : href });
    begun("away");
    location.assign(to);
  }

  function pendingState({ kind, factors, expires_at, passkey }: PendingStep): AuthState & { status: "pending" } {
    // A challenge counts once, and for a while.
    let until = Date.now() + ((passkey?.publicKey.timeout ?? 0) * 3) / 4;
    const pending: Pending = {
      mailed: /code$/.test(kind)
        ? { send: kind === "code" ? undefined : raw.sendEnrolmentCode, enter: (code, options) => (kind === "code" ? firstStep(() => raw.signInByCode(code, options)) : confirmEnrolment(code)) }
        : undefined,
      enrol: kind === "enrol" ? { passkey: passkeys("enrol"), app: passkeys("enrolApp") } : undefined,
      passkey:
        passkey &&
        (async () => {
          const before = until;
          until = 0;
          return passkeys("second")(passkey, before);
        }),
      kind,
      factors,
      expiresAt: expires_at,
      second: (code) => complete(() => raw.second(code)),
      async cancel() {
        await raw.cancelPending();
        await leavePending("not_authenticated");
      },
    };
    return { status: "pending", pending };
  }

  /** Runs a request that completes the pending sign-in. */
  async function complete<Out extends User | Enrolled>(act: () => Promise<Out>): Promise<Out> {
    try {
      const out = await changeTicket(act, (out: User | Enrolled) => {
        if ("username" in out) return signedIn(out);
        enrolled = out;
        works = false;
        return signedIn(out.user);
      });
      begun("");
      return out as Out;
    } catch (error) {
      if ((error as AuthError).code === "pending_ended") void leavePending("pending_ended");
      throw error;
    }
  }

  /** Asks besides, since a session from before the sign-in goes on. */
  function leavePending(reason: string): Promise<AuthState> {
    begun("");
    changes++;
    setState(signedOut(reason));
    return askAgain();
  }

  const login = (credentials: Credentials) => firstStep(() => raw.login(credentials));

  async function firstStep(act: () => Promise<User>): Promise<SignIn> {
    try {
      return { done: true, user: await complete(act) };
    } catch (error) {
      const { pending: step } = error as AuthError;
      if (!step) throw error;
      return { done: false, pending: adoptStep(step) };
    }
  }

  async function sendCode(email: string): Promise<Pending> {
    await auth.client.sendCode(email);
    return adoptStep({ kind: "code", factors: [], expires_at: new Date(Date.now() + 600_000).toISOString() });
  }

  async function confirmEnrolment(code: string): Promise<SignIn> {
    try {
      return { done: false, pending: adoptStep(await raw.confirmEnrolment(code)) };
    } catch (error) {
      if ((error as AuthError).code === "pending_ended") void leavePending("pending_ended");
      throw error;
    }
  }

  function adoptStep(step: PendingStep): Pending {
    begun("here");
    changes++;
    const next = pendingState(step);
    setState(next);
    return next.pending;
  }

  /** Retries after at least the server's Retry-After, each time later, at a random time so that browsers don't retry together. */
  function unavailable(error: AuthError): AuthState {
    failures = state.status === "unavailable" ? failures + 1 : 0;
    const seconds = Math.max(error.retryAfter ?? 0, Math.min(30, 2 ** failures / 2));
    const retryAt = Date.now() + seconds * (1000 + 500 * Math.random());
    return { status: "unavailable", user: state.user, recoveryCodes: state.recoveryCodes, error, retryAt };
  }

  function signedIn(user: User, expiresAt?: string): AuthState {
    return { status: "authenticated", user, recoveryCodes: user.id === enrolled?.user.id ? enrolled.recovery_codes : undefined, expiresAt };
  }

  /** Runs a request that changes or removes the browser's ticket. */
  async function changeTicket<Out>(act: () => Promise<Out>, next: (out: Out) => AuthState): Promise<Out> {
    try {
      const out = await tabs.changing(act);
      changes++;
      setState(next(out));
      tabs.tell({ type: "changed", reason: (state as { reason?: string }).reason });
      return out;
    } catch (error) {
      if (state.user && (error as AuthError).status === 401) void ask();
      throw error;
    }
  }

  function handleNews({ type, reason, expires_at }: News): void {
    if (type !== "session.expiring") return void askAgain(reason);
    warned = Date.now();
    if (state.status === "authenticated") setState({ ...state, expiresAt: expires_at });
  }

  const recover: Recover = async (refused, tried) => {
    if (await sender.recover(refused, tried)) return true;
    const { status, code, factors } = refused;
    const first = !tried.has(code);
    tried.add(code);
    // A request of a rendering server has no cookie, so its 401 doesn't mean that the page's user is signed out.
    if (status === 401 && !page) return false;
    if (status === 401 && !/^(invalid_credentials|second_factor\w+|pending_ended)$/.test(code) && state.status !== "anonymous") {
      return (await ask()).status === "authenticated" && first;
    }
    const full = code === "full_sign_in_required";
    if (!first || !(full || code === "fresh_sign_in_required") || !freshSignIn) return false;
    return (confirming ??= freshSignIn({ factors: factors ?? ["password"], full }).finally(() => (confirming = undefined)));
  };

  /** A function of passkey.ts, which is loaded when one of them is first called. */
  const passkeys = <Name extends keyof Passkeys>(name: Name) =>
    (async (...args: never[]) => {
      const { createPasskeys } = await import("./passkey.js").catch(() => {
        throw new AuthError("unreachable", 0);
      });
      loaded ??= createPasskeys({ raw, client: auth.client, complete, change: (act, user) => changeTicket(act, (out) => (user ? signedIn(user(out)) : state)) });
      return (loaded[name] as (...args: never[]) => unknown)(...args);
    }) as Passkeys[Name];

  const auth: Auth = {
    getState: () => state,
    subscribe(listener) {
      listeners.add(listener);
      if (listeners.size === 1 && page) {
        tabs.open();
        void ask(state.status === "loading");
        updateBackground();
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size) return;
        updateBackground();
        tabs.close();
      };
    },
    refresh: ({ slide = true } = {}) => askAgain(undefined, slide),
    ready: () =>
      new Promise((resolve) => {
        const check = () => {
          if (!state.user && !/^(anonymous|pending)$/.test(state.status) && page) return;
          unsubscribe();
          resolve(state);
        };
        const unsubscribe = auth.subscribe(check);
        check();
      }),
    login,
    passkey: passkeys("signIn"),
    startProvider,
    sendCode,
    autofill: passkeys("autofill"),
    reauthenticateByPasskey: passkeys("reauthenticate"),
    addPasskey: passkeys("add"),
    removePasskey: passkeys("remove"),
    signupByPasskey: passkeys("join"),
    logout: () => changeTicket(raw.logout, () => signedOut("signed_out")),
    reauthenticate: (proof) => changeTicket(() => raw.reauthenticate(proof), signedIn),
    changePassword: (change) => changeTicket(() => raw.changePassword(change), () => state),
    deleteAccount: (username) => changeTicket(() => auth.client.deleteAccount(username), () => signedOut("deleted")),
    codesKept() {
      enrolled = undefined;
      setState({ ...state, recoveryCodes: undefined });
    },
    changing: (act) => changeTicket(act, () => state),
    adopt: (found) => void ("factors" in found ? adoptStep(found) : complete(async () => found)),
    fetch: (input, init) => sender.send(new Request(input, init), recover),
    client: clientOf(sender, recover),
    onFreshSignIn: (ask) => void (freshSignIn = ask),
    recover,
    sender,
  };
  return auth;
}

function signedOut(reason: string): AuthState & { status: "anonymous" } {
  return { status: "anonymous", reason };
}
