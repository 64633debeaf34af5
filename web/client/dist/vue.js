import { computed, getCurrentInstance, inject, onMounted, shallowRef, watch } from "vue";
const key = Symbol("cloakroom");
/** `app.use(authPlugin, auth)`: gives the components who is signed in, and keeps that true until the app is unmounted. */
export const authPlugin = {
    install(app, auth) {
        const state = shallowRef(auth.getState());
        // A server makes an app for each request and unmounts none.
        if (globalThis.document)
            app.onUnmount?.(auth.subscribe(() => (state.value = auth.getState())));
        app.provide(key, withRefs(auth, state));
    },
};
function withRefs(auth, state) {
    return { ...auth, state, status: computed(() => state.value.status), user: computed(() => state.value.user) };
}
/** The state, `status` and `user` above all, as refs, and what to do: `login`, `logout`, `fetch` and the rest of the {@link Auth}. */
export function useAuth() {
    const auth = inject(key);
    if (!auth)
        throw new Error("useAuth needs app.use(authPlugin, auth)");
    return getCurrentInstance()?.vnode.el ? hydrating(auth) : auth;
}
/**
 * For a component that takes over what a server rendered, which may be long after it is known who is signed in: it begins
 * with what the server rendered, and takes the present state when it is mounted.
 */
function hydrating(auth) {
    const state = shallowRef({ status: "loading" });
    onMounted(() => watch(auth.state, (now) => (state.value = now), { immediate: true, flush: "sync" }));
    return withRefs(auth, state);
}
/**
 * Leads who isn't signed in from routes with `meta: { requiresAuth: true }` to `signIn`, with the way back as `?next=`; also
 * when the session ends while such a route is shown. A navigation waits until it is known who is signed in. On a server,
 * which can't know it, each is let through, for the page to show that it is loading.
 */
export function guardRouter(router, auth, { signIn = "/signin" } = {}) {
    const target = (to) => to.meta["requiresAuth"] && auth.getState().status === "anonymous" ? { path: signIn, query: { next: to.fullPath } } : undefined;
    router.beforeEach(async (to) => {
        if (to.meta["requiresAuth"])
            await auth.known();
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
