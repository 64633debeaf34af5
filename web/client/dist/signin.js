import { AuthError } from "./error.js";
/** @internal */
export const idle = { sending: false, error: undefined };
/** @internal */
export function signInActions(auth, tell) {
    async function run(act) {
        let error;
        tell({ sending: true, error });
        try {
            return await act();
        }
        catch (thrown) {
            if (!(thrown instanceof AuthError))
                throw thrown;
            error = thrown;
        }
        finally {
            tell({ sending: false, error });
        }
    }
    return {
        login: (credentials) => run(() => auth.login(credentials)),
        second: async (code) => void (await run(() => auth.getState().pending?.second(code))),
        cancel: async () => void (await run(() => auth.getState().pending?.cancel())),
    };
}
