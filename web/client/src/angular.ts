import type { HttpErrorResponse, HttpInterceptorFn, HttpRequest } from "@angular/common/http";
import {
  computed,
  effect,
  inject,
  InjectionToken,
  makeEnvironmentProviders,
  provideEnvironmentInitializer,
  signal,
  DestroyRef,
  type EnvironmentProviders,
  type Signal,
} from "@angular/core";
import { Router, type ActivatedRouteSnapshot, type CanActivateFn } from "@angular/router";
import { catchError, from, mergeMap, throwError } from "rxjs";
import type { Auth, AuthState, Pending } from "./auth.js";
import type { Refused } from "./send.js";
import { idle, signInActions, type SignInActions, type SignInOptions, type SignInProgress } from "./signin.js";
import type { User } from "./types.js";

/** An {@link Auth} whose state is a signal. */
export interface AngularAuth extends Auth {
  readonly state: Signal<AuthState>;
  readonly status: Signal<AuthState["status"]>;
  readonly user: Signal<User | undefined>;
}

const token = new InjectionToken<AngularAuth>("cloakroom");

/** Provides the {@link AngularAuth} to the application, and keeps its state up to date until the application is destroyed. */
export function provideAuth(auth: Auth): EnvironmentProviders {
  const useFactory = (): AngularAuth => {
    const state = signal(auth.getState());
    inject(DestroyRef).onDestroy(auth.subscribe(() => state.set(auth.getState())));
    return { ...auth, state, status: computed(() => state().status), user: computed(() => state().user) };
  };
  return makeEnvironmentProviders([{ provide: token, useFactory }, provideEnvironmentInitializer(() => void inject(token))]);
}

/** The {@link Auth}, with `state`, `status` and `user` as signals. */
export function injectAuth(): AngularAuth {
  return inject(token);
}

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
export function injectSignIn({ autofill = false }: SignInOptions = {}): SignInForm {
  const auth = injectAuth();
  const progress = signal(idle);
  const { autofill: offer, ...actions } = signInActions(auth, (now) => progress.set(now));
  const offered = computed(() => autofill && auth.status() === "anonymous");
  effect((onCleanup) => void (offered() && onCleanup(offer())));
  return {
    ...actions,
    pending: computed(() => auth.state().pending),
    recoveryCodes: computed(() => auth.state().recoveryCodes),
    sending: computed(() => progress().sending),
    error: computed(() => progress().error),
    app: computed(() => progress().app),
  };
}

/**
 * A guard that redirects users who aren't signed in to `signIn`, with the way back in `?next=`, also when the session ends
 * while the route is shown. It waits until the state is known. On a server the state is always "loading", and the guard lets
 * every navigation through: the page then shows that it is loading.
 */
export function authGuard(signIn = "/signin"): CanActivateFn {
  const guarded = new Set<unknown>(); // configurations of routes
  const shown = (route: ActivatedRouteSnapshot): boolean => guarded.has(route.routeConfig) || route.children.some(shown);
  let unsubscribe: (() => void) | undefined;
  return async ({ routeConfig }, { url }) => {
    const [auth, router] = [injectAuth(), inject(Router)];
    const away = (next: string) => router.createUrlTree([signIn], { queryParams: { next } });
    const { status } = await auth.ready();
    if (status === "loading") return true;
    if (signedOut(status)) return away(url);
    guarded.add(routeConfig);
    unsubscribe?.();
    // Angular doesn't call the guard again when only the query or a child route changes, so the address may be another one by then.
    unsubscribe = auth.subscribe(() => {
      if (signedOut(auth.getState().status) && shown(router.routerState.snapshot.root)) void router.navigateByUrl(away(router.url));
    });
    return true;
  };
}

function signedOut(status: AuthState["status"]): boolean {
  return status === "anonymous" || status === "pending";
}

/**
 * Does for HttpClient what `auth.fetch` does: `provideHttpClient(withInterceptors([authInterceptor]))`. Requests to other
 * origins pass unchanged.
 */
export const authInterceptor: HttpInterceptorFn = (request, next) => {
  const auth = injectAuth();
  if (!auth.sender.covers(request.url)) return next(request);
  const tried = new Set<string>();
  const send = (): ReturnType<typeof next> =>
    next(prepared(request, auth.sender.csrfToken())).pipe(
      catchError((error: HttpErrorResponse) =>
        from(refused(error).then((it) => auth.recover(it, tried))).pipe(mergeMap((again) => (again ? send() : throwError(() => error)))),
      ),
    );
  return send();
};

function prepared(request: HttpRequest<unknown>, csrf: string): HttpRequest<unknown> {
  const unsafe = csrf && !/^(GET|HEAD)$/.test(request.method);
  return request.clone({ withCredentials: true, ...(unsafe && { setHeaders: { "X-CSRFToken": csrf } }) });
}

/** What decides whether to repeat the request. The body of the error is of the type that the request asked for. */
async function refused({ status, error }: HttpErrorResponse): Promise<Refused> {
  let problem: { code?: unknown; factors?: readonly string[] } | undefined = error ?? undefined;
  try {
    if (typeof error === "string" || error instanceof Blob || error instanceof ArrayBuffer) problem = await new Response(error).json();
  } catch {
    // The body isn't a problem of Cloakroom's API.
  }
  const code = problem?.code;
  return { status, code: typeof code === "string" ? code : `http_${status}`, factors: problem?.factors };
}
