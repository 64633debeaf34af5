import { restoreLinkSecret } from "./link-secret.ts";

const year = 31_536_000; // seconds

/** Keeps the language for a year, in a cookie that the server reads, and loads the page again in this language. */
export function chooseLanguage(tag: string): void {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `cloakroom_language=${tag}; Path=/; Max-Age=${year}; SameSite=Lax${secure}`;
  restoreLinkSecret();
  location.reload();
}
