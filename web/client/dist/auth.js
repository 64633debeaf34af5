import { clientOf } from "./client.js";
import { createSender } from "./send.js";
import { openTabs } from "./tabs.js";
// Undefined on a server.
const page = globalThis.document;
const pause = 300; // milliseconds by which an answer with a new ticket may arrive after one that refuses the old ticket
/** Creates the store of who is signed in. It sends no request until it has a listener or one of its functions is called. */
export function createAuth(options = {}) {
    const sender = createSender(options);
    const raw = clientOf(sender, sender.recover);
    const tabs = openTabs(sender.url, handleNews, () => void askAgain());
    const listeners = new Set();
    let state = { status: "loading" };
    let changes = 0; // sign-ins and sign-outs here: an answer to a question from before one of them is outdated
    let failures = 0;
    let asking;
    let freshSignIn;
    let confirming;
    let retry;
    function setState(next) {
        if (JSON.stringify(next) === JSON.stringify(state))
            return;
        state = next;
        updateBackground();
        for (const listener of listeners)
            listener();
    }
    /** Keeps the stream of events open only for listeners of a signed-in user, and a retry only during an outage. */
    function updateBackground() {
        clearTimeout(retry);
        tabs.follow(!!listeners.size && !!state.user && options.events !== false);
        if (listeners.size && state.status === "unavailable")
            retry = setTimeout(ask, state.retryAt - Date.now());
    }
    function ask(slide = false, reason) {
        return (asking ??= fetchState(slide, reason).finally(() => (asking = undefined)));
    }
    /** Waits for a request that is under way, whose answer may be older than the news, and asks once more. */
    async function askAgain(reason, slide) {
        await asking;
        return ask(slide, reason);
    }
    async function fetchState(slide, reason) {
        const changesBefore = changes;
        let next;
        try {
            next = signedIn(await me(slide, reason), slide ? undefined : state.expiresAt);
        }
        catch (thrown) {
            const error = thrown;
            // A 401 without a code of Cloakroom comes from a proxy, which doesn't know who is signed in.
            if (error.status !== 401 || error.code === "http_401")
                next = unavailable(error);
            else
                next = state.status === "anonymous" ? state : signedOut(reason ?? error.code);
        }
        if (changesBefore === changes)
            setState(next);
        return state;
    }
    /**
     * While another tab gets a new ticket, the server refuses the old one before the browser has the new one. An answer
     * "session_ended" is therefore checked again when no tab is changing the ticket.
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
    /** Retries after at least the server's Retry-After, each time later, at a random time so that browsers don't retry together. */
    function unavailable(error) {
        failures = state.status === "unavailable" ? failures + 1 : 0;
        const seconds = Math.max(error.retryAfter ?? 0, Math.min(30, 2 ** failures / 2));
        const retryAt = Date.now() + seconds * (1000 + 500 * Math.random());
        return { status: "unavailable", user: state.user, error, retryAt };
    }
    /** Runs a request that changes or removes the browser's ticket. */
    async function changeTicket(act, next) {
        try {
            const out = await tabs.changing(act);
            changes++;
            setState(next(out));
            tabs.tell({ type: "changed", reason: state.reason });
            return out;
        }
        catch (error) {
            if (state.user && error.status === 401)
                void ask();
            throw error;
        }
    }
    function handleNews({ type, reason, expires_at }) {
        if (type !== "session.expiring")
            void askAgain(reason);
        else if (state.status === "authenticated")
            setState({ ...state, expiresAt: expires_at });
    }
    const recover = async (refused, tried) => {
        if (await sender.recover(refused, tried))
            return true;
        const { status, code } = refused;
        const first = !tried.has(code);
        tried.add(code);
        // A request of a rendering server has no cookie, so its 401 doesn't mean that the page's user is signed out.
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
                updateBackground();
            }
            return () => {
                listeners.delete(listener);
                if (listeners.size)
                    return;
                updateBackground();
                tabs.close();
            };
        },
        refresh: ({ slide = true } = {}) => askAgain(undefined, slide),
        ready: () => new Promise((resolve) => {
            const check = () => {
                if (!state.user && state.status !== "anonymous" && page)
                    return;
                unsubscribe();
                resolve(state);
            };
            const unsubscribe = auth.subscribe(check);
            check();
        }),
        login: (credentials) => changeTicket(() => raw.login(credentials), signedIn),
        logout: () => changeTicket(raw.logout, () => signedOut("signed_out")),
        reauthenticate: (password) => changeTicket(() => raw.reauthenticate(password), signedIn),
        changePassword: (change) => changeTicket(() => raw.changePassword(change), () => state),
        adopt: (user) => void changeTicket(async () => user, signedIn),
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
