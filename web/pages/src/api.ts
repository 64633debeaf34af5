/** What the server's JSON API says, typed, and what it says when it refuses. */

export interface User {
  id: number;
  username: string;
  email: string;
  first_name: string;
  last_name: string;
  date_joined: string;
  last_login: string | null;
  is_staff: boolean;
  is_superuser: boolean;
  groups: string[];
  permissions: string[];
}

/** One place where the account is signed in. */
export interface Device {
  id: string;
  current: boolean;
  created_at: string;
  last_seen_at: string;
  expires_at: string;
  ip: string;
  user_agent: string;
  method: string;
}

export interface Setup {
  needed: boolean;
  password_min_length: number;
}

export type FieldErrors = Readonly<Record<string, readonly string[]>>;

interface Refusal {
  code: string;
  status: number;
  detail?: string;
  errors?: FieldErrors;
  retryAfter?: number;
}

/**
 * Every call here either gives its answer or throws one of these. `status` is 0
 * and `code` is "unreachable" when no answer came at all. `retryAfter` is in
 * seconds, and undefined when the server named no time.
 */
export class AuthError extends Error {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly errors: FieldErrors;
  readonly retryAfter: number | undefined;

  constructor(refusal: Refusal) {
    super(refusal.detail || refusal.code);
    this.name = "AuthError";
    this.code = refusal.code;
    this.status = refusal.status;
    this.detail = refusal.detail ?? "";
    this.errors = refusal.errors ?? {};
    this.retryAfter = refusal.retryAfter;
  }
}

/** Whether the server could not say: never a reason to call somebody signed out. */
export function isOutage(error: AuthError): boolean {
  return error.status === 0 || error.status >= 500;
}

/** Whether the server said that nobody is signed in here. A wrong password is not that. */
export function isSignedOut(error: AuthError): boolean {
  return error.status === 401 && error.code !== "invalid_credentials";
}

export interface Credentials {
  username: string;
  password: string;
  remember: boolean;
}

export interface FirstAdministrator {
  secret: string;
  username: string;
  email: string;
  password: string;
}

export interface PasswordChange {
  current_password: string;
  new_password: string;
}

export const api = {
  signIn: (credentials: Credentials) => call<User>("POST", "/api/auth/login", credentials),
  signOut: () => call<unknown>("POST", "/api/auth/logout"),
  me: (use: "use" | "look") => call<User>("GET", use === "use" ? "/api/me" : "/api/me?slide=false"),
  devices: async () => (await call<{ sessions: Device[] }>("GET", "/api/auth/sessions")).sessions,
  endDevice: (id: string) => call<unknown>("DELETE", `/api/auth/sessions/${encodeURIComponent(id)}`),
  endOtherDevices: async () => (await call<{ ended: number }>("DELETE", "/api/auth/sessions")).ended,
  confirmPassword: (password: string) => call<User>("POST", "/api/auth/reauthenticate", { password }),
  changePassword: (change: PasswordChange) => call<unknown>("POST", "/api/auth/password/change", change),
  setup: () => call<Setup>("GET", "/api/auth/setup"),
  makeFirstAdministrator: (first: FirstAdministrator) => call<User>("POST", "/api/auth/setup", first),
};

type Method = "GET" | "POST" | "DELETE";

const timeLimit = 20_000;

async function call<Answer>(method: Method, path: string, body?: object): Promise<Answer> {
  try {
    return await callOnce<Answer>(method, path, body);
  } catch (error) {
    if (!(error instanceof AuthError) || error.code !== "csrf_failed") throw error;
    // The request was refused before it did anything: fetch a token and repeat it once.
    await callOnce("GET", "/api/auth/csrf");
    return callOnce<Answer>(method, path, body);
  }
}

async function callOnce<Answer>(method: Method, path: string, body?: object): Promise<Answer> {
  const headers = new Headers({ Accept: "application/json, application/problem+json" });
  if (body) headers.set("Content-Type", "application/json");
  const token = method === "GET" ? "" : cookie(document.cookie, "csrftoken");
  if (token) headers.set("X-CSRFToken", token);

  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store", redirect: "error" };
  if (body) init.body = JSON.stringify(body);

  let response: Response;
  let text: string;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.timeout(timeLimit) });
    text = await response.text();
  } catch {
    throw new AuthError({ code: "unreachable", status: 0 });
  }
  const answer = parse(text);
  if (!response.ok) throw refusal(response.status, answer, response.headers.get("Retry-After"), Date.now());
  if (answer === undefined) throw new AuthError({ code: "unexpected_answer", status: 502 });
  return answer as Answer;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a proxy's own page, or an answer cut short
  }
}

/** Reads a refusal from whatever came back: ours is problem+json, a proxy's may be anything. */
export function refusal(status: number, body: unknown, retryAfter: string | null, now: number): AuthError {
  const problem: Record<string, unknown> = isRecord(body) ? body : {};
  const seconds = retrySeconds(retryAfter, now);
  return new AuthError({
    status,
    code: typeof problem["code"] === "string" ? problem["code"] : `http_${status}`,
    detail: typeof problem["detail"] === "string" ? problem["detail"] : "",
    errors: fieldErrors(problem["errors"]),
    ...(seconds !== undefined && { retryAfter: seconds }),
  });
}

function fieldErrors(value: unknown): FieldErrors {
  if (!isRecord(value)) return {};
  const out: Record<string, string[]> = {};
  for (const [field, sentences] of Object.entries(value)) {
    const list = (Array.isArray(sentences) ? sentences : [sentences]).filter((s) => typeof s === "string");
    if (list.length > 0) out[field] = list;
  }
  return out;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Retry-After as RFC 9110 has it, seconds or a date; at least 1, and undefined when it is neither. */
export function retrySeconds(header: string | null, now: number): number | undefined {
  if (!header) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Math.max(1, Number(header));
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(1, Math.ceil((at - now) / 1000));
}

/** The value of one cookie in a `document.cookie` string, or "" when it isn't there. */
export function cookie(cookies: string, name: string): string {
  for (const pair of cookies.split(";")) {
    const [key, ...rest] = pair.trim().split("=");
    if (key === name) return rest.join("=");
  }
  return "";
}
