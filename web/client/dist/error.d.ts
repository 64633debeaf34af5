import type { ErrorCode, PendingStep } from "./types.js";
/** For each field the sentences to show beside it. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;
/** Why a call failed. Branch on `code`, show `detail`, and show each of `errors` beside its field. */
export declare class AuthError extends Error {
    readonly code: ErrorCode;
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number;
    /** A sentence for the user; "" if the server sent none. */
    readonly detail: string;
    readonly errors: FieldErrors;
    /** Seconds to wait before the next attempt; undefined if the server sent no Retry-After. */
    readonly retryAfter?: number | undefined;
    /** For `second_factor_required`: what the sign-in waits for. */
    readonly pending?: PendingStep | undefined;
    /** For `fresh_sign_in_required` and `full_sign_in_required`: what would do, as in `FreshSignIn`. */
    readonly factors?: readonly string[] | undefined;
    constructor(code: ErrorCode, 
    /** The HTTP status; 0 if there was no answer. */
    status: number, 
    /** A sentence for the user; "" if the server sent none. */
    detail?: string, errors?: FieldErrors, 
    /** Seconds to wait before the next attempt; undefined if the server sent no Retry-After. */
    retryAfter?: number | undefined, 
    /** For `second_factor_required`: what the sign-in waits for. */
    pending?: PendingStep | undefined, 
    /** For `fresh_sign_in_required` and `full_sign_in_required`: what would do, as in `FreshSignIn`. */
    factors?: readonly string[] | undefined);
}
/** Reads a refusal without consuming its body. Cloakroom sends problem+json; a proxy's body may be anything. */
export declare function refusal(response: Response): Promise<AuthError>;
