/** The server's API, as the pages use it. */

import { AuthError, createAuth, type Credentials, type Enrolled, type Factor, type Factors, type FirstAdministrator, type PendingStep, type Setup, type SignIn, type SignUp, type Token, type User } from "@cloakroom/client";

export { AuthError } from "@cloakroom/client";
export type { EnrolmentOfApp, Factor, Factors, Pending, Setup, Token, User, PasswordChange, Session as Device } from "@cloakroom/client";

export const auth = createAuth();

export interface NewToken {
  name: string;
  /** Seconds; 0 for a token that doesn't expire. */
  ttl: number;
}

/** What an authenticator app needs. `uri` is for a QR code, `secret` for typing, and `id` for the confirmation. */
export interface NewApp {
  id: string;
  secret: string;
  uri: string;
}

/** An account at another provider that is linked to the user. */
export interface LinkedAccount {
  id: string;
  /** The name of the provider; "" if the server has it no more. */
  provider: string;
  label: string;
  /** May be empty. */
  email: string;
  added_at: string;
  used_at: string | null;
}

/** What users change of themselves. An empty language is that of the browser. */
export type Personal = Partial<Pick<User, "first_name" | "last_name" | "language">>;

export interface PasswordReset {
  /** The part of the one-time link after its # sign. */
  secret: string;
  new_password: string;
}

const { call, sessions, endSession, endOtherSessions } = auth.client;

const factorsPath = "/api/auth/factors";
const factorPath = (id: string) => `${factorsPath}/${encodeURIComponent(id)}`;

export const api = {
  call,
  editMe: (change: Personal) => call<User>("PATCH", "/api/auth/me", change),
  devices: sessions,
  endDevice: endSession,
  endOtherDevices: endOtherSessions,
  tokens: async () => (await call<{ tokens: Token[] }>("GET", "/api/auth/tokens")).tokens,
  createToken: (token: NewToken) => call<Token & { token: string }>("POST", "/api/auth/tokens", token),
  revokeToken: (id: string) => call<object>("DELETE", `/api/auth/tokens/${encodeURIComponent(id)}`),
  factors: () => call<Factors>("GET", factorsPath),
  renameFactor: (id: string, name: string) => call<Factor>("PATCH", factorPath(id), { name }),
  /** Tells the browser, too, if it is a passkey. */
  removeFactor: ({ id, kind }: Factor) =>
    kind === "totp" ? auth.changing(() => call<object>("DELETE", factorPath(id))) : auth.removePasskey(id),
  setSecondStep: (on: boolean) => auth.changing(() => call<Factors>("PATCH", factorsPath, { second_step: on })),
  beginApp: () => call<NewApp>("POST", `${factorsPath}/totp`),
  /** Returns the recovery codes that come with the first factor; none with a later one. */
  confirmApp: async (app: { id: string; code: string }) =>
    (await auth.changing(() => call<{ recovery_codes?: string[] }>("POST", `${factorsPath}/totp/confirm`, app))).recovery_codes ?? [],
  renewRecoveryCodes: async () => (await call<{ recovery_codes: string[] }>("POST", `${factorsPath}/recovery`)).recovery_codes,
  links: async () => (await call<{ links: LinkedAccount[] }>("GET", "/api/auth/links")).links,
  unlink: (id: string) => call<object>("DELETE", `/api/auth/links/${encodeURIComponent(id)}`),
  setup: () => call<Setup>("GET", "/api/auth/setup"),
  createFirstAdministrator: async (administrator: FirstAdministrator) => {
    auth.adopt(await call<User>("POST", "/api/auth/setup", administrator));
    await checkCookie();
  },
  completeSignUp: async (account: SignUp) => {
    auth.adopt(await auth.client.completeSignup(account));
    await checkCookie();
  },
  /** Returns whether a second factor has to be set up now, at the sign-in page. */
  resetPassword: async (reset: PasswordReset) => {
    const { pending } = await call<{ pending?: PendingStep }>("POST", "/api/auth/password/reset", reset);
    if (pending) auth.adopt(pending);
    return !!pending;
  },
};

/** Returns whether the person is signed in. If not, the second step is due. */
export const signIn = (credentials: Credentials): Promise<boolean> => finished(auth.login(credentials));

/** Returns whether a step has completed the sign-in. If not, another one is due. */
export async function finished(step: Promise<SignIn>): Promise<boolean> {
  const { done } = await step;
  if (done) await checkCookie();
  return done;
}

/** Completes a sign-in, and returns whether it is complete: a person may close the dialog for passkeys. */
export async function complete(step: () => Promise<User | Enrolled | undefined>): Promise<boolean> {
  if (!(await step())) return false;
  await checkCookie();
  return true;
}

/** The code of the error after a sign-in whose cookie the browser dropped. */
export const noCookie = "no_cookie";

/** Checks after the first step that the browser sends the cookie of the pending sign-in back. */
export async function checkPendingCookie(): Promise<void> {
  const error = await auth.client.pending().then(() => undefined, (error: AuthError) => error);
  if (error?.code === "pending_ended") throw new AuthError(noCookie, error.status);
}

/**
 * Checks after a sign-in that the browser sends the cookie back. It throws `noCookie` if the server doesn't see it, and the
 * server's error if the browser sends two. Any other error, such as an outage, is left to the next page.
 */
async function checkCookie(): Promise<void> {
  const error = await auth.client.me({ slide: false }).then(() => undefined, (error: AuthError) => error);
  if (error?.code === "not_authenticated" || error?.code === "session_ended") throw new AuthError(noCookie, error.status);
  if (error?.code === "two_session_cookies") throw error;
}

/** Whether the sign-in itself succeeded, but its cookie doesn't count. */
export function isWithoutCookie(error: AuthError): boolean {
  return error.code === noCookie || error.code === "two_session_cookies";
}

/** Whether the server could not answer. That never means that the person is signed out. */
export function isOutage(error: AuthError): boolean {
  return error.status === 0 || error.status >= 500;
}

/** Whether the request failed because the person declined to prove their identity again. */
export function isDeclined(error: AuthError): boolean {
  return error.code === "fresh_sign_in_required" || error.code === "full_sign_in_required";
}
