import type { ErrorCode } from "./types.js";

/** Field → sentences to show beside it. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;

/** Why a call failed. Branch on `code`, show `detail`, put `errors` beside their fields. */
export class AuthError extends Error {
  constructor(
    readonly code: ErrorCode,
    /** 0 when no answer came. */
    readonly status: number,
    /** A sentence for a person; "" when the server gave none. */
    readonly detail = "",
    readonly errors: FieldErrors = {},
    /** Seconds to wait before another try; undefined when the server named no time. */
    readonly retryAfter?: number,
  ) {
    super(detail || code);
    this.name = "AuthError";
  }
}

/** Reads a refusal, and leaves the body for others: ours is problem+json, that of a proxy may be anything. */
export async function refusal(response: Response): Promise<AuthError> {
  const { status, headers } = response;
  const { code, detail, errors } = await response.clone().json().then(Object, () => ({}));
  // Seconds. RFC 9110 has a date as well, which Cloakroom never sends.
  return new AuthError(code ?? `http_${status}`, status, detail, errors, +headers.get("retry-after")! || undefined);
}
