import { useEffect, useSyncExternalStore } from "react";
import { api, AuthError, isSignedOut, type User } from "./api.ts";

/**
 * Who is signed in, as far as this page knows. An outage keeps the user it had:
 * only the server's word makes it "out".
 */
export type Me =
  | { readonly state: "asking" }
  | { readonly state: "in"; readonly user: User }
  | { readonly state: "out"; readonly ended: boolean }
  | { readonly state: "unreachable"; readonly error: AuthError; readonly user: User | undefined };

let current: Me = { state: "asking" };
let asked: Promise<void> | undefined;
const readers = new Set<() => void>();
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("cloakroom") : undefined;

function become(me: Me): void {
  current = me;
  for (const reader of readers) reader();
}

/** Asks the server again; calls made meanwhile share the one answer. "look" does not count as a use of the session. */
export function refreshMe(as: "use" | "look" = "look"): Promise<void> {
  asked ??= ask(as).finally(() => (asked = undefined));
  return asked;
}

async function ask(as: "use" | "look"): Promise<void> {
  try {
    become({ state: "in", user: await api.me(as) });
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    if (isSignedOut(error)) become({ state: "out", ended: error.code === "session_ended" });
    else become({ state: "unreachable", error, user: userOf(current) });
  }
}

function userOf(me: Me): User | undefined {
  return me.state === "in" || me.state === "unreachable" ? me.user : undefined;
}

/** Tells this site's other tabs that somebody signed in or out. */
export function tellOtherTabs(): void {
  tabs?.postMessage("changed");
}

/** Who is signed in; asks at first use, when the page comes back into view, and when another tab says so. */
export function useMe(as: "use" | "look"): Me {
  useEffect(() => {
    if (current.state === "asking") void refreshMe(as);
  }, [as]);
  return useSyncExternalStore(subscribe, () => current);
}

function subscribe(reader: () => void): () => void {
  if (readers.size === 0) listen("add");
  readers.add(reader);
  return () => {
    readers.delete(reader);
    if (readers.size === 0) listen("remove");
  };
}

function listen(change: "add" | "remove"): void {
  const verb = `${change}EventListener` as const;
  window[verb]("pageshow", shownAgain as EventListener);
  window[verb]("online", look);
  document[verb]("visibilitychange", look);
  tabs?.[verb]("message", look);
}

function look(): void {
  if (document.visibilityState === "visible") void refreshMe();
}

// A page brought back by the Back button shows what it showed when it was left,
// which may be an account that has been signed out since: ask before showing it.
function shownAgain(event: PageTransitionEvent): void {
  if (!event.persisted) return;
  become({ state: "asking" });
  void refreshMe();
}
