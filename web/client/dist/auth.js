import { clientOf } from "./client.js";
import { createSender } from "./send.js";
import { openTabs } from "./tabs.js";
// None on a server.
const page = globalThis.document;
const pause = 300; // how long the answer that brings a new ticket may be behind one that refuses the old
/** Keeps who is signed in, in one place. It does nothing until it is subscribed to or asked. */
export function createAuth(options = {}) {
    const sender = createSender(options);
    const raw = clientOf(sender, sender.recover);
    const tabs = openTabs(sender.url, hear, () => void again());
    const listeners = new Set();
    let state = { status: "loading" };
    let deeds = 0; // what was asked before a deed of ours is no longer worth knowing
    let failures = 0;
    let asking;
    let freshSignIn;
    let confirming;
    let retry;
    function become(next) {
        if (JSON.stringify(next) === JSON.stringify(state))
            return;
        state = next;
        follow();
        for (const listener of listeners)
            listener();
    }
    /** Has the stream of events open, and the next try due, exactly while that is of use to somebody. */
    function follow() {
        clearTimeout(retry);
        tabs.follow(!!listeners.size && !!state.user && options.events !== false);
        if (listeners.size && state.status === "unavailable")
            retry = setTimeout(ask, state.retryAt - Date.now());
    }
    function ask(slide = false, reason) {
        return (asking ??= look(slide, reason).finally(() => (asking = undefined)));
    }
    /** Asks once more where an answer that is under way may be older than the news. */
    async function again(reason, slide) {
        await asking;
        return ask(slide, reason);
    }
    async function look(slide, reason) {
        const asked = deeds;
        let next;
        try {
            next = signedIn(await me(slide, reason), slide ? undefined : state.expiresAt);
        }
        catch (thrown) {
            const error = thrown;
            // A 401 that isn't Cloakroom's is that of a proxy, which knows nothing.
            if (error.status !== 401 || error.code === "http_401")
                next = unavailable(error);
            else
                next = state.status === "anonymous" ? state : signedOut(reason ?? error.code);
        }
        if (asked === deeds)
            become(next);
        return state;
    }
    /**
     * Another tab may just be getting a new ticket. Then the old one is refused before the browser has the new one, so a
     * session that is said to be over is asked about again when that is done.
     */
    async function me(slide, reason) {
        try {
            return await raw.me({ slide });
        }
        catch (error) {
            if (error.code !== "session_ended")
                throw error;
            if (!reason)
                await new Promise((resolve) => setTimeout(resolve, pause));
            await tabs.settled();
            return raw.me({ slide });
        }
    }
    /** At least as long as the server asks for, then longer each time, and never all browsers at once. */
    function unavailable(error) {
        failures = state.status === "unavailable" ? failures + 1 : 0;
        const seconds = Math.max(error.retryAfter ?? 0, Math.min(30, 2 ** failures / 2));
        const retryAt = Date.now() + seconds * (1000 + 500 * Math.random());
        return { status: "unavailable", user: state.user, error, retryAt };
    }
    /** Does what gives the browser another ticket, or takes it. */
    async function deed(act, next) {
        try {
            const out = await tabs.changing(act);
            deeds++;
            become(next(out));
            tabs.tell({ type: "changed", reason: state.reason });
            return out;
        }
        catch (error) {
            if (state.user && error.status === 401)
                void ask();
            throw error;
        }
    }
    function hear({ type, reason, expires_at }) {
        if (type !== "session.expiring")
            void again(reason);
        else if (state.status === "authenticated")
            become({ ...state, expiresAt: expires_at });
    }
    const recover = async (refused, tried) => {
        if (await sender.recover(refused, tried))
            return true;
        const { status, code } = refused;
        const first = !tried.has(code);
        tried.add(code);
        // What a server asks for while it renders comes with nobody's cookie, and says nothing about the page's user.
        if (status === 401 && !page)
            return false;
        if (status === 401 && code !== "invalid_credentials" && state.status !== "anonymous") {
            return (await ask()).status === "authenticated" && first;
        }
        if (!first || code !== "fresh_sign_in_required" || !freshSignIn)
            return false;
        return (confirming ??= freshSignIn().finally(() => (confirming = undefined)));
    };
    const auth = {
        getState: () => state,
        subscribe(listener) {
            listeners.add(listener);
            if (listeners.size === 1 && page) {
                tabs.open();
                void ask(state.status === "loading");
                follow();
            }
            return () => {
                listeners.delete(listener);
                if (listeners.size)
                    return;
                follow();
                tabs.close();
            };
        },
        refresh: ({ slide = true } = {}) => again(undefined, slide),
        known: () => new Promise((resolve) => {
            const check = () => {
                if (!state.user && state.status !== "anonymous" && page)
                    return;
                unsubscribe();
                resolve(state);
            };
            const unsubscribe = auth.subscribe(check);
            check();
        }),
        login: (credentials) => deed(() => raw.login(credentials), signedIn),
        logout: () => deed(raw.logout, () => signedOut("signed_out")),
        reauthenticate: (password) => deed(() => raw.reauthenticate(password), signedIn),
        changePassword: (change) => deed(() => raw.changePassword(change), () => state),
        adopt: (user) => void deed(async () => user, signedIn),
        fetch: (input, init) => sender.send(new Request(input, init), recover),
        client: clientOf(sender, recover),
        onFreshSignIn: (ask) => void (freshSignIn = ask),
        recover,
        sender,
    };
    return auth;
}
function signedIn(user, expiresAt) {
    return { status: "authenticated", user, expiresAt };
}
function signedOut(reason) {
    return { status: "anonymous", reason };
}
