import type { Personal } from "./api.ts";

/** Returns the fields that differ. Only they are sent, so that a save doesn't undo that of another page. */
export function changedPersonal(typed: Required<Personal>, before: Required<Personal>): Personal {
  return Object.fromEntries(Object.entries(typed).filter(([name, value]) => value !== before[name as keyof Personal]));
}
