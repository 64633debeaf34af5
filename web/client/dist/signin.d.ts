import type { SignIn } from "./auth.js";
import { AuthError } from "./error.js";
import type { Credentials } from "./types.js";
/** How far a sign-in form is. */
export interface SignInProgress {
    /** Whether a request is under way: the buttons should do nothing then. */
    readonly sending: boolean;
    /** Why the last step was refused. */
    readonly error: AuthError | undefined;
}
/** The steps of a sign-in form. They don't reject when the server refuses: the error is in {@link SignInProgress}. */
export interface SignInActions {
    /** Returns undefined if it was refused. */
    login(credentials: Credentials): Promise<SignIn | undefined>;
    /** Takes the second step of the pending sign-in. */
    second(code: string): Promise<void>;
    /** Gives the pending sign-in up. */
    cancel(): Promise<void>;
}
