import { useEffect, useState } from "react";

/**
 * Takes a one-time link's secret out of the address bar, so that it is neither
 * seen over a shoulder nor kept in the history. "" when there is none.
 */
export function takeSecret(): string {
  const secret = location.hash.slice(1);
  if (secret) history.replaceState(null, "", location.pathname);
  return secret;
}

/** The secret that the page was opened with, or that of a link pasted into this very tab, which loads nothing. */
export function useSecret(first: string): string {
  const [secret, setSecret] = useState(first);
  useEffect(() => {
    const pasted = () => setSecret((had) => takeSecret() || had);
    window.addEventListener("hashchange", pasted);
    return () => window.removeEventListener("hashchange", pasted);
  }, []);
  return secret;
}
