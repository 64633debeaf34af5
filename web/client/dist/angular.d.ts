import type { HttpInterceptorFn } from "@angular/common/http";
import { type EnvironmentProviders, type Signal } from "@angular/core";
import { type CanActivateFn } from "@angular/router";
import type { Auth, AuthState, Pending } from "./auth.js";
import { type SignInActions, type SignInOptions, type SignInProgress } from "./signin.js";
import type { User } from "./types.js";
/** An {@link Auth} whose state is a signal. */
export interface AngularAuth extends Auth {
    readonly state: Signal<AuthState>;
    readonly status: Signal<AuthState["status"]>;
    readonly user: Signal<User | undefined>;
}
/** Provides the {@link AngularAuth} to the application, and keeps its state up to date until the application is destroyed. */
export declare function provideAuth(auth: Auth): EnvironmentProviders;
/** The {@link Auth}, with `state`, `status` and `user` as signals. */
export declare function injectAuth(): AngularAuth;
export interface SignInForm extends SignInActions {
    /** Set while the second step is due. */
    readonly pending: Signal<Pending | undefined>;
    /** Set after the user has set up a second factor: show them until `codesKept` is called. */
    readonly recoveryCodes: Signal<readonly string[] | undefined>;
    readonly sending: Signal<boolean>;
    readonly error: Signal<SignInProgress["error"]>;
    readonly app: Signal<SignInProgress["app"]>;
}
/** What a sign-in form needs: which step is due, whether a request is under way, why it was refused, and the steps themselves. */
export declare function injectSignIn({ autofill }?: SignInOptions): SignInForm;
/**
 * A guard that redirects users who aren't signed in to `signIn`, with the way back in `?next=`, also when the session ends
 * while the route is shown. It waits until the state is known. On a server the state is always "loading", and the guard lets
 * every navigation through: the page then shows that it is loading.
 */
export declare function authGuard(signIn?: string): CanActivateFn;
/**
 * Does for HttpClient what `auth.fetch` does: `provideHttpClient(withInterceptors([authInterceptor]))`. Requests to other
 * origins pass unchanged.
 */
export declare const authInterceptor: HttpInterceptorFn;
