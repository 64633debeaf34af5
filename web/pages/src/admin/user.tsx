import { useRef, useState } from "react";
import { Link, useLocation, useNavigate, useParams } from "react-router";
import type { User } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { Notice } from "../parts/notice.tsx";
import { Heading } from "../parts/shell.tsx";
import { Sure } from "../parts/sure.tsx";
import { texts } from "../texts.ts";
import { day, exactly } from "../when.ts";
import { deeds, home, may, useDeed, useUser, useUserSessions, type AdminUser, type ResetLink } from "./data.ts";
import { DeedProblem, Loaded } from "./loaded.tsx";
import { SessionTable } from "./session-table.tsx";
import { UserForm } from "./user-form.tsx";
import { Rights } from "./users.tsx";

const t = texts.admin.user;

export function UserPage({ me }: { me: User }) {
  const { id = "" } = useParams();
  const user = useUser(id);
  return (
    <>
      <p><Link to={home("users")}>{texts.admin.users.back}</Link></p>
      <Loaded query={user}>{(user) => <Shown key={user.id} me={me} user={user} />}</Loaded>
    </>
  );
}

function Shown({ me, user }: { me: User; user: AdminUser }) {
  const id = String(user.id);
  const arrived = useLocation().state as { done?: string } | null;
  const [done, setDone] = useState(arrived?.done ?? "");
  const change = useDeed(deeds.changeUser);
  return (
    <>
      <Heading page={user.username} focus>{user.username}</Heading>
      <p className="who-more">
        {texts.account.since(day(user.date_joined))}
        {" · "}
        {user.last_login ? <time dateTime={user.last_login}>{t.lastLogin(exactly(user.last_login))}</time> : t.neverIn}
      </p>
      <Rights user={user} />
      {!user.has_password && <Notice tone="plain"><p>{t.noPassword}</p></Notice>}
      {done && <Notice tone="good">{done}</Notice>}
      {may(me, "auth.change_user") && (
        <section className="panel" aria-labelledby="change-heading">
          <h2 id="change-heading">{t.changeHeading}</h2>
          <UserForm
            key={change.submittedAt}
            me={me}
            user={user}
            error={change.error}
            sending={change.isPending}
            submit={t.save}
            onSend={(what) => {
              setDone("");
              change.mutate({ id, change: what }, { onSuccess: () => setDone(t.saved) });
            }}
          />
        </section>
      )}
      {may(me, "sessions.view_session") && <WhereSignedIn me={me} id={id} />}
      {may(me, "auth.change_user") && <Measures me={me} user={user} onDone={setDone} />}
    </>
  );
}

function WhereSignedIn({ me, id }: { me: User; id: string }) {
  const sessions = useUserSessions(id);
  return (
    <section className="panel" aria-labelledby="sessions-heading">
      <h2 id="sessions-heading">{t.sessionsHeading}</h2>
      <Loaded query={sessions}>
        {(list) => list.length > 0 ? <SessionTable me={me} sessions={list} /> : <p className="empty">{t.noSessions}</p>}
      </Loaded>
    </section>
  );
}

/** What an administrator can do to a user, the milder first. */
function Measures({ me, user, onDone }: { me: User; user: AdminUser; onDone: (said: string) => void }) {
  const id = String(user.id);
  const navigate = useNavigate();
  const heading = useRef<HTMLHeadingElement>(null);
  const [link, setLink] = useState<ResetLink>();
  const reset = useDeed(deeds.resetLink);
  const end = useDeed(deeds.endEverything);
  const disable = useDeed(deeds.disableUser);
  const enable = useDeed(deeds.enableUser);
  const remove = useDeed(deeds.deleteUser);
  const self = user.id === me.id;
  const said = (sentence: string) => () => {
    onDone(sentence);
    heading.current?.focus(); // what had the focus may be gone
  };
  return (
    <section className="panel" aria-labelledby="measures-heading">
      <h2 id="measures-heading" ref={heading} tabIndex={-1}>{t.measuresHeading}</h2>
      {[reset, end, disable, enable, remove].map(({ error }, i) => <DeedProblem key={i} error={error} />)}
      {link && (
        <Notice tone="good">
          <p>{t.linkMade(user.username, exactly(link.expires_at))}</p>
          <pre tabIndex={0}><code>{link.link}</code></pre>
          <div className="row"><Button onClick={() => setLink(undefined)}>{t.linkKept}</Button></div>
        </Notice>
      )}
      <div className="measures">
        {user.is_active && (
          <Measure what={t.resetWhat}>
            <Button off={reset.isPending} onClick={() => reset.mutate(id, { onSuccess: setLink })}>{t.reset}</Button>
          </Measure>
        )}
        <Measure what={t.endWhat}>
          <Sure question={t.endSure(user.username)} yes={t.endYes} no={t.no} sending={end.isPending}
            onYes={() => end.mutate(id, { onSuccess: said(t.ended(user.username)) })}>{t.end}</Sure>
        </Measure>
        {user.is_active && !self && (
          <Measure what={t.disableWhat}>
            <Sure question={t.disableSure(user.username)} yes={t.disableYes} no={t.no} sending={disable.isPending}
              onYes={() => disable.mutate(id, { onSuccess: said(t.disabled(user.username)) })}>{t.disable}</Sure>
          </Measure>
        )}
        {!user.is_active && (
          <Measure what={t.enableWhat}>
            <Button off={enable.isPending} onClick={() => enable.mutate(id, { onSuccess: said(t.enabled(user.username)) })}>{t.enable}</Button>
          </Measure>
        )}
        {may(me, "auth.delete_user") && !self && (
          <Measure what={t.deleteWhat}>
            <Sure question={t.deleteSure(user.username)} yes={t.deleteYes} no={t.no} sending={remove.isPending}
              onYes={() => remove.mutate(id, { onSuccess: () => void navigate(home("users"), { replace: true }) })}>{t.delete}</Sure>
          </Measure>
        )}
      </div>
    </section>
  );
}

function Measure({ what, children }: { what: string; children: React.ReactNode }) {
  return <div className="measure"><p>{what}</p>{children}</div>;
}
