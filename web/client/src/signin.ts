import type { Auth, EnrolmentOfApp, SignIn } from "./auth.js";
import { AuthError } from "./error.js";
import type { Credentials, NewPasskey } from "./types.js";

/** How far a sign-in form is. */
export interface SignInProgress {
  /** Whether a request is under way: the buttons should do nothing then. */
  readonly sending: boolean;
  /** Why the last step was refused. */
  readonly error: AuthError | undefined;
  /** After `enrolApp`: what the authenticator app needs. */
  readonly app: Omit<EnrolmentOfApp, "confirm"> | undefined;
}

export interface SignInOptions {
  /**
   * Offers passkeys in the suggestions of a field with `autocomplete="username webauthn"`, as long as the form is shown and its first
   * step is due. Default: false.
   */
  autofill?: boolean;
}

/** The steps of a sign-in form. They don't reject when the server refuses: the error is in {@link SignInProgress}. */
export interface SignInActions {
  /** Returns undefined if it was refused. */
  login(credentials: Credentials): Promise<SignIn | undefined>;
  /** Signs in with a passkey, or takes the second step of the pending sign-in with one; call it from a click. */
  passkey(options?: { remember?: boolean }): Promise<void>;
  /** Takes the second step of the pending sign-in. */
  second(code: string): Promise<void>;
  /** Mails a code to sign in with to an address, or, without one, the code that the pending sign-in waits for. */
  sendCode(email?: string): Promise<void>;
  /** Enters a mailed code. Returns undefined if it was refused. */
  enterCode(code: string, options?: { remember?: boolean }): Promise<SignIn | undefined>;
  /** Sets up a passkey or a security key, if the pending sign-in is of the kind "enrol"; call it from a click. */
  enrolPasskey(options?: NewPasskey): Promise<void>;
  /** Begins to set up an authenticator app, if the pending sign-in is of the kind "enrol". */
  enrolApp(): Promise<void>;
  /** Confirms that the app which `enrolApp` has begun shows this code. */
  confirmApp(code: string): Promise<void>;
  /** The user has kept the recovery codes. */
  codesKept(): void;
  /** Gives the pending sign-in up. */
  cancel(): Promise<void>;
}

/** @internal */
export const idle: SignInProgress = { sending: false, error: undefined, app: undefined };

/** @internal */
export interface AllSignInActions extends SignInActions {
  /** Offers passkeys until the returned function is called. */
  autofill(): () => void;
}

/** @internal */
export function signInActions(auth: Auth, tell: (progress: SignInProgress) => void): AllSignInActions {
  let app: EnrolmentOfApp | undefined;
  async function run<Out>(act: () => Promise<Out> | undefined): Promise<Out | undefined> {
    let error: AuthError | undefined;
    tell({ sending: true, error, app });
    try {
      return await act();
    } catch (thrown) {
      if (!(thrown instanceof AuthError)) throw thrown;
      error = thrown;
    } finally {
      if (!pending()) app = undefined;
      tell({ sending: false, error, app });
    }
  }
  const pending = () => auth.getState().pending;
  return {
    login: (credentials) => run(() => auth.login(credentials)),
    passkey: async (options) => void (await run(() => (pending() ? pending()!.passkey?.() : auth.passkey(options)))),
    second: async (code) => void (await run(() => pending()?.second(code))),
    sendCode: async (email) => void (await run<unknown>(() => (email === undefined ? pending()?.mailed?.send?.() : auth.sendCode(email)))),
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
