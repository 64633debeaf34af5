import type { PasskeyRequest } from "./types.js";
/** Asks for a passkey; undefined: the person has refused, or `signal` was aborted. Fails with `passkey_failed`. */
export declare function get({ publicKey }: PasskeyRequest, more?: object): Promise<object | undefined>;
