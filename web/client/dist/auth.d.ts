import { type Client } from "./client.js";
import { AuthError } from "./error.js";
import { type Recover, type Sender, type SenderOptions } from "./send.js";
import type { AddedFactor, Credentials, Enrolled, FirstPasskey, NewPasskey, PasswordChange, PendingStep, Proof, ProviderVisit, SecondFactor, SignedOut, User } from "./types.js";
/**
 * Who is signed in, as far as this page knows. It becomes "anonymous" only when the server says so. While the server can't
 * answer it is "unavailable", and keeps the user of the state before. State objects are immutable.
 */
export type AuthState = {
    readonly status: "loading";
    readonly user?: undefined;
    readonly pending?: undefined;
    readonly recoveryCodes?: undefined;
} | {
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
} | {
    /** The first step of a sign-in was right, and it waits for the second. No one is signed in. Other tabs aren't told. */
    readonly status: "pending";
    readonly user?: undefined;
    readonly pending: Pending;
    readonly recoveryCodes?: undefined;
} | {
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
} | {
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
    enter(code: string, options?: {
        remember?: boolean;
    }): Promise<SignIn>;
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
export type SignIn = {
    readonly done: true;
    readonly user: User;
} | {
    readonly done: false;
    readonly pending: Pending;
};
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
    refresh(options?: {
        slide?: boolean;
    }): Promise<AuthState>;
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
    passkey(options?: {
        remember?: boolean;
    }): Promise<User | undefined>;
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
    reauthenticateByPasskey(options?: {
        password?: string;
    }): Promise<User | undefined>;
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
/** Creates the store of who is signed in. It sends no request until it has a listener or one of its functions is called. */
export declare function createAuth(options?: AuthOptions): Auth;
