import { useAuth } from "@cloakroom/client/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { useEffect, type ReactNode } from "react";
import { Link, Navigate, NavLink, Route, Routes, useLocation } from "react-router";
import { auth, type User } from "../api.ts";
import { ConfirmIdentity } from "../parts/confirm-identity.tsx";
import { Foot } from "../parts/foot.tsx";
import { Heading, Loading, Logo, TicketCard } from "../parts/layout.tsx";
import { Outage, OutageBanner } from "../parts/outage.tsx";
import { SignInFirst } from "../parts/sign-in-first.tsx";
import { SessionExpiring } from "../parts/session-expiring.tsx";
import { visibleSections } from "../permissions.ts";
import { texts } from "../texts.ts";
import { Audit } from "./audit.tsx";
import { Groups } from "./groups.tsx";
import { Invitations } from "./invitations.tsx";
import { NewUser } from "./new-user.tsx";
import { adminPath, queries } from "./queries.ts";
import { Sessions } from "./sessions.tsx";
import { UserPage } from "./user.tsx";
import { Users } from "./users.tsx";

const t = texts.admin;

/** The administration, below /auth/admin. */
export function Admin() {
  const state = useAuth();
  const { pathname, search } = useLocation();
  const id = state.user?.id;
  useEffect(() => () => queries.clear(), [id]); // the next administrator must not see the cached answers of this one
  if (state.status === "anonymous") return <SignInFirst path={pathname + search} />;
  const down = state.status === "unavailable" && { error: state.error, retryAt: state.retryAt, onRetry: () => void auth.refresh() };
  const { user } = state;
  if (!user) return <TicketCard>{down ? <Outage page={t.page} {...down} /> : <Loading />}</TicketCard>;
  const sections = visibleSections(user);
  if (sections.length === 0) return <TicketCard><NoAccess user={user} /></TicketCard>;
  return (
    <QueryClientProvider client={queries}>
      <Frame user={user} sections={sections}>
        {down && <OutageBanner {...down} />}
        {state.status === "authenticated" && state.expiresAt && <SessionExpiring at={state.expiresAt} />}
        <Routes>
          <Route index element={<Navigate replace to={adminPath(sections[0]!.path)} />} />
          <Route path="users" element={<Users me={user} />} />
          <Route path="users/invitations" element={<Invitations me={user} />} />
          <Route path="users/new" element={<NewUser me={user} />} />
          <Route path="users/:id" element={<UserPage me={user} />} />
          <Route path="groups" element={<Groups me={user} />} />
          <Route path="sessions" element={<Sessions me={user} />} />
          <Route path="audit" element={<Audit me={user} />} />
        </Routes>
      </Frame>
      <ConfirmIdentity username={user.username} />
    </QueryClientProvider>
  );
}

function Frame({ user, sections, children }: { user: User; sections: ReturnType<typeof visibleSections>; children: ReactNode }) {
  return (
    <>
      <header className="bar bar-wide">
        <span className="brand"><Logo />{texts.product}</span>
        <nav aria-label={t.page}>
          {sections.map(({ path, name }) => <NavLink key={path} to={adminPath(path)}>{name}</NavLink>)}
        </nav>
        <Link to="/auth/account">{user.username}</Link>
      </header>
      <main className="admin">{children}</main>
      <Foot />
    </>
  );
}

function NoAccess({ user }: { user: User }) {
  return (
    <>
      <Heading page={t.page} focus>{t.noAccessHeading}</Heading>
      <p>{t.noAccess(user.username)}</p>
      <p><Link className="button button-main" to="/auth/account">{t.toAccount}</Link></p>
    </>
  );
}
