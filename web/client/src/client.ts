import { AuthError, refusal } from "./error.js";
import { createSender, type Recover, type Sender, type SenderOptions } from "./send.js";
import type {
  Credentials, PasswordChange, PendingStep, Proof, ProviderVisit, Session, SignedOut, SignInMethods, SignUp, User,
} from "./types.js";

export interface Client {
  /** The signed-in user. `slide: false`: the request doesn't count as a use of the session and doesn't extend it. */
  me(options?: { slide?: boolean }): Promise<User>;
  /**
   * If the account has a second factor, this fails with `second_factor_required`, and the error's `pending` says which would do.
   * The browser then holds a cookie for `second`, `pending` and `cancelPending`.
   */
  login(credentials: Credentials): Promise<User>;
  /** Takes the second step of a pending sign-in, with a code of an authenticator app or a recovery code. */
  second(code: string): Promise<User>;
  /**
   * Mails a code to an address, if it is the proven one of an account, with which this browser can sign in. The answer doesn't tell. Fails
   * with `mailed_code_off` if the server signs no one in so.
   */
  sendCode(email: string): Promise<void>;
  /** Signs in with that code; a further step fails as in `login`. `remember` as there. */
  signInByCode(code: string, options?: { remember?: boolean }): Promise<User>;
  /** Mails the code that a pending sign-in of the kind "enrol_code" waits for. */
  sendEnrolmentCode(): Promise<void>;
  /** Enters that code. The pending sign-in goes on as one of the kind "enrol". */
  confirmEnrolment(code: string): Promise<PendingStep>;
  /** What the browser's pending sign-in waits for. Fails with `pending_ended` if there is none. */
  pending(): Promise<PendingStep>;
  /** Succeeds also if no sign-in is pending. */
  cancelPending(): Promise<void>;
  /**
   * Begins a visit to a provider, and returns the address there to which the page goes next. `next` is a path on the server's site, or
   * the URL of a page of an origin that the server trusts; default: the account page.
   */
  startProvider(name: string, visit?: ProviderVisit): Promise<string>;
  /** Succeeds also if no one was signed in. */
  logout(): Promise<SignedOut>;
  /** Makes the sign-in fresh for ten minutes, for the routes that require that. A string is the password. */
  reauthenticate(proof: string | Proof): Promise<User>;
  /**
   * Mails a code for `reauthenticate` to the proven address of a user who has nothing else to show. Fails with `own_factor_required` or
   * `no_proven_address`.
   */
  sendReauthenticationCode(): Promise<void>;
  /** Ends all other sessions of the user. */
  changePassword(change: PasswordChange): Promise<void>;
  /** Which ways to sign in the server offers, and whether it sends mail. */
  methods(): Promise<SignInMethods>;
  /**
   * Sends a link for a new password to an address, if it is that of an account. The answer doesn't tell. Fails with
   * `mail_not_configured` if the server sends no mail.
   */
  forgot(email: string): Promise<void>;
  /**
   * Sends a link to an address, on which its owner makes an account. If there is one already, the message says so: the answer doesn't
   * tell. Fails with `signup_closed` if people can't sign up.
   */
  signup(email: string): Promise<void>;
  /** The address that the account of that link gets: show it, so that a person who was sent a stranger's link sees it. Fails with `link_invalid`. */
  signupLink(secret: string): Promise<{ email: string }>;
  /**
   * Makes the account of that link, and signs in: pass the user on to `adopt`. Fails with `link_invalid`, or, if the server requires a
   * second factor, with `second_factor_enrolment_required`.
   */
  completeSignup(account: SignUp): Promise<User>;
  /** Sends a link to the user's address, with which the user proves to receive mail there, unless that is proven already. */
  sendVerification(): Promise<void>;
  /**
   * Proves the user's address with the part of that link after its # sign, or changes it with that of `changeEmail`; then all other
   * sessions end, and this one gets a new ticket, so wrap the call in `changing`. Fails with `link_invalid`.
   */
  verify(secret: string): Promise<{ email: string }>;
  /**
   * Sends a link to an address that the user wants to have, whose secret `verify` takes. If it is another account's, the message says so:
   * the answer doesn't tell. Needs a fully fresh sign-in.
   */
  changeEmail(email: string): Promise<void>;
  /**
   * Takes an account back with the link that was mailed to its former address after a change. Returns the secret of a link for a new
   * password. Fails with `link_invalid`.
   */
  revertEmail(link: { secret: string; username: string }): Promise<{ secret: string }>;
  /**
   * All that is kept about the user, as a JSON file to be saved (docs/personal-data.md describes it). It waits for as long as the server
   * sends. Needs a fully fresh sign-in. Fails with `not_found` where `methods` says that there is none.
   */
  takeData(): Promise<Blob>;
  /**
   * Deletes the user's account for good; `deleteAccount` of the Auth calls this. `username` is what the user has typed to confirm it. Needs a
   * fully fresh sign-in. Fails with `invalid` for another name, `last_administrator`, `account_needed`, and `not_found` where `methods` says
   * that users can't.
   */
  deleteAccount(username: string): Promise<void>;
  /** The user's own sessions, the newest first. */
  sessions(): Promise<Session[]>;
  endSession(id: string): Promise<void>;
  /** Returns how many sessions it ended. */
  endOtherSessions(): Promise<number>;
  /** Any other route: sends `body` as JSON and returns the JSON of the answer. */
  call<Answer>(method: string, path: string, body?: object): Promise<Answer>;
}

const timeLimit = 20_000;

/**
 * The server's routes as functions, without a state. Each returns the answer or throws an {@link AuthError}. A request without
 * an answer after 20 seconds fails with the code "unreachable".
 */
export function createClient(options: SenderOptions = {}): Client {
  const sender = createSender(options);
  return clientOf(sender, sender.recover);
}

/** @internal */
export function clientOf({ url, send }: Sender, recover: Recover): Client {
  async function call<Answer>(method: string, path: string, body?: object, file?: boolean): Promise<Answer> {
    const json = body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    let response;
    try {
      response = await send(new Request(new URL(path, url), { method, cache: "no-store", ...json }), recover, file ? 0 : timeLimit);
      if (response.ok) return await (file ? (response.blob() as Promise<Answer>) : response.json());
    } catch {
      // There was no answer, or one that isn't JSON and so isn't from Cloakroom.
    }
    throw response?.ok === false ? await refusal(response) : new AuthError("unreachable", 0);
  }
  const post = <Answer = void>(path: string, body?: object) => call<Answer>("POST", "/api/auth/" + path, body);

  return {
    call: (method, path, body) => call(method, path, body),
    me: ({ slide = true } = {}) => call("GET", "/api/me" + (slide ? "" : "?slide=false")),
    login: (credentials) => post("login", credentials),
    second: (code) => post("login/second", { code }),
    sendCode: (email) => post("code", { email }),
    signInByCode: (code, options) => post("code/login", { code, ...options }),
    sendEnrolmentCode: () => post("login/enrol/code"),
    confirmEnrolment: (code) => post("login/enrol/code/confirm", { code }),
    pending: () => call("GET", "/api/auth/login/pending"),
    cancelPending: () => call("DELETE", "/api/auth/login/pending"),
    startProvider: async (name, visit = {}) => (await post<{ location: string }>(`oidc/${encodeURIComponent(name)}/start`, visit)).location,
    logout: () => post("logout"),
    reauthenticate: (proof) => post("reauthenticate", typeof proof === "string" ? { password: proof } : proof),
    sendReauthenticationCode: () => post("reauthenticate/code"),
    changePassword: (change) => post("password/change", change),
    methods: () => call("GET", "/api/auth/methods"),
    forgot: (email) => post("password/forgot", { email }),
    signup: (email) => post("signup", { email }),
    signupLink: (secret) => post("signup/link", { secret }),
    completeSignup: (account) => post("signup/complete", account),
    sendVerification: () => post("email/verify/send"),
    verify: (secret) => post("email/verify", { secret }),
    changeEmail: (email) => post("email/change", { email }),
    revertEmail: (link) => post("email/revert", link),
    takeData: () => call("POST", "/api/auth/account/data", undefined, true),
    deleteAccount: (username) => post("account/delete", { username }),
    sessions: async () => (await call<{ sessions: Session[] }>("GET", "/api/auth/sessions")).sessions,
    endSession: (id) => call("DELETE", "/api/auth/sessions/" + encodeURIComponent(id)),
    endOtherSessions: async () => (await call<{ ended: number }>("DELETE", "/api/auth/sessions")).ended,
  };
}
