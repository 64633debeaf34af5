import type { HttpInterceptorFn } from "@angular/common/http";
import { type EnvironmentProviders, type Signal } from "@angular/core";
import { type CanActivateFn } from "@angular/router";
import type { Auth, AuthState } from "./auth.js";
import type { User } from "./types.js";
/** An {@link Auth} whose state is a signal. */
export interface AngularAuth extends Auth {
    readonly state: Signal<AuthState>;
    readonly status: Signal<AuthState["status"]>;
    readonly user: Signal<User | undefined>;
}
/** Gives the application who is signed in, and keeps that true until it is destroyed. */
export declare function provideAuth(auth: Auth): EnvironmentProviders;
/** The state, `status` and `user` above all, as signals, and what to do: `login`, `logout` and the rest of the {@link Auth}. */
export declare function injectAuth(): AngularAuth;
/**
 * A guard that leads who isn't signed in to `signIn`, with the way back as `?next=`; also when the session ends while the
 * route is shown. It waits until it is known who is signed in. On a server, which can't know it, everybody is let through,
 * for the page to show that it is loading.
 */
export declare function authGuard(signIn?: string): CanActivateFn;
/**
 * Does for HttpClient what `auth.fetch` does: `provideHttpClient(withInterceptors([authInterceptor]))`. Addresses that are not
 * the server's pass as they are.
 */
export declare const authInterceptor: HttpInterceptorFn;
