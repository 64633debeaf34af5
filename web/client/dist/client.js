import { AuthError, refusal } from "./error.js";
import { createSender } from "./send.js";
const timeLimit = 20_000;
/**
 * The server's routes as functions, without a state. Each returns the answer or throws an {@link AuthError}. A request without
 * an answer after 20 seconds fails with the code "unreachable".
 */
export function createClient(options = {}) {
    const sender = createSender(options);
    return clientOf(sender, sender.recover);
}
/** @internal */
export function clientOf({ url, send }, recover) {
    async function call(method, path, body, file) {
        const json = body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
        let response;
        try {
            response = await send(new Request(new URL(path, url), { method, cache: "no-store", ...json }), recover, file ? 0 : timeLimit);
            if (response.ok)
                return await (file ? response.blob() : response.json());
        }
        catch {
            // There was no answer, or one that isn't JSON and so isn't from Cloakroom.
        }
        throw response?.ok === false ? await refusal(response) : new AuthError("unreachable", 0);
    }
    const post = (path, body) => call("POST", "/api/auth/" + path, body);
    return {
        call: (method, path, body) => call(method, path, body),
        me: ({ slide = true } = {}) => call("GET", "/api/me" + (slide ? "" : "?slide=false")),
        login: (credentials) => post("login", credentials),
        second: (code) => post("login/second", { code }),
        sendCode: (email) => post("code", { email }),
        signInByCode: (code, options) => post("code/login", { code, ...options }),
        sendEnrolmentCode: () => post("login/enrol/code"),
        confirmEnrolment: (code) => post("login/enrol/code/confirm", { code }),
        pending: () => call("GET", "/api/auth/login/pending"),
        cancelPending: () => call("DELETE", "/api/auth/login/pending"),
        startProvider: async (name, visit = {}) => (await post(`oidc/${encodeURIComponent(name)}/start`, visit)).location,
        logout: () => post("logout"),
        reauthenticate: (proof) => post("reauthenticate", typeof proof === "string" ? { password: proof } : proof),
        sendReauthenticationCode: () => post("reauthenticate/code"),
        changePassword: (change) => post("password/change", change),
        methods: () => call("GET", "/api/auth/methods"),
        forgot: (email) => post("password/forgot", { email }),
        signup: (email) => post("signup", { email }),
        signupLink: (secret) => post("signup/link", { secret }),
        completeSignup: (account) => post("signup/complete", account),
        sendVerification: () => post("email/verify/send"),
        verify: (secret) => post("email/verify", { secret }),
        changeEmail: (email) => post("email/change", { email }),
        revertEmail: (link) => post("email/revert", link),
        takeData: () => call("POST", "/api/auth/account/data", undefined, true),
        deleteAccount: (username) => post("account/delete", { username }),
        sessions: async () => (await call("GET", "/api/auth/sessions")).sessions,
        endSession: (id) => call("DELETE", "/api/auth/sessions/" + encodeURIComponent(id)),
        endOtherSessions: async () => (await call("DELETE", "/api/auth/sessions")).ended,
    };
}
