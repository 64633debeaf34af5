import { computed, getCurrentInstance, inject, onMounted, shallowRef, watch, } from "vue";
import { idle, signInActions } from "./signin.js";
const key = Symbol("cloakroom");
/** `app.use(authPlugin, auth)` provides the {@link VueAuth} to components, and keeps its state up to date until the app is unmounted. */
export const authPlugin = {
    install(app, auth) {
        const state = shallowRef(auth.getState());
        // A server creates an app for each request and never unmounts it.
        if (globalThis.document)
            app.onUnmount?.(auth.subscribe(() => (state.value = auth.getState())));
        app.provide(key, withRefs(auth, state));
    },
};
function withRefs(auth, state) {
    return { ...auth, state, status: computed(() => state.value.status), user: computed(() => state.value.user) };
}
/** The {@link Auth}, with `state`, `status` and `user` as refs. */
export function useAuth() {
    const auth = inject(key);
    if (!auth)
        throw new Error("useAuth needs app.use(authPlugin, auth)");
    return getCurrentInstance()?.vnode.el ? hydrating(auth) : auth;
}
/**
 * For a component that hydrates what a server rendered, possibly long after the state is known: it begins with the state that
 * the server rendered, and takes the current state when it is mounted.
 */
function hydrating(auth) {
    const state = shallowRef({ status: "loading" });
    onMounted(() => watch(auth.state, (now) => (state.value = now), { immediate: true, flush: "sync" }));
    return withRefs(auth, state);
}
/** What a sign-in form needs: which step is due, whether a request is under way, why it was refused, and the steps themselves. */
export function useSignIn({ autofill = false } = {}) {
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
/**
 * Redirects users who aren't signed in from routes with `meta: { requiresAuth: true }` to `signIn`, with the way back in
 * `?next=`, also when the session ends while such a route is shown. A navigation waits until the state is known. On a server
 * the state is always "loading", and every navigation passes: the page then shows that it is loading. Returns a function that
 * stops watching the state.
 */
export function guardRouter(router, auth, { signIn = "/signin" } = {}) {
    const target = (to) => to.meta["requiresAuth"] && /^(anonymous|pending)$/.test(auth.getState().status) ? { path: signIn, query: { next: to.fullPath } } : undefined;
    router.beforeEach(async (to) => {
        if (to.meta["requiresAuth"])
            await auth.ready();
        return target(to);
    });
    if (!globalThis.document)
        return () => { };
    return auth.subscribe(() => {
        const away = target(router.currentRoute.value);
        if (away)
            void router.push(away);
    });
}
