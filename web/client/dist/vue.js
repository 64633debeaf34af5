import { computed, inject, shallowRef } from "vue";
const key = Symbol("cloakroom");
/** `app.use(authPlugin, auth)`: gives the components who is signed in, and keeps that true until the app is unmounted. */
export const authPlugin = {
    install(app, auth) {
        const state = shallowRef(auth.getState());
        const unsubscribe = auth.subscribe(() => (state.value = auth.getState()));
        app.onUnmount?.(unsubscribe);
        const status = computed(() => state.value.status);
        const user = computed(() => state.value.user);
        app.provide(key, { ...auth, state, status, user });
    },
};
/** The state, `status` and `user` above all, as refs, and what to do: `login`, `logout`, `fetch` and the rest of the {@link Auth}. */
export function useAuth() {
    const auth = inject(key);
    if (!auth)
        throw new Error("useAuth needs app.use(authPlugin, auth)");
    return auth;
}
/**
 * Leads who isn't signed in from routes with `meta: { requiresAuth: true }` to `signIn`, with the way back as `?next=`; also
 * when the session ends while such a route is shown. A navigation waits until it is known who is signed in.
 */
export function guardRouter(router, auth, { signIn = "/signin" } = {}) {
    const target = (to) => to.meta["requiresAuth"] && auth.getState().status === "anonymous" ? { path: signIn, query: { next: to.fullPath } } : undefined;
    router.beforeEach(async (to) => {
        if (to.meta["requiresAuth"])
            await auth.known();
        return target(to);
    });
    return auth.subscribe(() => {
        const away = target(router.currentRoute.value);
        if (away)
            void router.push(away);
    });
}
