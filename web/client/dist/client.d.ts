import { type SenderOptions } from "./send.js";
import type { Credentials, PasswordChange, Session, User } from "./types.js";
export interface Client {
    /** Who is signed in. `slide: false`: the question is no use of the session, and doesn't keep it from ending. */
    me(options?: {
        slide?: boolean;
    }): Promise<User>;
    login(credentials: Credentials): Promise<User>;
    /** Fulfilled also when nobody was signed in. */
    logout(): Promise<void>;
    /** Opens the ten minutes for what asks for a fresh sign-in. */
    reauthenticate(password: string): Promise<User>;
    /** Ends all other sessions of the user. */
    changePassword(change: PasswordChange): Promise<void>;
    /** One's own devices, the newest first. */
    sessions(): Promise<Session[]>;
    endSession(id: string): Promise<void>;
    /** How many ended. */
    endOtherSessions(): Promise<number>;
    /** Any other route: sends `body` as JSON and gives the JSON of the answer. */
    call<Answer>(method: string, path: string, body?: object): Promise<Answer>;
}
/**
 * The server's routes as functions, which keep nothing between calls. Each gives its answer or throws an {@link AuthError}.
 * What isn't answered within 20 seconds counts as unreachable.
 */
export declare function createClient(options?: SenderOptions): Client;
