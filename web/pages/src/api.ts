/** The server's API, as the pages use it. */

import { AuthError, createAuth, type Credentials, type FirstAdministrator, type Setup, type Token, type User } from "@cloakroom/client";

export { AuthError } from "@cloakroom/client";
export type { Setup, Token, User, PasswordChange, Session as Device } from "@cloakroom/client";

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
  createFirstAdministrator: async (administrator: FirstAdministrator) =>
    auth.adopt(await call<User>("POST", "/api/auth/setup", administrator)),
  resetPassword: (reset: PasswordReset) => call<object>("POST", "/api/auth/password/reset", reset),
};

/** The code of the error that `signIn` throws if the browser dropped the cookie. */
export const noCookie = "no_cookie";

/**
 * Signs in, and then checks that the browser sends the cookie back: it throws `noCookie` if the server doesn't see it. Any
 * other error of that check, such as an outage, is left to the next page.
 */
export async function signIn(credentials: Credentials): Promise<void> {
  await auth.login(credentials);
  const error = await auth.client.me({ slide: false }).then(() => undefined, (error: AuthError) => error);
  if (error?.code === "not_authenticated" || error?.code === "session_ended") throw new AuthError(noCookie, error.status);
}

/** Whether the server could not answer. That never means that the person is signed out. */
export function isOutage(error: AuthError): boolean {
  return error.status === 0 || error.status >= 500;
}

/** Whether the request failed because the person declined to enter the password. */
export function isDeclined(error: AuthError): boolean {
  return error.code === "fresh_sign_in_required";
}
