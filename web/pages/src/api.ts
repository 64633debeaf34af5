/** The server, as the pages use it: who is signed in, and the routes. */

import { AuthError, createAuth, type Credentials, type FirstAdministrator, type Setup, type Token, type User } from "@cloakroom/client";

export { AuthError } from "@cloakroom/client";
export type { Setup, Token, User, PasswordChange, Session as Device } from "@cloakroom/client";

export const auth = createAuth();

export interface NewToken {
  name: string;
  /** Seconds; 0 is for ever. */
  ttl: number;
}

export type Names = Pick<User, "first_name" | "last_name">;

export interface PasswordReset {
  /** What follows the # of the one-time link. */
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
  makeToken: (token: NewToken) => call<Token & { token: string }>("POST", "/api/auth/tokens", token),
  endToken: (id: string) => call<object>("DELETE", `/api/auth/tokens/${encodeURIComponent(id)}`),
  setup: () => call<Setup>("GET", "/api/auth/setup"),
  makeFirstAdministrator: async (first: FirstAdministrator) => auth.adopt(await call<User>("POST", "/api/auth/setup", first)),
  resetPassword: (reset: PasswordReset) => call<object>("POST", "/api/auth/password/reset", reset),
};

/** The code of a sign-in after which the browser isn't signed in. */
export const noCookie = "no_cookie";

/** Signs in, and makes sure that the browser has kept the cookie: what else the server says is for the next page. */
export async function signIn(credentials: Credentials): Promise<void> {
  await auth.login(credentials);
  const error = await auth.client.me({ slide: false }).then(() => undefined, (error: AuthError) => error);
  if (error?.code === "not_authenticated" || error?.code === "session_ended") throw new AuthError(noCookie, error.status);
}

/** Whether the server could not say: never a reason to call somebody signed out. */
export function isOutage(error: AuthError): boolean {
  return error.status === 0 || error.status >= 500;
}

/** Whether the person would rather not enter the password that was asked for. */
export function isDeclined(error: AuthError): boolean {
  return error.code === "fresh_sign_in_required";
}
