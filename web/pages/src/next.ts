/** Where a person goes who signed in without saying where to. */
export const home = "/auth/account";

/** The sign-in page that leads back to a path. */
export function signInFor(path: string): string {
  return `/signin?next=${encodeURIComponent(path)}`;
}

/**
 * The path to follow after sign-in. Anybody can write `?next=` into a link, so
 * only a path of this very site is followed, and everything else is `home`.
 *
 * Browsers drop tabs and newlines from a URL and read "\" as "/", so a value with
 * any such character is refused before it is parsed, as are all blanks, control
 * and format characters of Unicode. Its letters are followed: the parsed URL has
 * them encoded.
 */
export function safeNext(next: string | null, origin: string): string {
  if (!next || !/^\/(?!\/)[^\\\p{C}\p{Z}]*$/u.test(next)) return home;
  if (!URL.canParse(next, origin)) return home;
  const url = new URL(next, origin);
  // "/.//host" becomes "//host" once its dots are resolved.
  if (url.origin !== origin || url.pathname.startsWith("//")) return home;
  if (/^\/signin\/?$/.test(url.pathname)) return home;
  return url.pathname + url.search + url.hash;
}
