// Passkeys and security keys (WebAuthn), and setting up a factor during a sign-in. This module is loaded when one of its functions is first called.
import { AuthError } from "./error.js";
const base = "/api/auth/";
const enrolment = "login/enrol/";
/** @internal */
export function createPasskeys({ raw, client, complete, change }) {
    explainAddress();
    const post = (path, body = {}, by = client) => by.call("POST", base + path, body);
    const options = () => post("passkey/options", {}, raw);
    let waiting;
    let party; // of the credential that was made last
    /** Sends what the browser has answered, and lets the browser forget a passkey that the server has removed. */
    async function finish(path, ask, credential, remember) {
        try {
            return await complete(() => post(path, { credential, ...(remember === false && { remember }) }, raw));
        }
        catch (error) {
            if (error.code === "passkey_unknown") {
                await signal("signalUnknownCredential", { rpId: ask.publicKey.rpId, credentialId: credential.id });
            }
            throw error;
        }
    }
    /** Asks until a passkey is chosen, with a new challenge before the old one is over. `quiet` is called when a pause has begun. */
    async function waitForChoice(mine, stopped, quiet, remember) {
        while (!stopped.aborted) {
            if (mine.paused) {
                quiet();
                await mine.paused;
                continue;
            }
            const ask = await options().catch(() => undefined);
            if (!ask)
                return undefined;
            if (mine.paused || stopped.aborted)
                continue;
            mine.ask = ask;
            const asked = Date.now();
            let why;
            const question = new AbortController();
            const { signal } = question;
            const timer = setTimeout(end, (ask.publicKey.timeout * 3) / 4, "renew");
            // A browser keeps no page with an open question for its Back button. After a return to the page the question is asked again.
            addEventListener("pagehide", () => end("left"), { signal });
            stopped.addEventListener("abort", () => end("stop"), { signal });
            mine.withdraw = () => end("stop");
            function end(reason) {
                why = reason;
                question.abort();
            }
            const credential = await get(ask, { mediation: "conditional", signal }).catch(() => undefined);
            clearTimeout(timer);
            question.abort();
            if (credential)
                return finish("passkey/login", ask, credential, remember?.());
            if (why === "left")
                await new Promise((shown) => addEventListener("pageshow", shown, { once: true }));
            // A browser that refuses at once would refuse again; later, the person has closed its dialog.
            else if (!why && Date.now() - asked < 1000)
                return undefined;
        }
        return undefined;
    }
    /** Lets the browser make a credential, and returns what adds it; undefined: the person has refused. */
    async function make(path, { name, securityKey, ...account } = {}, by) {
        await waiting?.stop();
        const body = { ...account, ...(securityKey && { kind: "security_key" }) };
        const { publicKey } = await post(path + "/options", body, by);
        party = publicKey.rp;
        const credential = await settle(() => navigator.credentials.create({
            publicKey: {
                ...publicKey,
                challenge: bytes(publicKey.challenge),
                user: { ...publicKey.user, id: bytes(publicKey.user.id) },
                excludeCredentials: decoded(publicKey.excludeCredentials),
            },
        }));
        return credential && { ...body, credential, ...(name && { name }) };
    }
    /** Tells the browser which passkeys the user has, so that it offers no others, and what the user is called. */
    async function report() {
        const { factors, passkey } = await client.call("GET", base + "factors");
        if (!passkey)
            return;
        const { rp_id: rpId, user_id: userId, name, display_name: displayName } = passkey;
        const own = factors.filter((factor) => factor.rp_id === rpId);
        await signal("signalAllAcceptedCredentials", { rpId, userId, allAcceptedCredentialIds: own.map((factor) => factor.credential_id) });
        await signal("signalCurrentUserDetails", { rpId, userId, name, displayName });
    }
    return {
        async signIn({ remember } = {}) {
            // Some browsers ask only right after a click. The options of the autofill save a request.
            const suggestions = waiting;
            const before = suggestions?.ask;
            const chosen = await suggestions?.pause();
            if (chosen)
                return chosen;
            try {
                const ask = before ?? (await options());
                const credential = await get(ask);
                const user = credential && (await finish("passkey/login", ask, credential, remember));
                if (user)
                    void suggestions?.stop();
                return user;
            }
            finally {
                suggestions?.resume();
            }
        },
        async autofill(signal, remember) {
            if (!(await globalThis.PublicKeyCredential?.isConditionalMediationAvailable?.()))
                return undefined;
            await waiting?.stop();
            if (signal?.aborted)
                return undefined;
            const stopping = new AbortController();
            let pauses = 0;
            let begun;
            let quiet = () => { };
            let resume = () => { };
            const mine = {
                pause() {
                    if (!pauses++) {
                        mine.paused = new Promise((resolve) => (resume = resolve));
                        begun = new Promise((resolve) => (quiet = () => resolve(undefined)));
                        delete mine.ask; // its challenge will be spent
                        mine.withdraw?.();
                    }
                    return Promise.race([begun, done.catch(() => undefined)]);
                },
                resume() {
                    if (--pauses)
                        return;
                    delete mine.paused;
                    resume();
                },
                stop() {
                    stopping.abort();
                    delete mine.paused;
                    resume();
                    return done.catch(() => undefined);
                },
            };
            signal?.addEventListener("abort", () => void mine.stop(), { once: true });
            waiting = mine;
            const done = waitForChoice(mine, stopping.signal, () => quiet(), remember);
            return done.finally(() => {
                if (waiting === mine)
                    waiting = undefined;
            });
        },
        async second(ask, until) {
            const chosen = await waiting?.stop();
            if (chosen)
                return chosen;
            if (Date.now() > until)
                ask = (await raw.pending()).passkey ?? ask;
            const credential = await get(ask);
            return credential && finish("login/second", ask, credential);
        },
        async reauthenticate({ password } = {}) {
            await waiting?.stop();
            const ask = await post("reauthenticate/options");
            const credential = await get(ask);
            return credential && change(() => post("reauthenticate", { credential, ...(password && { password }) }), (user) => user);
        },
        async add(options) {
            const path = "factors/passkey";
            const made = await make(path, options, client);
            return made && change(() => post(path, made));
        },
        async enrol(options) {
            const path = enrolment + "passkey";
            const made = await make(path, options, raw);
            return made && complete(() => post(path, made, raw));
        },
        async join(account) {
            const path = "signup/passkey";
            const made = await make(path, account, raw);
            if (!made)
                return undefined;
            try {
                return await complete(() => post(path, made, raw));
            }
            catch (error) {
                const { status, code } = error;
                // No account has the passkey. After an outage it isn't known.
                if (status >= 400 && status < 500 && code !== "factor_exists") {
                    await signal("signalUnknownCredential", { rpId: party.id, credentialId: made.credential.id });
                }
                throw error;
            }
        },
        async enrolApp() {
            const { id, secret, uri } = await post(enrolment + "totp", {}, raw);
            return { secret, uri, confirm: (code) => complete(() => post(enrolment + "totp/confirm", { id, code }, raw)) };
        },
        async remove(id) {
            await change(() => client.call("DELETE", `${base}factors/${encodeURIComponent(id)}`));
            await report();
        },
    };
}
/** Asks for a passkey; undefined: the person has refused, or `signal` was aborted. Fails with `passkey_failed`. */
export function get({ publicKey }, more) {
    return settle(() => navigator.credentials.get({
        publicKey: {
            ...publicKey,
            challenge: bytes(publicKey.challenge),
            allowCredentials: decoded(publicKey.allowCredentials),
        },
        ...more,
    }));
}
async function settle(ask) {
    try {
        const credential = (await ask());
        return credential ? encoded(credential) : undefined;
    }
    catch (error) {
        const { name } = error;
        if (/^(NotAllowed|Abort)Error$/.test(name))
            return undefined;
        throw new AuthError(name === "InvalidStateError" ? "factor_exists" : "passkey_failed", 400);
    }
}
/** Tells the developer, in the console, why a browser refuses passkeys. */
function explainAddress() {
    if (/^[\d.]+$|^\[/.test(location.hostname))
        void import("./explain.js").then((it) => it.explainPasskeys(location), () => { }); // a page that is left explains nothing
}
/** What PublicKeyCredential.toJSON returns, which Safari lacks before 18.4. */
function encoded({ id, type, response, authenticatorAttachment }) {
    const it = response;
    const parts = {};
    for (const name of ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"]) {
        if (it[name])
            parts[name] = text(it[name]);
    }
    if (it.getTransports)
        parts.transports = it.getTransports();
    return { id, rawId: id, type, response: parts, clientExtensionResults: {}, ...(authenticatorAttachment && { authenticatorAttachment }) };
}
function decoded(list = []) {
    return list.map((it) => ({ ...it, type: "public-key", id: bytes(it.id) }));
}
function bytes(base64url) {
    return Uint8Array.from(atob(base64url.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
}
function text(buffer) {
    return btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
/** Tells the browser about passkeys, if it listens. It answers nothing about them. */
async function signal(name, about) {
    await PublicKeyCredential[name]?.(about).catch(() => { });
}
