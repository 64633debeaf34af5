import { type App, type ComputedRef, type ShallowRef } from "vue";
import type { Auth, AuthState, Pending } from "./auth.js";
import { type SignInActions, type SignInOptions, type SignInProgress } from "./signin.js";
import type { User } from "./types.js";
/** An {@link Auth} whose state can be watched. */
export interface VueAuth extends Auth {
    readonly state: Readonly<ShallowRef<AuthState>>;
    readonly status: ComputedRef<AuthState["status"]>;
    readonly user: ComputedRef<User | undefined>;
}
/** `app.use(authPlugin, auth)` provides the {@link VueAuth} to components, and keeps its state up to date until the app is unmounted. */
export declare const authPlugin: {
    install(app: App, auth: Auth): void;
};
/** The {@link Auth}, with `state`, `status` and `user` as refs. */
export declare function useAuth(): VueAuth;
export interface SignInForm extends SignInActions {
    /** Set while the second step is due. */
    readonly pending: ComputedRef<Pending | undefined>;
    /** Set after the user has set up a second factor: show them until `codesKept` is called. */
    readonly recoveryCodes: ComputedRef<readonly string[] | undefined>;
    readonly sending: ComputedRef<boolean>;
    readonly error: ComputedRef<SignInProgress["error"]>;
    readonly app: ComputedRef<SignInProgress["app"]>;
}
/** What a sign-in form needs: which step is due, whether a request is under way, why it was refused, and the steps themselves. */
export declare function useSignIn({ autofill }?: SignInOptions): SignInForm;
/** The part of vue-router's Router (4 or 5) that {@link guardRouter} uses. */
export interface GuardedRouter<To extends GuardedRoute = GuardedRoute> {
    readonly currentRoute: {
        readonly value: To;
    };
    beforeEach(guard: (to: To) => Promise<GuardedTarget | undefined>): unknown;
    push(to: GuardedTarget): unknown;
}
export interface GuardedRoute {
    readonly meta: Record<PropertyKey, unknown>;
    readonly fullPath: string;
}
export interface GuardedTarget {
    path: string;
    query: {
        next: string;
    };
}
/**
 * Redirects users who aren't signed in from routes with `meta: { requiresAuth: true }` to `signIn`, with the way back in
 * `?next=`, also when the session ends while such a route is shown. A navigation waits until the state is known. On a server
 * the state is always "loading", and every navigation passes: the page then shows that it is loading. Returns a function that
 * stops watching the state.
 */
export declare function guardRouter(router: GuardedRouter, auth: Auth, { signIn }?: {
    signIn?: string | undefined;
}): () => void;
