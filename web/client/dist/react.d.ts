import { type ReactNode } from "react";
import type { Auth, AuthState, Pending } from "./auth.js";
import { type SignInActions, type SignInOptions, type SignInProgress } from "./signin.js";
export interface AuthProviderProps {
    auth: Auth;
    children?: ReactNode;
}
/** Provides the {@link Auth} to the components below it, and keeps its state up to date while it is mounted. */
export declare function AuthProvider({ auth, children }: AuthProviderProps): ReactNode;
/** The state (`status`, `user`, …) and the functions of the {@link Auth} (`login`, `logout`, `fetch`, …) in one object. */
export declare function useAuth(): AuthState & Auth;
export interface SignInForm extends SignInActions, SignInProgress {
    /** Set while the second step is due. */
    readonly pending: Pending | undefined;
    /** Set after the user has set up a second factor: show them until `codesKept` is called. */
    readonly recoveryCodes: readonly string[] | undefined;
}
/** What a sign-in form needs: which step is due, whether a request is under way, why it was refused, and the steps themselves. */
export declare function useSignIn({ autofill }?: SignInOptions): SignInForm;
export interface RequireAuthProps {
    children?: ReactNode;
    /**
     * Shown if no one is signed in, also while a second step is due, and until the recovery codes of one are kept: a sign-in form, or a
     * link to one.
     */
    signIn: ReactNode;
    /** Shown until it is known whether a user is signed in. */
    loading?: ReactNode;
    /** Shown during an outage, unless a user was signed in before it. Default: `loading`. */
    unavailable?: ReactNode;
}
/** Shows its children to a signed-in user, also during an outage. It only hides things: the server has to protect the data. */
export declare function RequireAuth({ children, signIn, loading, unavailable }: RequireAuthProps): ReactNode;
