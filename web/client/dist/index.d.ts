export { createAuth } from "./auth.js";
export type { Auth, AuthOptions, AuthState, Enrolment, EnrolmentOfApp, FreshSignIn, MailedCode, Pending, SignIn } from "./auth.js";
export { createClient } from "./client.js";
export type { Client } from "./client.js";
export { AuthError } from "./error.js";
export type { FieldErrors } from "./error.js";
export type { SenderOptions } from "./send.js";
export type * from "./types.js";
