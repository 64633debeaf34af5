// Sign-in by passkey (WebAuthn). This module is loaded when one of its functions is first called.
const base = "/api/auth/";
/** @internal */
export function createPasskeys(client, change) {
    const post = (path, body = {}) => client.call("POST", base + path, body);
    let waiting;
    async function finish(ask, credential, remember) {
        try {
            return await change(() => post("passkey/login", { credential, ...(remember === false && { remember }) }));
        }
        catch (error) {
            if (error.code === "passkey_unknown") {
                await signal("signalUnknownCredential", { rpId: ask.publicKey.rpId, credentialId: credential.id });
            }
            throw error;
        }
    }
    /** Asks until a passkey is chosen, with a new challenge before the old one is over. */
    async function waitForChoice(stopped, remember) {
        while (!stopped.aborted) {
            const ask = await post("passkey/options").catch(() => undefined);
            if (!ask || stopped.aborted)
                return undefined;
            waiting.ask = ask;
            let why;
            const question = new AbortController();
            const { signal } = question;
            const timer = setTimeout(end, (ask.publicKey.timeout * 3) / 4, "renew");
            // A browser keeps no page with an open question for its Back button. After a return to the page the question is asked again.
            addEventListener("pagehide", () => end("left"), { signal });
            stopped.addEventListener("abort", () => end(), { signal });
            function end(reason) {
                why = reason;
                question.abort();
            }
            const credential = await get(ask, { mediation: "conditional", signal });
            clearTimeout(timer);
            question.abort();
            if (credential)
                return finish(ask, credential, remember?.());
            if (why === "left")
                await new Promise((shown) => addEventListener("pageshow", shown, { once: true }));
            else if (why !== "renew")
                return undefined;
        }
        return undefined;
    }
    return {
        async signIn({ remember } = {}) {
            // Some browsers ask only right after a click. The options of the autofill save a request.
            const before = waiting?.ask;
            const chosen = await waiting?.stop();
            if (chosen)
                return chosen;
            const ask = before ?? (await post("passkey/options"));
            const credential = await get(ask);
            return credential && finish(ask, credential, remember);
        },
        async autofill(signal, remember) {
            if (!(await globalThis.PublicKeyCredential?.isConditionalMediationAvailable?.()))
                return undefined;
            await waiting?.stop();
            const stopping = new AbortController();
            const stop = () => stopping.abort();
            if (signal?.aborted)
                return undefined;
            signal?.addEventListener("abort", stop, { once: true });
            const mine = {
                stop() {
                    stop();
                    return done.catch(() => undefined);
                },
            };
            waiting = mine;
            const done = waitForChoice(stopping.signal, remember);
            return done.finally(() => {
                if (waiting === mine)
                    waiting = undefined;
            });
        },
    };
}
/** Asks for a passkey; undefined: the person has refused, or `signal` was aborted. */
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
    explainAddress();
    try {
        const credential = (await ask());
        return credential ? encoded(credential) : undefined;
    }
    catch (error) {
        if (/^(NotAllowed|Abort)Error$/.test(error.name))
            return undefined;
        throw error;
    }
}
/** Tells the developer, in the console, why a browser refuses passkeys. */
function explainAddress() {
    if (/^[\d.]+$|^\[/.test(location.hostname))
        void import("./explain.js").then((it) => it.explainPasskeys(location));
}
/** What PublicKeyCredential.toJSON returns, which Safari lacks before 18.4. */
function encoded({ id, type, response, authenticatorAttachment }) {
    const it = response;
    const parts = {};
    for (const name of ["clientDataJSON", "authenticatorData", "signature", "userHandle"]) {
        if (it[name])
            parts[name] = text(it[name]);
    }
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
