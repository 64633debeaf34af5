import { useAuth } from "@cloakroom/client/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { useEffect, type ReactNode } from "react";
import { Link, Navigate, NavLink, Route, Routes, useLocation } from "react-router";
import { auth, type User } from "../api.ts";
import { signInFor } from "../next.ts";
import { FreshSignIn } from "../parts/confirm-password.tsx";
import { Expiring } from "../parts/expiring.tsx";
import { Outage, OutageBanner } from "../parts/outage.tsx";
import { Checking, Heading, Mark, Ticket } from "../parts/shell.tsx";
import { openTo } from "../rights.ts";
import { texts } from "../texts.ts";
import { Audit } from "./audit.tsx";
import { home, queries } from "./data.ts";
import { Groups } from "./groups.tsx";
import { NewUser } from "./new-user.tsx";
import { Sessions } from "./sessions.tsx";
import { UserPage } from "./user.tsx";
import { Users } from "./users.tsx";

const t = texts.admin;

/** The pages of administrators, below /auth/admin. */
export function Admin() {
  const state = useAuth();
  const { pathname, search } = useLocation();
  const id = state.user?.id;
  useEffect(() => () => queries.clear(), [id]); // what one administrator was shown is not for the next
  if (state.status === "anonymous") return <Navigate replace to={signInFor(pathname + search)} />;
  const down = state.status === "unavailable" && { error: state.error, retryAt: state.retryAt, onRetry: () => void auth.refresh() };
  const { user } = state;
  if (!user) return <Ticket>{down ? <Outage page={t.page} {...down} /> : <Checking />}</Ticket>;
  const open = openTo(user);
  if (open.length === 0) return <Ticket><NotForYou user={user} /></Ticket>;
  return (
    <QueryClientProvider client={queries}>
      <Frame user={user} open={open}>
        {down && <OutageBanner {...down} />}
        {state.status === "authenticated" && state.expiresAt && <Expiring at={state.expiresAt} />}
        <Routes>
          <Route index element={<Navigate replace to={home(open[0]!.path)} />} />
          <Route path="users" element={<Users me={user} />} />
          <Route path="users/new" element={<NewUser me={user} />} />
          <Route path="users/:id" element={<UserPage me={user} />} />
          <Route path="groups" element={<Groups me={user} />} />
          <Route path="sessions" element={<Sessions me={user} />} />
          <Route path="audit" element={<Audit me={user} />} />
        </Routes>
      </Frame>
      <FreshSignIn username={user.username} />
    </QueryClientProvider>
  );
}

function Frame({ user, open, children }: { user: User; open: ReturnType<typeof openTo>; children: ReactNode }) {
  return (
    <>
      <header className="bar bar-wide">
        <span className="brand"><Mark />{texts.product}</span>
        <nav aria-label={t.page}>
          {open.map(({ path, name }) => <NavLink key={path} to={home(path)}>{name}</NavLink>)}
        </nav>
        <Link to="/auth/account">{user.username}</Link>
      </header>
      <main className="admin">{children}</main>
    </>
  );
}

function NotForYou({ user }: { user: User }) {
  return (
    <>
      <Heading page={t.page} focus>{t.notForYouHeading}</Heading>
      <p>{t.notForYou(user.username)}</p>
      <p><Link className="button button-main" to="/auth/account">{t.toAccount}</Link></p>
    </>
  );
}
