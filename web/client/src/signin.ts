import type { Auth, SignIn } from "./auth.js";
import { AuthError } from "./error.js";
import type { Credentials } from "./types.js";

/** How far a sign-in form is. */
export interface SignInProgress {
  /** Whether a request is under way: the buttons should do nothing then. */
  readonly sending: boolean;
  /** Why the last step was refused. */
  readonly error: AuthError | undefined;
}

/** The steps of a sign-in form. They don't reject when the server refuses: the error is in {@link SignInProgress}. */
export interface SignInActions {
  /** Returns undefined if it was refused. */
  login(credentials: Credentials): Promise<SignIn | undefined>;
  /** Takes the second step of the pending sign-in. */
  second(code: string): Promise<void>;
  /** Gives the pending sign-in up. */
  cancel(): Promise<void>;
}

/** @internal */
export const idle: SignInProgress = { sending: false, error: undefined };

/** @internal */
export function signInActions(auth: Auth, tell: (progress: SignInProgress) => void): SignInActions {
  async function run<Out>(act: () => Promise<Out> | undefined): Promise<Out | undefined> {
    let error: AuthError | undefined;
    tell({ sending: true, error });
    try {
      return await act();
    } catch (thrown) {
      if (!(thrown instanceof AuthError)) throw thrown;
      error = thrown;
    } finally {
      tell({ sending: false, error });
    }
  }
  return {
    login: (credentials) => run(() => auth.login(credentials)),
    second: async (code) => void (await run(() => auth.getState().pending?.second(code))),
    cancel: async () => void (await run(() => auth.getState().pending?.cancel())),
  };
}
