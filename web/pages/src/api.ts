/** The server's API, as the pages use it. */

import { AuthError, createAuth, type Credentials, type FirstAdministrator, type Pending, type Setup, type Token, type User } from "@cloakroom/client";

export { AuthError } from "@cloakroom/client";
export type { Pending, Setup, Token, User, PasswordChange, Session as Device } from "@cloakroom/client";

export const auth = createAuth();

export interface NewToken {
  name: string;
  /** Seconds; 0 for a token that doesn't expire. */
  ttl: number;
}

export type Names = Pick<User, "first_name" | "last_name">;

export interface PasswordReset {
  /** The part of the one-time link after its # sign. */
  secret: string;
  new_password: string;
}

const { call, sessions, endSession, endOtherSessions } = auth.client;

export const api = {
  call,
  editNames: (names: Names) => call<User>("PATCH", "/api/auth/me", names),
  devices: sessions,
  endDevice: endSession,
  endOtherDevices: endOtherSessions,
  tokens: async () => (await call<{ tokens: Token[] }>("GET", "/api/auth/tokens")).tokens,
  createToken: (token: NewToken) => call<Token & { token: string }>("POST", "/api/auth/tokens", token),
  revokeToken: (id: string) => call<object>("DELETE", `/api/auth/tokens/${encodeURIComponent(id)}`),
  setup: () => call<Setup>("GET", "/api/auth/setup"),
  createFirstAdministrator: async (administrator: FirstAdministrator) => {
    auth.adopt(await call<User>("POST", "/api/auth/setup", administrator));
    await checkCookie();
  },
  resetPassword: (reset: PasswordReset) => call<object>("POST", "/api/auth/password/reset", reset),
};

/** Returns whether the person is signed in. If not, the second step is due. */
export async function signIn(credentials: Credentials): Promise<boolean> {
  const { done } = await auth.login(credentials);
  if (done) await checkCookie();
  return done;
}

export async function takeSecondStep(pending: Pending, code: string): Promise<void> {
  await pending.second(code);
  await checkCookie();
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

/** Whether the request failed because the person declined to enter the password. */
export function isDeclined(error: AuthError): boolean {
  return error.code === "fresh_sign_in_required";
}
