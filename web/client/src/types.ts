// What the server says on the wire. The names are those of internal/httpapi/openapi.yaml, against which a test holds them.

export interface User {
  /** A number as in Django, or a string where the server's users have other keys. */
  id: number | string;
  username: string;
  /** May be empty. */
  email: string;
  first_name: string;
  last_name: string;
  date_joined: string;
  last_login: string | null;
  is_staff: boolean;
  is_superuser: boolean;
  groups: string[];
  /** As `app.codename`: the user's own and those of the groups. A superuser has all, listed or not. */
  permissions: string[];
}

/** One place where the account is signed in. */
export interface Session {
  /** Names the session; of no use as a ticket. */
  id: string;
  /** The session of this browser. */
  current: boolean;
  created_at: string;
  /** Exact to a minute. */
  last_seen_at: string;
  /** When it ends if it isn't used before. */
  expires_at: string;
  /** At sign-in, like `user_agent`. */
  ip: string;
  user_agent: string;
  /** How it was signed in: "password", "basic", "setup" and others. */
  method: string;
}

export interface Credentials {
  /** The username or the e-mail address. */
  username: string;
  password: string;
  /** false: a cookie that ends with the browser, and shorter limits. Default: true. */
  remember?: boolean;
}

export interface PasswordChange {
  current_password: string;
  new_password: string;
}

/** A token for programs. */
export interface Token {
  /** Names the token; of no use as one. */
  id: string;
  kind: "personal" | "drf" | "knox" | "refresh";
  name: string;
  /** The permissions of its owner that it may use; none means all of them. */
  scopes: string[];
  created_at: string;
  /** Exact to a minute. */
  last_used_at: string | null;
  /** null: never. */
  expires_at: string | null;
  /** Of who asked for it, like `user_agent`. */
  ip: string;
  user_agent: string;
  /** The token itself, in the one answer that makes it. */
  token?: string;
}

export interface Setup {
  /** There is no user yet: the first administrator is to be made. */
  needed: boolean;
  password_min_length: number;
}

export interface FirstAdministrator {
  /** What follows the # of the one-time link. */
  secret: string;
  username: string;
  email?: string;
  password: string;
}

/**
 * What a program branches on. The list is of what a page may meet; others are possible. Two are made here: "unreachable"
 * when no answer came, and `http_` with the status for an answer that isn't Cloakroom's, such as a proxy's own page.
 */
export type ErrorCode = KnownCode | "unreachable" | (string & {});

export type KnownCode =
  | "not_authenticated"
  | "session_ended"
  | "invalid_credentials"
  | "permission_denied"
  | "csrf_failed"
  | "fresh_sign_in_required"
  | "setup_link_invalid"
  | "invalid"
  | "not_found"
  | "unknown_host"
  | "throttled"
  | "busy"
  | "unavailable"
  | "stopping"
  | "server_error";
