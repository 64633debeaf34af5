/**
 * Warns once, in the console, if requests from a page to a server of another origin can't work, and says what to change.
 * `failed`: a request got no answer.
 */
export declare function explain(page: URL, server: URL, failed?: boolean): void;
/** Warns once, in the console, that browsers refuse passkeys at a page's address. */
export declare function explainPasskeys({ protocol, port, origin }: {
    protocol: string;
    port: string;
    origin: string;
}): void;
