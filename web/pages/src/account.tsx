import { useCallback, useEffect, useState, type ReactNode } from "react";
import { useAction } from "./action.ts";
import { api, isOutage, type Device, type User } from "./api.ts";
import { ChangePassword } from "./change-password.tsx";
import { Devices } from "./devices.tsx";
import { refreshMe, tellOtherTabs, useMe } from "./me.ts";
import { home } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Problem } from "./parts/notice.tsx";
import { Outage, OutageBanner } from "./parts/outage.tsx";
import { Checking, Heading, Mark, Ticket } from "./parts/shell.tsx";
import { texts } from "./texts.ts";
import { day } from "./when.ts";

const t = texts.account;

export function Account() {
  const me = useMe("use");
  const out = me.state === "out";
  useEffect(() => {
    if (out) location.replace(`/signin?next=${encodeURIComponent(home)}`);
  }, [out]);

  if (me.state === "asking" || me.state === "out") return <Ticket><Checking /></Ticket>;
  if (!me.user) {
    const error = me.state === "unreachable" ? me.error : undefined;
    return <Ticket>{error && <Outage page={t.page} error={error} onRetry={() => void refreshMe()} />}</Ticket>;
  }
  return (
    <SignedIn key={me.user.id} user={me.user}>
      {me.state === "unreachable" && <OutageBanner error={me.error} onRetry={() => void refreshMe()} />}
    </SignedIn>
  );
}

function SignedIn({ user, children }: { user: User; children: ReactNode }) {
  const signOut = useAction(async () => {
    await api.signOut();
    tellOtherTabs();
    location.replace("/signin");
    return "leaving";
  });
  const { devices, load } = useDevices(user);
  const min = usePasswordLength();
  const outage = signOut.error && isOutage(signOut.error) ? t.notSignedOut : undefined;
  return (
    <>
      <header className="bar">
        <span className="brand"><Mark />{texts.product}</span>
        <Button off={signOut.sending} onClick={() => void signOut.run()}>{signOut.sending ? t.signingOut : t.signOut}</Button>
      </header>
      <main className="account">
        <Problem error={signOut.error} {...(outage && { outage })} />
        {children}
        <Heading page={t.page}>{t.heading}</Heading>
        <WhoYouAre user={user} />
        {load.error && <OutageBanner error={load.error} onRetry={() => void load.run()} />}
        {devices && <Devices username={user.username} devices={devices} onChange={load.run} />}
        <ChangePassword username={user.username} min={min} onChanged={load.run} />
      </main>
    </>
  );
}

/** The user's devices, asked for anew whenever the user is. */
function useDevices(user: User) {
  const [devices, setDevices] = useState<readonly Device[]>();
  const load = useAction(useCallback(async () => setDevices(await api.devices()), []));
  const { run } = load;
  useEffect(() => void run(), [run, user]);
  return { devices, load };
}

/** How long a new password has to be, for the hint; without it the server's own sentence says so. */
function usePasswordLength(): number | undefined {
  const [min, setMin] = useState<number>();
  useEffect(() => {
    api.setup().then((setup) => setMin(setup.password_min_length), () => undefined);
  }, []);
  return min;
}

function WhoYouAre({ user }: { user: User }) {
  const fullName = [user.first_name, user.last_name].filter(Boolean).join(" ");
  const badges = [user.is_superuser ? t.superuser : user.is_staff ? t.staff : "", ...user.groups].filter(Boolean);
  return (
    <div className="ticket-shadow">
      <div className="ticket ticket-wide">
        <div className="stub" aria-hidden="true">{initial(fullName || user.username)}</div>
        <div className="ticket-body">
          <p className="who">{fullName || user.username}</p>
          <p className="who-more">{[fullName && user.username, user.email].filter(Boolean).join(" · ")}</p>
          {badges.length > 0 && <p className="badges">{badges.map((name) => <span key={name} className="badge">{name}</span>)}</p>}
          <p className="who-more">{t.since(day(user.date_joined))}</p>
        </div>
      </div>
    </div>
  );
}

function initial(name: string): string {
  return ([...name][0] ?? "").toLocaleUpperCase();
}
