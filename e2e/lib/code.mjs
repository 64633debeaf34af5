// Codes that are mailed to a proven address.

import assert from "node:assert/strict";
import { admin } from "./server.mjs";

/** The code that a mail has. */
export const codeIn = (text) => /^ {4}(\d{4} \d{4})$/m.exec(text)[1];

/** Of the administrator that `makeProven` makes. */
export const password = "two hangers for each coat";

/** Makes the administrator, who sets a password by mail, which proves the address. */
export async function makeProven(server) {
  const setup = new URL(await server.setupLink()).hash.slice(1);
  await server.post("/api/auth/setup", { secret: setup, ...admin });
  assert.equal((await server.post("/api/auth/password/forgot", { email: admin.email })).status, 202);
  const secret = /^http\S+#(\S+)$/m.exec(await server.mail("reset_first"))[1];
  assert.equal((await server.post("/api/auth/password/reset", { secret, new_password: password })).status, 200);
}
