import {
  computed,
  getCurrentInstance,
  inject,
  onMounted,
  shallowRef,
  watch,
  type App,
  type ComputedRef,
  type InjectionKey,
  type ShallowRef,
} from "vue";
import type { Auth, AuthState, Pending } from "./auth.js";
import { idle, signInActions, type SignInActions, type SignInOptions, type SignInProgress } from "./signin.js";
import type { User } from "./types.js";

/** An {@link Auth} whose state can be watched. */
export interface VueAuth extends Auth {
  readonly state: Readonly<ShallowRef<AuthState>>;
  readonly status: ComputedRef<AuthState["status"]>;
  readonly user: ComputedRef<User | undefined>;
}

const key: InjectionKey<VueAuth> = Symbol("cloakroom");

/** `app.use(authPlugin, auth)` provides the {@link VueAuth} to components, and keeps its state up to date until the app is unmounted. */
export const authPlugin = {
  install(app: App, auth: Auth): void {
    const state = shallowRef(auth.getState());
    // A server creates an app for each request and never unmounts it.
    if (globalThis.document) app.onUnmount?.(auth.subscribe(() => (state.value = auth.getState())));
    app.provide(key, withRefs(auth, state));
  },
};

function withRefs(auth: Auth, state: VueAuth["state"]): VueAuth {
  return { ...auth, state, status: computed(() => state.value.status), user: computed(() => state.value.user) };
}

/** The {@link Auth}, with `state`, `status` and `user` as refs. */
export function useAuth(): VueAuth {
  const auth = inject(key);
  if (!auth) throw new Error("useAuth needs app.use(authPlugin, auth)");
  return getCurrentInstance()?.vnode.el ? hydrating(auth) : auth;
}

/**
 * For a component that hydrates what a server rendered, possibly long after the state is known: it begins with the state that
 * the server rendered, and takes the current state when it is mounted.
 */
function hydrating(auth: VueAuth): VueAuth {
  const state = shallowRef<AuthState>({ status: "loading" });
  onMounted(() => watch(auth.state, (now) => (state.value = now), { immediate: true, flush: "sync" }));
  return withRefs(auth, state);
}

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
export function useSignIn({ autofill = false }: SignInOptions = {}): SignInForm {
  const auth = useAuth();
  const progress = shallowRef(idle);
  const { autofill: offer, ...actions } = signInActions(auth, (now) => (progress.value = now));
  const offered = () => autofill && auth.status.value === "anonymous";
  watch(offered, (now, _, onCleanup) => void (now && onCleanup(offer())), { immediate: true });
  return {
    ...actions,
    pending: computed(() => auth.state.value.pending),
    recoveryCodes: computed(() => auth.state.value.recoveryCodes),
    sending: computed(() => progress.value.sending),
    error: computed(() => progress.value.error),
    app: computed(() => progress.value.app),
  };
}

/** The part of vue-router's Router (4 or 5) that {@link guardRouter} uses. */
export interface GuardedRouter<To extends GuardedRoute = GuardedRoute> {
  readonly currentRoute: { readonly value: To };
  beforeEach(guard: (to: To) => Promise<GuardedTarget | undefined>): unknown;
  push(to: GuardedTarget): unknown;
}
export interface GuardedRoute {
  readonly meta: Record<PropertyKey, unknown>;
  readonly fullPath: string;
}
export interface GuardedTarget {
  path: string;
  query: { next: string };
}

/**
 * Redirects users who aren't signed in from routes with `meta: { requiresAuth: true }` to `signIn`, with the way back in
 * `?next=`, also when the session ends while such a route is shown. A navigation waits until the state is known. On a server
 * the state is always "loading", and every navigation passes: the page then shows that it is loading. Returns a function that
 * stops watching the state.
 */
export function guardRouter(router: GuardedRouter, auth: Auth, { signIn = "/signin" } = {}): () => void {
  const target = (to: GuardedRoute): GuardedTarget | undefined =>
    to.meta["requiresAuth"] && /^(anonymous|pending)$/.test(auth.getState().status) ? { path: signIn, query: { next: to.fullPath } } : undefined;
  router.beforeEach(async (to) => {
    if (to.meta["requiresAuth"]) await auth.ready();
    return target(to);
  });
  if (!globalThis.document) return () => {};
  return auth.subscribe(() => {
    const away = target(router.currentRoute.value);
    if (away) void router.push(away);
  });
}
