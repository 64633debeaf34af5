import type { News } from "./tabs.js";
/**
 * Passes the server's news on until `signal` aborts; then it is fulfilled. Whenever news may have been missed it passes
 * "changed" on. The browser connects again after a lost connection; after a refusal it doesn't, so that is done here.
 */
export declare function stream(url: URL, signal: AbortSignal, pass: (news: News) => void): Promise<void>;
