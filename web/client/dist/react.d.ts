import { type ReactNode } from "react";
import type { Auth, AuthState } from "./auth.js";
export interface AuthProviderProps {
    auth: Auth;
    children?: ReactNode;
}
/** Gives the components below it who is signed in, and keeps that true while it is mounted. */
export declare function AuthProvider({ auth, children }: AuthProviderProps): ReactNode;
/** The state, `status` and `user` above all, and what to do: `login`, `logout`, `fetch` and the rest of the {@link Auth}. */
export declare function useAuth(): AuthState & Auth;
export interface RequireAuthProps {
    children?: ReactNode;
    /** Shown when nobody is signed in: the sign-in form, or what leads to it. */
    signIn: ReactNode;
    /** Shown until it is known. */
    loading?: ReactNode;
    /** Shown when the server can't be asked and nobody was signed in before; whoever was stays in. Default: `loading`. */
    unavailable?: ReactNode;
}
/** Shows its children to who is signed in, also through an outage. It hides; what may be read is for the server to decide. */
export declare function RequireAuth({ children, signIn, loading, unavailable }: RequireAuthProps): ReactNode;
