import type { News } from "./tabs.js";
/**
 * Calls `pass` with the server's events until `signal` aborts, which resolves the promise. Whenever an event may have been
 * missed it passes "changed". The browser itself reconnects after a lost connection, but not after a refusal: this does.
 */
export declare function stream(url: URL, signal: AbortSignal, pass: (news: News) => void): Promise<void>;
