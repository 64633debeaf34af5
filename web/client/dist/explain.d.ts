/** Says, once, why a page of another origin than the server's gets nowhere, if that can be seen. `failed`: a request got no answer. */
export declare function explain(page: URL, server: URL, failed?: boolean): void;
