/** A request that was refused, as far as it matters for trying again. */
export interface Refused {
    readonly status: number;
    readonly code: string;
}
/** Sees to what a request was refused for, and says whether to repeat it. `tried` is one set a request. */
export type Recover = (refused: Refused, tried: Set<string>) => Promise<boolean>;
/** How requests reach the server. */
export interface Sender {
    readonly url: URL;
    /** Whether requests to this address go with the session's cookie. */
    covers(address: string): boolean;
    /** What X-CSRFToken has to be; "" until the server has asked for one. */
    csrfToken(): string;
    /** Fetches the token where it is missing or wrong. */
    recover: Recover;
    /**
     * `fetch` with the cookie and, where it is asked for, the token; repeated as `recover` says. Addresses that aren't
     * covered get none of this. `limit` is the time for each try in milliseconds.
     */
    send(request: Request, recover: Recover, limit?: number): Promise<Response>;
}
export interface SenderOptions {
    /** Where Cloakroom is, such as "http://127.0.0.1:8000". Default: where the page is. */
    url?: string | undefined;
    /** Further origins whose API goes by the same session, such as "http://127.0.0.1:9000". */
    origins?: readonly string[] | undefined;
}
export declare function createSender(options: SenderOptions): Sender;
