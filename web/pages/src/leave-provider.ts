import type { SignedOut } from "@cloakroom/client";

/** After a sign-out, leads to the provider of the session, to sign out there as well, if the server says where. */
export function leaveProvider({ end_session_url: address }: SignedOut): void {
  // Not at once: the page may be about to lead to the sign-in, and the last one counts.
  if (address) setTimeout(() => location.assign(address));
}
