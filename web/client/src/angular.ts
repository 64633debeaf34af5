import type { HttpErrorResponse, HttpInterceptorFn, HttpRequest } from "@angular/common/http";
import {
  computed,
  inject,
  InjectionToken,
  makeEnvironmentProviders,
  provideEnvironmentInitializer,
  signal,
  DestroyRef,
  type EnvironmentProviders,
  type Signal,
} from "@angular/core";
import { Router, type CanActivateFn } from "@angular/router";
import { catchError, from, mergeMap, throwError } from "rxjs";
import type { Auth, AuthState } from "./auth.js";
import type { User } from "./types.js";

/** An {@link Auth} whose state is a signal. */
export interface AngularAuth extends Auth {
  readonly state: Signal<AuthState>;
  readonly status: Signal<AuthState["status"]>;
  readonly user: Signal<User | undefined>;
}

const token = new InjectionToken<AngularAuth>("cloakroom");

/** Gives the application who is signed in, and keeps that true until it is destroyed. */
export function provideAuth(auth: Auth): EnvironmentProviders {
  const useFactory = (): AngularAuth => {
    const state = signal(auth.getState());
    inject(DestroyRef).onDestroy(auth.subscribe(() => state.set(auth.getState())));
    return { ...auth, state, status: computed(() => state().status), user: computed(() => state().user) };
  };
  return makeEnvironmentProviders([{ provide: token, useFactory }, provideEnvironmentInitializer(() => void inject(token))]);
}

/** The state, `status` and `user` above all, as signals, and what to do: `login`, `logout` and the rest of the {@link Auth}. */
export function injectAuth(): AngularAuth {
  return inject(token);
}

/**
 * A guard that leads who isn't signed in to `signIn`, with the way back as `?next=`; also when the session ends while the
 * route is shown. It waits until it is known who is signed in. On a server, which can't know it, everybody is let through,
 * for the page to show that it is loading.
 */
export function authGuard(signIn = "/signin"): CanActivateFn {
  let unsubscribe: (() => void) | undefined;
  return async (_, { url: next }) => {
    const [auth, router] = [injectAuth(), inject(Router)];
    const away = router.createUrlTree([signIn], { queryParams: { next } });
    const { status } = await auth.known();
    if (status === "loading") return true;
    if (status === "anonymous") return away;
    unsubscribe?.();
    unsubscribe = auth.subscribe(() => {
      if (auth.getState().status === "anonymous" && router.url === next) void router.navigateByUrl(away);
    });
    return true;
  };
}

/**
 * Does for HttpClient what `auth.fetch` does: `provideHttpClient(withInterceptors([authInterceptor]))`. Addresses that are not
 * the server's pass as they are.
 */
export const authInterceptor: HttpInterceptorFn = (request, next) => {
  const auth = injectAuth();
  if (!auth.sender.covers(request.url)) return next(request);
  const tried = new Set<string>();
  const send = (): ReturnType<typeof next> =>
    next(prepared(request, auth.sender.csrfToken())).pipe(
      catchError((error: HttpErrorResponse) =>
        from(auth.recover(refused(error), tried)).pipe(mergeMap((again) => (again ? send() : throwError(() => error)))),
      ),
    );
  return send();
};

function prepared(request: HttpRequest<unknown>, csrf: string): HttpRequest<unknown> {
  const unsafe = csrf && !/^(GET|HEAD)$/.test(request.method);
  return request.clone({ withCredentials: true, ...(unsafe && { setHeaders: { "X-CSRFToken": csrf } }) });
}

/** What was refused; of a request for text the error is text. */
function refused({ status, error }: HttpErrorResponse): { status: number; code: string } {
  let code: unknown = error?.code;
  try {
    code ??= JSON.parse(error).code;
  } catch {
    // not ours
  }
  return { status, code: typeof code === "string" ? code : `http_${status}` };
}
