import { AuthError } from "../api.ts";
import { texts } from "../texts.ts";
import type { AdminUser, UserChange } from "./types.ts";

export type JSONObject = Record<string, unknown>;

/** An object as its form shows it: "" if there is none. */
export function written(object: JSONObject | undefined): string {
  return object ? JSON.stringify(object, null, 2) : "";
}

/** Reports whether JavaScript keeps the numbers of an object as they are: it rounds large ones. */
export function isExact(object: JSONObject | undefined): boolean {
  let exact = true;
  JSON.stringify(object ?? {}, (_, value) => {
    if (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER) exact = false;
    return value;
  });
  return exact;
}

/**
 * Returns those of the typed objects that differ from the user's. "" is an object without members, which removes the old one. Throws an
 * `AuthError` that names the field of a text that is no JSON object, or that JavaScript can't keep as it is.
 */
export function changedExtra(typed: Readonly<Record<"extra" | "private_extra", string>>, user: AdminUser): UserChange {
  const errors: Record<string, string[]> = {};
  const change: UserChange = {};
  for (const name of ["extra", "private_extra"] as const) {
    if (typed[name].trim() === written(user[name])) continue;
    const object = readObject(typed[name]);
    if (!object) errors[name] = ["This is not a JSON object."]; // as the server says it
    else if (!isExact(object)) errors[name] = [texts.admin.user.extraInexact];
    else change[name] = object;
  }
  if (Object.keys(errors).length > 0) throw new AuthError("invalid", 400, "", errors);
  return change;
}

function readObject(text: string): JSONObject | undefined {
  if (!text.trim()) return {};
  try {
    const value: unknown = JSON.parse(text);
    return value && typeof value === "object" && !Array.isArray(value) ? (value as JSONObject) : undefined;
  } catch {
    return undefined;
  }
}
