/** Why a call failed. Branch on `code`, show `detail`, put `errors` beside their fields. */
export class AuthError extends Error {
    constructor(code, 
    /** 0 when no answer came. */
    status, 
    /** A sentence for a person; "" when the server gave none. */
    detail = "", errors = {}, 
    /** Seconds to wait before another try; undefined when the server named no time. */
    retryAfter) {
        super(detail || code);
        this.code = code;
        this.status = status;
        this.detail = detail;
        this.errors = errors;
        this.retryAfter = retryAfter;
        this.name = "AuthError";
    }
}
/** Reads a refusal, and leaves the body for others: ours is problem+json, that of a proxy may be anything. */
export async function refusal(response) {
    const { status, headers } = response;
    const { code, detail, errors } = await response.clone().json().then(Object, () => ({}));
    // Seconds. RFC 9110 has a date as well, which Cloakroom never sends.
    return new AuthError(code ?? `http_${status}`, status, detail, errors, +headers.get("retry-after") || undefined);
}
