import { clientOf } from "./client.js";
import { AuthError } from "./error.js";
import { createSender } from "./send.js";
import { openTabs } from "./tabs.js";
// Undefined on a server.
const page = globalThis.document;
const notice = 61_000; // milliseconds after "session.expiring" in which a session that isn't used ends
const pause = 300; // milliseconds by which an answer with a new ticket may arrive after one that refuses the old ticket
/** Creates the store of who is signed in. It sends no request until it has a listener or one of its functions is called. */
export function createAuth(options = {}) {
    const sender = createSender(options);
    const raw = clientOf(sender, sender.recover);
    const tabs = openTabs(sender.url, handleNews, () => void askAgain());
    const listeners = new Set();
    const mark = "cloakroom" + sender.url.origin;
    let state = { status: "loading" };
    let changes = 0; // sign-ins and sign-outs here: an answer to a question from before one of them is outdated
    let failures = 0;
    let warned = 0; // when "session.expiring" came
    let asking;
    let freshSignIn;
    let confirming;
    let loaded;
    let enrolled; // with codes that the user hasn't kept yet
    let works = false; // the server has known the browser since
    let retry;
    function setState(next) {
        if (JSON.stringify(next) === JSON.stringify(state))
            return;
        state = next;
        if (/^(anonymous|pending)$/.test(next.status) && !next.recoveryCodes)
            enrolled = undefined;
        updateBackground();
        for (const listener of listeners)
            listener();
    }
    /**
     * Keeps the stream of events open only for listeners of a signed-in user, and a timer only during an outage, or when the session is
     * about to end: no event says that it was used in time.
     */
    function updateBackground() {
        clearTimeout(retry);
        tabs.follow(!!listeners.size && !!state.user && options.events !== false);
        const due = state.status === "unavailable" ? state.retryAt : expiring() && warned + notice;
        if (!listeners.size || !due)
            return;
        retry = setTimeout(() => {
            warned = 0; // the time is over, also if the clock was set back
            void ask();
        }, due - Date.now());
    }
    function expiring() {
        return state.expiresAt;
    }
    function ask(slide = false, reason) {
        return (asking ??= fetchState(slide, reason).finally(() => (asking = undefined)));
    }
    /** Waits for a request that is under way, whose answer may be older than the news, and asks once more. A use shares no other's request. */
    async function askAgain(reason, slide) {
        do
            await asking;
        while (slide && asking);
        return ask(slide, reason);
    }
    async function fetchState(slide, reason) {
        const changesBefore = changes;
        let next;
        try {
            const user = await me(slide, reason);
            if (slide && expiring())
                tabs.tell({ type: "session.expiring" }); // no more
            if (changesBefore === changes)
                works = true;
            next = signedIn(user, slide || Date.now() >= warned + notice ? undefined : expiring());
            if (begun() === "away") {
                begun(""); // this tab is back from a provider, with a new ticket
                tabs.tell({ type: "changed" });
            }
        }
        catch (thrown) {
            const error = thrown;
            // A 401 without a code of Cloakroom comes from a proxy, which doesn't know who is signed in.
            if (error.status !== 401 || error.code === "http_401")
                next = unavailable(error);
            else
                next = state.status === "anonymous" ? state : (await findPending(reason)) ?? withoutCookie(reason ?? error.code);
        }
        if (changesBefore === changes)
            setState(next);
        return state;
    }
    /**
     * The recovery codes stay if the browser has never sent the cookie of the sign-in, or sends two: the server never shows them again. Once
     * it has, the same answer may mean that the user signed out somewhere else, and the next person is at this page.
     */
    function withoutCookie(reason) {
        return { ...signedOut(reason), recoveryCodes: !works && /^(not_auth|two_)/.test(reason) ? state.recoveryCodes : undefined };
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
    /** Asks for the pending sign-in, after a reload too, if this tab has begun one. */
    async function findPending(reason = "pending_ended") {
        const { pending } = state;
        if (!pending && !begun())
            return undefined;
        try {
            return pendingState(await raw.pending());
        }
        catch (error) {
            if (error.code !== "pending_ended")
                return unavailable(error);
            begun("");
            return pending && signedOut(reason);
        }
    }
    /**
     * Remembers, in this tab alone, whether a sign-in was begun, here or at a provider: other pages don't have to ask for one. "" is
     * for none.
     */
    function begun(now) {
        try {
            if (now)
                sessionStorage[mark] = now;
            else if (now === "")
                delete sessionStorage[mark];
            return sessionStorage[mark];
        }
        catch {
            return undefined; // the browser permits no storage: after a reload the user starts over
        }
    }
    async function startProvider(name, { next = location.href, ...visit } = {}) {
        next = next.replace(/#(pending|error=.*)$/, ""); // of an earlier visit
        const { href, origin } = new URL(next, location.href);
        const to = await auth.client.startProvider(name, { ...visit, next: origin === sender.url.origin ? href.slice(origin.length) : href });
        begun("away");
        location.assign(to);
    }
    function pendingState({ kind, factors, expires_at, passkey }) {
        // A challenge counts once, and for a while.
        let until = Date.now() + ((passkey?.publicKey.timeout ?? 0) * 3) / 4;
        const pending = {
            mailed: /code$/.test(kind)
                ? { send: kind === "code" ? undefined : raw.sendEnrolmentCode, enter: (code, options) => (kind === "code" ? firstStep(() => raw.signInByCode(code, options)) : confirmEnrolment(code)) }
                : undefined,
            enrol: kind === "enrol" ? { passkey: passkeys("enrol"), app: passkeys("enrolApp") } : undefined,
            passkey: passkey &&
                (async () => {
                    const before = until;
                    until = 0;
                    return passkeys("second")(passkey, before);
                }),
            kind,
            factors,
            expiresAt: expires_at,
            second: (code) => complete(() => raw.second(code)),
            async cancel() {
                await raw.cancelPending();
                await leavePending("not_authenticated");
            },
        };
        return { status: "pending", pending };
    }
    /** Runs a request that completes the pending sign-in. */
    async function complete(act) {
        try {
            const out = await changeTicket(act, (out) => {
                if ("username" in out)
                    return signedIn(out);
                enrolled = out;
                works = false;
                return signedIn(out.user);
            });
            begun("");
            return out;
        }
        catch (error) {
            if (error.code === "pending_ended")
                void leavePending("pending_ended");
            throw error;
        }
    }
    /** Asks besides, since a session from before the sign-in goes on. */
    function leavePending(reason) {
        begun("");
        changes++;
        setState(signedOut(reason));
        return askAgain();
    }
    const login = (credentials) => firstStep(() => raw.login(credentials));
    async function firstStep(act) {
        try {
            return { done: true, user: await complete(act) };
        }
        catch (error) {
            const { pending: step } = error;
            if (!step)
                throw error;
            return { done: false, pending: adoptStep(step) };
        }
    }
    async function sendCode(email) {
        await auth.client.sendCode(email);
        return adoptStep({ kind: "code", factors: [], expires_at: new Date(Date.now() + 600_000).toISOString() });
    }
    async function confirmEnrolment(code) {
        try {
            return { done: false, pending: adoptStep(await raw.confirmEnrolment(code)) };
        }
        catch (error) {
            if (error.code === "pending_ended")
                void leavePending("pending_ended");
            throw error;
        }
    }
    function adoptStep(step) {
        begun("here");
        changes++;
        const next = pendingState(step);
        setState(next);
        return next.pending;
    }
    /** Retries after at least the server's Retry-After, each time later, at a random time so that browsers don't retry together. */
    function unavailable(error) {
        failures = state.status === "unavailable" ? failures + 1 : 0;
        const seconds = Math.max(error.retryAfter ?? 0, Math.min(30, 2 ** failures / 2));
        const retryAt = Date.now() + seconds * (1000 + 500 * Math.random());
        return { status: "unavailable", user: state.user, recoveryCodes: state.recoveryCodes, error, retryAt };
    }
    function signedIn(user, expiresAt) {
        return { status: "authenticated", user, recoveryCodes: user.id === enrolled?.user.id ? enrolled.recovery_codes : undefined, expiresAt };
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
            return void askAgain(reason);
        warned = Date.now();
        if (state.status === "authenticated")
            setState({ ...state, expiresAt: expires_at });
    }
    const recover = async (refused, tried) => {
        if (await sender.recover(refused, tried))
            return true;
        const { status, code, factors } = refused;
        const first = !tried.has(code);
        tried.add(code);
        // A request of a rendering server has no cookie, so its 401 doesn't mean that the page's user is signed out.
        if (status === 401 && !page)
            return false;
        if (status === 401 && !/^(invalid_credentials|second_factor\w+|pending_ended)$/.test(code) && state.status !== "anonymous") {
            return (await ask()).status === "authenticated" && first;
        }
        const full = code === "full_sign_in_required";
        if (!first || !(full || code === "fresh_sign_in_required") || !freshSignIn)
            return false;
        return (confirming ??= freshSignIn({ factors: factors ?? ["password"], full }).finally(() => (confirming = undefined)));
    };
    /** A function of passkey.ts, which is loaded when one of them is first called. */
    const passkeys = (name) => (async (...args) => {
        const { createPasskeys } = await import("./passkey.js").catch(() => {
            throw new AuthError("unreachable", 0);
        });
        loaded ??= createPasskeys({ raw, client: auth.client, complete, change: (act, user) => changeTicket(act, (out) => (user ? signedIn(user(out)) : state)) });
        return loaded[name](...args);
    });
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
                if (!state.user && !/^(anonymous|pending)$/.test(state.status) && page)
                    return;
                unsubscribe();
                resolve(state);
            };
            const unsubscribe = auth.subscribe(check);
            check();
        }),
        login,
        passkey: passkeys("signIn"),
        startProvider,
        sendCode,
        autofill: passkeys("autofill"),
        reauthenticateByPasskey: passkeys("reauthenticate"),
        addPasskey: passkeys("add"),
        removePasskey: passkeys("remove"),
        signupByPasskey: passkeys("join"),
        logout: () => changeTicket(raw.logout, () => signedOut("signed_out")),
        reauthenticate: (proof) => changeTicket(() => raw.reauthenticate(proof), signedIn),
        changePassword: (change) => changeTicket(() => raw.changePassword(change), () => state),
        deleteAccount: (username) => changeTicket(() => auth.client.deleteAccount(username), () => signedOut("deleted")),
        codesKept() {
            enrolled = undefined;
            setState({ ...state, recoveryCodes: undefined });
        },
        changing: (act) => changeTicket(act, () => state),
        adopt: (found) => void ("factors" in found ? adoptStep(found) : complete(async () => found)),
        fetch: (input, init) => sender.send(new Request(input, init), recover),
        client: clientOf(sender, recover),
        onFreshSignIn: (ask) => void (freshSignIn = ask),
        recover,
        sender,
    };
    return auth;
}
function signedOut(reason) {
    return { status: "anonymous", reason };
}
