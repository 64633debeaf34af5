/** What decides whether a refused request is repeated. */
export interface Refused {
    readonly status: number;
    readonly code: string;
    /** What would do, if the server asks for a fresh sign-in. */
    readonly factors?: readonly string[] | undefined;
}
/** Removes the reason of a refusal if it can, and returns whether to repeat the request. `tried` is a new set for each request. */
export type Recover = (refused: Refused, tried: Set<string>) => Promise<boolean>;
/** Sends requests to the server. */
export interface Sender {
    readonly url: URL;
    /** Whether requests to this address get the session's cookie. */
    covers(address: string): boolean;
    /** The value for X-CSRFToken; "" until the server has asked for one. */
    csrfToken(): string;
    /** Fetches the CSRF token if it is missing or wrong. */
    recover: Recover;
    /**
     * `fetch` with the cookie and, once the server has asked for it, the CSRF token. Refused requests are repeated as `recover`
     * decides. Addresses that aren't covered get a plain `fetch`. `limit` is the time limit of each attempt in milliseconds; none: it has the signal of the request.
     */
    send(request: Request, recover: Recover, limit?: number): Promise<Response>;
}
export interface SenderOptions {
    /** The address of Cloakroom, such as "http://127.0.0.1:8000". Default: the page's origin. */
    url?: string | undefined;
    /** Further origins whose API uses the same session, such as "http://127.0.0.1:9000". */
    origins?: readonly string[] | undefined;
}
export declare function createSender(options: SenderOptions): Sender;
