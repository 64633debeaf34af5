import { useEffect, useState } from "react";

let taken = "";

/**
 * Returns a one-time link's secret, or what the server says about a visit to a provider; "" if there is neither. It removes it from
 * the address bar, so that a secret can't be read over a shoulder, and nothing stays in the history.
 */
export function takeLinkSecret(): string {
  const secret = location.hash.slice(1);
  if (secret) {
    history.replaceState(null, "", location.pathname + location.search);
    taken = secret;
  }
  return secret;
}

/** Puts the secret back into the address, for a page that is about to load itself again. */
export function restoreLinkSecret(): void {
  if (taken) history.replaceState(null, "", `${location.pathname}${location.search}#${taken}`);
}

/** The secret that the page was opened with. If a new link is pasted into this tab, which loads no page, its secret replaces it. */
export function useLinkSecret(first: string): string {
  const [secret, setSecret] = useState(first);
  useEffect(() => {
    const pasted = () => setSecret((previous) => takeLinkSecret() || previous);
    window.addEventListener("hashchange", pasted);
    return () => window.removeEventListener("hashchange", pasted);
  }, []);
  return secret;
}
