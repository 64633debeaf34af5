import { restoreLinkSecret } from "./link-secret.ts";

const year = 31_536_000; // seconds

/** Keeps the language for a year, in a cookie that the server reads, and loads the page again in this language. */
export function chooseLanguage(tag: string): void {
  keepChoice(tag, year);
  reloadPage();
}

/** Forgets the language that was chosen in this browser. Pages are then in that of the account, or that which the browser asks for. */
export function forgetLanguage(): void {
  keepChoice("", 0);
}

/** Loads the page again, with the secret of its link. */
export function reloadPage(): void {
  restoreLinkSecret();
  location.reload();
}

function keepChoice(tag: string, seconds: number): void {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `cloakroom_language=${tag}; Path=/; Max-Age=${seconds}; SameSite=Lax${secure}`;
}
