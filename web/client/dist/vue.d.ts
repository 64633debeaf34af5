import { type App, type ComputedRef, type ShallowRef } from "vue";
import type { Auth, AuthState } from "./auth.js";
import type { User } from "./types.js";
/** An {@link Auth} whose state can be watched. */
export interface VueAuth extends Auth {
    readonly state: Readonly<ShallowRef<AuthState>>;
    readonly status: ComputedRef<AuthState["status"]>;
    readonly user: ComputedRef<User | undefined>;
}
/** `app.use(authPlugin, auth)`: gives the components who is signed in, and keeps that true until the app is unmounted. */
export declare const authPlugin: {
    install(app: App, auth: Auth): void;
};
/** The state, `status` and `user` above all, as refs, and what to do: `login`, `logout`, `fetch` and the rest of the {@link Auth}. */
export declare function useAuth(): VueAuth;
/** What is asked of a router: vue-router's, 4 or 5. */
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
 * Leads who isn't signed in from routes with `meta: { requiresAuth: true }` to `signIn`, with the way back as `?next=`; also
 * when the session ends while such a route is shown. A navigation waits until it is known who is signed in. On a server,
 * which can't know it, each is let through, for the page to show that it is loading.
 */
export declare function guardRouter(router: GuardedRouter, auth: Auth, { signIn }?: {
    signIn?: string | undefined;
}): () => void;
