import { AuthError } from "./error.js";
/** @internal */
export const idle = { sending: false, error: undefined, app: undefined };
/** @internal */
export function signInActions(auth, tell) {
    let app;
    async function run(act) {
        let error;
        tell({ sending: true, error, app });
        try {
            return await act();
        }
        catch (thrown) {
            if (!(thrown instanceof AuthError))
                throw thrown;
            error = thrown;
        }
        finally {
            if (!pending())
                app = undefined;
            tell({ sending: false, error, app });
        }
    }
    const pending = () => auth.getState().pending;
    return {
        login: (credentials) => run(() => auth.login(credentials)),
        passkey: async (options) => void (await run(() => (pending() ? pending().passkey?.() : auth.passkey(options)))),
        second: async (code) => void (await run(() => pending()?.second(code))),
        sendCode: async (email) => void (await run(() => (email === undefined ? pending()?.mailed?.send?.() : auth.sendCode(email)))),
        enterCode: (code, options) => run(() => pending()?.mailed?.enter(code, options)),
        enrolPasskey: async (options) => void (await run(() => pending()?.enrol?.passkey(options))),
        enrolApp: async () => void (await run(async () => (app = await pending()?.enrol?.app()))),
        confirmApp: async (code) => void (await run(() => app?.confirm(code))),
        codesKept: auth.codesKept,
        cancel: async () => void (await run(() => pending()?.cancel())),
        autofill() {
            const stop = new AbortController();
            // It waits for as long as the form is shown, so it is no request until a passkey is chosen.
            auth.autofill(stop.signal).catch((error) => run(() => Promise.reject(error)));
            return () => stop.abort();
        },
    };
}
