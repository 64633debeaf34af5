import { AuthError, refusal } from "./error.js";
import { createSender, type Recover, type Sender, type SenderOptions } from "./send.js";
import type { Credentials, PasswordChange, Session, User } from "./types.js";

export interface Client {
  /** Who is signed in. `slide: false`: the question is no use of the session, and doesn't keep it from ending. */
  me(options?: { slide?: boolean }): Promise<User>;
  login(credentials: Credentials): Promise<User>;
  /** Fulfilled also when nobody was signed in. */
  logout(): Promise<void>;
  /** Opens the ten minutes for what asks for a fresh sign-in. */
  reauthenticate(password: string): Promise<User>;
  /** Ends all other sessions of the user. */
  changePassword(change: PasswordChange): Promise<void>;
  /** One's own devices, the newest first. */
  sessions(): Promise<Session[]>;
  endSession(id: string): Promise<void>;
  /** How many ended. */
  endOtherSessions(): Promise<number>;
  /** Any other route: sends `body` as JSON and gives the JSON of the answer. */
  call<Answer>(method: string, path: string, body?: object): Promise<Answer>;
}

const timeLimit = 20_000;

/**
 * The server's routes as functions, which keep nothing between calls. Each gives its answer or throws an {@link AuthError}.
 * What isn't answered within 20 seconds counts as unreachable.
 */
export function createClient(options: SenderOptions = {}): Client {
  const sender = createSender(options);
  return clientOf(sender, sender.recover);
}

/** @internal */
export function clientOf({ url, send }: Sender, recover: Recover): Client {
  async function call<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    const json = body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    let response;
    try {
      response = await send(new Request(new URL(path, url), { method, cache: "no-store", ...json }), recover, timeLimit);
      if (response.ok) return await response.json();
    } catch {
      // No answer, or one that isn't JSON and so not the server's.
    }
    throw response?.ok === false ? await refusal(response) : new AuthError("unreachable", 0);
  }
  const post = <Answer = void>(path: string, body?: object) => call<Answer>("POST", "/api/auth/" + path, body);

  return {
    call,
    me: ({ slide = true } = {}) => call("GET", "/api/me" + (slide ? "" : "?slide=false")),
    login: (credentials) => post("login", credentials),
    logout: () => post("logout"),
    reauthenticate: (password) => post("reauthenticate", { password }),
    changePassword: (change) => post("password/change", change),
    sessions: async () => (await call<{ sessions: Session[] }>("GET", "/api/auth/sessions")).sessions,
    endSession: (id) => call("DELETE", "/api/auth/sessions/" + encodeURIComponent(id)),
    endOtherSessions: async () => (await call<{ ended: number }>("DELETE", "/api/auth/sessions")).ended,
  };
}
