import { computed, effect, inject, InjectionToken, makeEnvironmentProviders, provideEnvironmentInitializer, signal, DestroyRef, } from "@angular/core";
import { Router } from "@angular/router";
import { catchError, from, mergeMap, throwError } from "rxjs";
import { idle, signInActions } from "./signin.js";
const token = new InjectionToken("cloakroom");
/** Provides the {@link AngularAuth} to the application, and keeps its state up to date until the application is destroyed. */
export function provideAuth(auth) {
    const useFactory = () => {
        const state = signal(auth.getState());
        inject(DestroyRef).onDestroy(auth.subscribe(() => state.set(auth.getState())));
        return { ...auth, state, status: computed(() => state().status), user: computed(() => state().user) };
    };
    return makeEnvironmentProviders([{ provide: token, useFactory }, provideEnvironmentInitializer(() => void inject(token))]);
}
/** The {@link Auth}, with `state`, `status` and `user` as signals. */
export function injectAuth() {
    return inject(token);
}
/** What a sign-in form needs: which step is due, whether a request is under way, why it was refused, and the steps themselves. */
export function injectSignIn({ autofill = false } = {}) {
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
export function authGuard(signIn = "/signin") {
    const guarded = new Set(); // configurations of routes
    const shown = (route) => guarded.has(route.routeConfig) || route.children.some(shown);
    let unsubscribe;
    return async ({ routeConfig }, { url }) => {
        const [auth, router] = [injectAuth(), inject(Router)];
        const away = (next) => router.createUrlTree([signIn], { queryParams: { next } });
        const { status } = await auth.ready();
        if (status === "loading")
            return true;
        if (signedOut(status))
            return away(url);
        guarded.add(routeConfig);
        unsubscribe?.();
        // Angular doesn't call the guard again when only the query or a child route changes, so the address may be another one by then.
        unsubscribe = auth.subscribe(() => {
            if (signedOut(auth.getState().status) && shown(router.routerState.snapshot.root))
                void router.navigateByUrl(away(router.url));
        });
        return true;
    };
}
function signedOut(status) {
    return status === "anonymous" || status === "pending";
}
/**
 * Does for HttpClient what `auth.fetch` does: `provideHttpClient(withInterceptors([authInterceptor]))`. Requests to other
 * origins pass unchanged.
 */
export const authInterceptor = (request, next) => {
    const auth = injectAuth();
    if (!auth.sender.covers(request.url))
        return next(request);
    const tried = new Set();
    const send = () => next(prepared(request, auth.sender.csrfToken())).pipe(catchError((error) => from(refused(error).then((it) => auth.recover(it, tried))).pipe(mergeMap((again) => (again ? send() : throwError(() => error))))));
    return send();
};
function prepared(request, csrf) {
    const unsafe = csrf && !/^(GET|HEAD)$/.test(request.method);
    return request.clone({ withCredentials: true, ...(unsafe && { setHeaders: { "X-CSRFToken": csrf } }) });
}
/** What decides whether to repeat the request. The body of the error is of the type that the request asked for. */
async function refused({ status, error }) {
    let problem = error ?? undefined;
    try {
        if (typeof error === "string" || error instanceof Blob || error instanceof ArrayBuffer)
            problem = await new Response(error).json();
    }
    catch {
        // The body isn't a problem of Cloakroom's API.
    }
    const code = problem?.code;
    return { status, code: typeof code === "string" ? code : `http_${status}`, factors: problem?.factors };
}
