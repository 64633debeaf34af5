export { createAuth } from "./auth.js";
export { createClient } from "./client.js";
export { AuthError } from "./error.js";
