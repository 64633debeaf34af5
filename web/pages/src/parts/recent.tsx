import { texts } from "../texts.ts";

const recent = 72 * 3600 * 1000;

/** Marks a way into the account that was added in the last 72 hours. */
export function Recent({ at }: { at: string }) {
  return Date.now() - Date.parse(at) < recent ? <span className="badge">{texts.account.recent}</span> : null;
}
