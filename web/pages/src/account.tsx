import { useAuth } from "@cloakroom/client/react";
import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { Link, useLocation, useNavigate } from "react-router";
import { api, auth, type Device, isOutage, type User } from "./api.ts";
import { locale } from "./catalogue.ts";
import { ChangePassword } from "./change-password.tsx";
import { formatDay } from "./dates.ts";
import { Devices } from "./devices.tsx";
import { leaveProvider } from "./leave-provider.ts";
import { LinkedAccounts } from "./linked-accounts.tsx";
import { accountPath } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { ConfirmIdentity } from "./parts/confirm-identity.tsx";
import { Foot } from "./parts/foot.tsx";
import { Heading, Loading, Logo, TicketCard } from "./parts/layout.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { Outage, OutageBanner } from "./parts/outage.tsx";
import { SignInFirst } from "./parts/sign-in-first.tsx";
import { SessionExpiring } from "./parts/session-expiring.tsx";
import { visibleSections } from "./permissions.ts";
import { Email } from "./email.tsx";
import { OwnData } from "./own-data.tsx";
import { Profile } from "./profile.tsx";
import { texts } from "./texts.ts";
import { Tokens } from "./tokens.tsx";
import { useAction } from "./use-action.ts";
import { usePasswordLength } from "./use-password-length.ts";
import { WaysIn } from "./ways-in.tsx";

const t = texts.account;

/** `fragment`: what the address said about a visit to a provider, such as "linked=google". */
export function Account({ fragment }: { fragment: string }) {
  const state = useAuth();
  if (state.status === "anonymous") return <SignInFirst path={accountPath} />;
  const down = state.status === "unavailable" && { error: state.error, retryAt: state.retryAt, onRetry: () => void auth.refresh() };
  if (!state.user) return <TicketCard>{down ? <Outage page={t.page} {...down} /> : <Loading />}</TicketCard>;
  return (
    <SignedIn key={state.user.id} user={state.user} fragment={fragment}>
      {down && <OutageBanner {...down} />}
      {state.status === "authenticated" && state.expiresAt && <SessionExpiring at={state.expiresAt} />}
    </SignedIn>
  );
}

function SignedIn({ user, fragment, children }: { user: User; fragment: string; children: ReactNode }) {
  const signOut = useAction(async () => {
    leaveProvider(await auth.logout());
    return "leaving";
  });
  const { devices, load } = useDevices(user);
  const { search } = useLocation();
  const navigate = useNavigate();
  const heading = useRef<HTMLHeadingElement>(null);
  const min = usePasswordLength();
  const [changes, setChanges] = useState(0); // each change of the ways in revokes tokens: the list is closed
  const outage = signOut.error && isOutage(signOut.error) ? t.notSignedOut : undefined;
  return (
    <>
      <header className="bar">
        <span className="brand"><Logo />{texts.product}</span>
        <Button disabled={signOut.sending} onClick={() => void signOut.run()}>{signOut.sending ? t.signingOut : t.signOut}</Button>
      </header>
      <main className="account">
        <Problem error={signOut.error} {...(outage && { outage })} />
        {children}
        {search === "?reset" && (
          <Notice tone="plain">
            <p>{t.afterReset}</p>
            <div className="row"><Button onClick={() => {
              heading.current?.focus(); // the button that has the focus is removed
              void navigate(accountPath, { replace: true });
            }}>{t.afterResetMine}</Button></div>
          </Notice>
        )}
        <Heading page={t.page} ref={heading}>{t.heading}</Heading>
        <Summary user={user} />
        {load.error && <OutageBanner error={load.error} onRetry={() => void load.run()} />}
        {devices && <Devices devices={devices} onChange={load.run} onSignOut={async () => leaveProvider(await auth.logout())} />}
        <WaysIn
          devices={devices}
          onEnded={async () => {
            setChanges((n) => n + 1);
            await load.run();
          }}
        />
        <LinkedAccounts fragment={fragment} onEnded={load.run} />
        <ChangePassword username={user.username} min={min} onChanged={load.run} />
        <Tokens key={changes} />
        <Profile user={user} />
        <Email user={user} />
        <OwnData user={user} />
        <ConfirmIdentity username={user.username} />
      </main>
      <Foot />
    </>
  );
}

/** The user's devices. They are loaded again whenever the user is. */
function useDevices(user: User) {
  const [devices, setDevices] = useState<readonly Device[]>();
  const load = useAction(useCallback(async () => setDevices(await api.devices()), []));
  const { run } = load;
  useEffect(() => void run(), [run, user]);
  return { devices, load };
}

function Summary({ user }: { user: User }) {
  const fullName = [user.first_name, user.last_name].filter(Boolean).join(" ");
  const badges = [user.is_superuser ? t.superuser : user.is_staff ? t.staff : "", ...user.groups].filter(Boolean);
  return (
    <div className="ticket-shadow">
      <div className="ticket ticket-wide">
        <div className="stub" aria-hidden="true">{initial(fullName || user.username)}</div>
        <div className="ticket-body">
          <p className="who">{fullName || user.username}</p>
          <p className="muted">{[fullName && user.username, user.email].filter(Boolean).join(" · ")}</p>
          {badges.length > 0 && <p className="badges">{badges.map((name) => <span key={name} className="badge">{name}</span>)}</p>}
          <p className="muted">{t.since(formatDay(user.date_joined))}</p>
          {visibleSections(user).length > 0 && <p><Link to="/auth/admin">{texts.admin.page}</Link></p>}
        </div>
      </div>
    </div>
  );
}

function initial(name: string): string {
  return ([...name][0] ?? "").toLocaleUpperCase(locale);
}
