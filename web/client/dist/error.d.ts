import type { ErrorCode } from "./types.js";
/** Field → sentences to show beside it. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>;
/** Why a call failed. Branch on `code`, show `detail`, put `errors` beside their fields. */
export declare class AuthError extends Error {
    readonly code: ErrorCode;
    /** 0 when no answer came. */
    readonly status: number;
    /** A sentence for a person; "" when the server gave none. */
    readonly detail: string;
    readonly errors: FieldErrors;
    /** Seconds to wait before another try; undefined when the server named no time. */
    readonly retryAfter?: number | undefined;
    constructor(code: ErrorCode, 
    /** 0 when no answer came. */
    status: number, 
    /** A sentence for a person; "" when the server gave none. */
    detail?: string, errors?: FieldErrors, 
    /** Seconds to wait before another try; undefined when the server named no time. */
    retryAfter?: number | undefined);
}
/** Reads a refusal, and leaves the body for others: ours is problem+json, that of a proxy may be anything. */
export declare function refusal(response: Response): Promise<AuthError>;
