/** Why a call failed. Branch on `code`, show `detail`, and show each of `errors` beside its field. */
export class AuthError extends Error {
    constructor(code, 
    /** The HTTP status; 0 if there was no answer. */
    status, 
    /** A sentence for the user; "" if the server sent none. */
    detail = "", errors = {}, 
    /** Seconds to wait before the next attempt; undefined if the server sent no Retry-After. */
    retryAfter, 
    /** For `second_factor_required`: what the sign-in waits for. */
    pending, 
    /** For `fresh_sign_in_required` and `full_sign_in_required`: what would do, as in `FreshSignIn`. */
    factors) {
        super(detail || code);
        this.code = code;
        this.status = status;
        this.detail = detail;
        this.errors = errors;
        this.retryAfter = retryAfter;
        this.pending = pending;
        this.factors = factors;
        this.name = "AuthError";
    }
}
/** Reads a refusal without consuming its body. Cloakroom sends problem+json; a proxy's body may be anything. */
export async function refusal(response) {
    const { status, headers } = response;
    const { code, detail, errors, pending, factors } = await response.clone().json().then(Object, () => ({}));
    // Retry-After may also be a date (RFC 9110), which Cloakroom never sends.
    return new AuthError(code ?? `http_${status}`, status, detail, errors, +headers.get("retry-after") || undefined, pending, factors);
}
