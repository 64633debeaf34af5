import type { EnrolmentOfApp, SignIn } from "./auth.js";
import { AuthError } from "./error.js";
import type { Credentials, NewPasskey } from "./types.js";
/** How far a sign-in form is. */
export interface SignInProgress {
    /** Whether a request is under way: the buttons should do nothing then. */
    readonly sending: boolean;
    /** Why the last step was refused. */
    readonly error: AuthError | undefined;
    /** After `enrolApp`: what the authenticator app needs. */
    readonly app: Omit<EnrolmentOfApp, "confirm"> | undefined;
}
export interface SignInOptions {
    /**
     * Offers passkeys in the suggestions of a field with `autocomplete="username webauthn"`, as long as the form is shown and its first
     * step is due. Default: false.
     */
    autofill?: boolean;
}
/** The steps of a sign-in form. They don't reject when the server refuses: the error is in {@link SignInProgress}. */
export interface SignInActions {
    /** Returns undefined if it was refused. */
    login(credentials: Credentials): Promise<SignIn | undefined>;
    /** Signs in with a passkey, or takes the second step of the pending sign-in with one; call it from a click. */
    passkey(options?: {
        remember?: boolean;
    }): Promise<void>;
    /** Takes the second step of the pending sign-in. */
    second(code: string): Promise<void>;
    /** Mails a code to sign in with to an address, or, without one, the code that the pending sign-in waits for. */
    sendCode(email?: string): Promise<void>;
    /** Enters a mailed code. Returns undefined if it was refused. */
    enterCode(code: string, options?: {
        remember?: boolean;
    }): Promise<SignIn | undefined>;
    /** Sets up a passkey or a security key, if the pending sign-in is of the kind "enrol"; call it from a click. */
    enrolPasskey(options?: NewPasskey): Promise<void>;
    /** Begins to set up an authenticator app, if the pending sign-in is of the kind "enrol". */
    enrolApp(): Promise<void>;
    /** Confirms that the app which `enrolApp` has begun shows this code. */
    confirmApp(code: string): Promise<void>;
    /** The user has kept the recovery codes. */
    codesKept(): void;
    /** Gives the pending sign-in up. */
    cancel(): Promise<void>;
}
