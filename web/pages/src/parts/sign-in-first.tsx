import { useEffect } from "react";
import { Navigate } from "react-router";
import { look } from "../look.ts";
import { signInPath } from "../next.ts";
import { Loading, TicketCard } from "./layout.tsx";

/** Leads to the sign-in, which leads back to `path`: to the app's own page, if it has one. */
export function SignInFirst({ path }: { path: string }) {
  const own = look.signIn && `${look.signIn}?next=${encodeURIComponent(path)}`;
  useEffect(() => {
    if (own) location.replace(own);
  }, [own]);
  return own ? <TicketCard><Loading /></TicketCard> : <Navigate replace to={signInPath(path)} />;
}
