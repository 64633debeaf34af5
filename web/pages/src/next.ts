/** The account page, to which a sign-in without a valid `next` leads. */
export const accountPath = "/auth/account";

/** The account page for a person who has just set a new password by a link: it asks whether all ways in are theirs. */
export const afterResetPath = `${accountPath}?reset`;

/** The path of the sign-in page, with the way back to `path`. */
export function signInPath(path: string): string {
  return `/signin?next=${encodeURIComponent(path)}`;
}

/**
 * Returns the path to open after sign-in. Anyone can write `?next=` into a link, so only a path of this site is returned;
 * everything else becomes `accountPath`.
 *
 * Browsers drop tabs and newlines from a URL and read "\" as "/". A value with such a character is therefore refused before
 * it is parsed, and so is one with any blank, control or format character of Unicode. Letters of any script are accepted,
 * since the parsed URL has them encoded.
 */
export function safeNext(next: string | null, origin: string): string {
  if (!next || !/^\/(?!\/)[^\\\p{C}\p{Z}]*$/u.test(next)) return accountPath;
  if (!URL.canParse(next, origin)) return accountPath;
  const url = new URL(next, origin);
  // "/.//host" becomes "//host" once its dots are resolved.
  if (url.origin !== origin || url.pathname.startsWith("//")) return accountPath;
  if (/^\/signin\/?$/.test(url.pathname)) return accountPath;
  return url.pathname + url.search + url.hash;
}
