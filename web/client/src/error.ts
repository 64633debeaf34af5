import type { ErrorCode, PendingStep } from "./types.js";

/** For each field the sentences to show beside it. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;

/** Why a call failed. Branch on `code`, show `detail`, and show each of `errors` beside its field. */
export class AuthError extends Error {
  constructor(
    readonly code: ErrorCode,
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number,
    /** A sentence for the user; "" if the server sent none. */
    readonly detail = "",
    readonly errors: FieldErrors = {},
    /** Seconds to wait before the next attempt; undefined if the server sent no Retry-After. */
    readonly retryAfter?: number,
    /** For `second_factor_required`: what the sign-in waits for. */
    readonly pending?: PendingStep,
    /** For `fresh_sign_in_required` and `full_sign_in_required`: what would do, as in `FreshSignIn`. */
    readonly factors?: readonly string[],
  ) {
    super(detail || code);
    this.name = "AuthError";
  }
}

/** Reads a refusal without consuming its body. Cloakroom sends problem+json; a proxy's body may be anything. */
export async function refusal(response: Response): Promise<AuthError> {
  const { status, headers } = response;
  const { code, detail, errors, pending, factors } = await response.clone().json().then(Object, () => ({}));
  // Retry-After may also be a date (RFC 9110), which Cloakroom never sends.
  return new AuthError(code ?? `http_${status}`, status, detail, errors, +headers.get("retry-after")! || undefined, pending, factors);
}
