import { type Client } from "./client.js";
import type { AuthError } from "./error.js";
import { type Recover, type Sender, type SenderOptions } from "./send.js";
import type { Credentials, PasswordChange, User } from "./types.js";
/**
 * Who is signed in, as far as this page knows. Only the server's word makes it "anonymous": when nobody can say, it is
 * "unavailable", and keeps the user it had. A state never changes; another one takes its place.
 */
export type AuthState = {
    readonly status: "loading";
    readonly user?: undefined;
} | {
    readonly status: "anonymous";
    readonly user?: undefined;
    /**
     * "not_authenticated" where nobody had signed in, "signed_out" after a sign-out here; else why the session is over:
     * "session_ended", or what the server told more exactly.
     */
    readonly reason: string;
} | {
    readonly status: "authenticated";
    readonly user: User;
    /** When the session will end for want of use, once that is near. `refresh()` keeps it. */
    readonly expiresAt?: string | undefined;
} | {
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
    refresh(options?: {
        slide?: boolean;
    }): Promise<AuthState>;
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
/** Keeps who is signed in, in one place. It does nothing until it is subscribed to or asked. */
export declare function createAuth(options?: AuthOptions): Auth;
