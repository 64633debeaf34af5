import { useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import type { User } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { Notice } from "../parts/notice.tsx";
import { Heading } from "../parts/shell.tsx";
import { ShownOnce } from "../parts/shown-once.tsx";
import { Sure } from "../parts/sure.tsx";
import { may } from "../rights.ts";
import { texts } from "../texts.ts";
import { day, exactly } from "../when.ts";
import { useArrived } from "./arrived.ts";
import { deeds, home, useDeed, useUser, useUserSessions, useUserTokens } from "./data.ts";
import { DeedProblem, Loaded } from "./loaded.tsx";
import { SessionTable } from "./session-table.tsx";
import { TokenTable } from "./token-table.tsx";
import type { AdminUser, ResetLink } from "./types.ts";
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
  const [done, setDone] = useArrived();
  const [saves, setSaves] = useState(0); // after each the form shows what the server has
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
      {may(me, "auth.change_user") ? (
        <section className="panel" aria-labelledby="change-heading">
          <h2 id="change-heading">{t.changeHeading}</h2>
          <UserForm
            key={saves}
            me={me}
            user={user}
            error={change.error}
            sending={change.isPending}
            submit={t.save}
            onSend={(what) => {
              setDone("");
              change.mutate({ id, change: what }, {
                onSuccess: () => {
                  setSaves(saves + 1);
                  setDone(t.saved);
                },
              });
            }}
          />
        </section>
      ) : <Facts user={user} />}
      {may(me, "sessions.view_session") && <WhereSignedIn me={me} id={id} />}
      {may(me, "authtoken.view_token") && <UserTokens me={me} id={id} />}
      {may(me, "admin.view_logentry") && <p><Link to={`${home("audit")}?user=${id}`}>{t.audit}</Link></p>}
      {(may(me, "auth.change_user") || may(me, "auth.delete_user")) && <Measures me={me} user={user} onDone={setDone} />}
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

function UserTokens({ me, id }: { me: User; id: string }) {
  const tokens = useUserTokens(id);
  const heading = useRef<HTMLHeadingElement>(null);
  const [done, setDone] = useState("");
  return (
    <section className="panel" aria-labelledby="tokens-heading">
      <h2 id="tokens-heading" ref={heading} tabIndex={-1}>{texts.tokens.heading}</h2>
      {done && <Notice tone="good">{done}</Notice>}
      <Loaded query={tokens}>
        {(list) => list.length > 0
          ? <TokenTable me={me} tokens={list} onEnded={(said) => {
            setDone(said);
            heading.current?.focus(); // what had the focus is gone
          }} />
          : <p className="empty">{t.noTokens}</p>}
      </Loaded>
    </section>
  );
}

/** What is known of a user, for who may not change it. */
function Facts({ user }: { user: AdminUser }) {
  const facts = [
    [texts.field.email, user.email],
    [t.firstName, user.first_name],
    [t.lastName, user.last_name],
    [t.permissions, user.direct_permissions.join(", ")],
  ] as const;
  return (
    <dl className="panel facts">
      {facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value || "–"}</dd></div>)}
    </dl>
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
  const remove = useDeed(deeds.deleteUser, "gone");
  const self = user.id === me.id;
  const change = may(me, "auth.change_user");
  const said = (sentence: string) => () => {
    onDone(sentence);
    heading.current?.focus(); // what had the focus may be gone
  };
  return (
    <section className="panel" aria-labelledby="measures-heading">
      <h2 id="measures-heading" ref={heading} tabIndex={-1}>{t.measuresHeading}</h2>
      {[reset, end, disable, enable, remove].map(({ error }, i) => <DeedProblem key={i} error={error} />)}
      {link && (
        <ShownOnce sentence={t.linkMade(user.username, exactly(link.expires_at))} secret={link.link} onClose={() => setLink(undefined)} />
      )}
      <div className="measures">
        {change && user.is_active && (
          <Measure what={t.resetWhat}>
            <Button off={reset.isPending} onClick={() => reset.mutate(id, { onSuccess: setLink })}>{t.reset}</Button>
          </Measure>
        )}
        {change && (
          <Measure what={t.endWhat}>
            <Sure question={t.endSure(user.username)} yes={t.endYes} no={t.no} sending={end.isPending}
              onYes={() => end.mutate(id, { onSuccess: said(t.ended(user.username)) })}>{t.end}</Sure>
          </Measure>
        )}
        {change && user.is_active && !self && (
          <Measure what={t.disableWhat}>
            <Sure question={t.disableSure(user.username)} yes={t.disableYes} no={t.no} sending={disable.isPending}
              onYes={() => disable.mutate(id, { onSuccess: said(t.disabled(user.username)) })}>{t.disable}</Sure>
          </Measure>
        )}
        {change && !user.is_active && (
          <Measure what={t.enableWhat}>
            <Button off={enable.isPending} onClick={() => enable.mutate(id, { onSuccess: said(t.enabled(user.username)) })}>{t.enable}</Button>
          </Measure>
        )}
        {may(me, "auth.delete_user") && !self && (
          <Measure what={t.deleteWhat}>
            <Sure question={t.deleteSure(user.username)} yes={t.deleteYes} no={t.no} sending={remove.isPending}
              onYes={() => remove.mutate(id, { onSuccess: () => void navigate(home("users"), { replace: true, state: { done: t.deleted(user.username) } }) })}>{t.delete}</Sure>
          </Measure>
        )}
      </div>
    </section>
  );
}

function Measure({ what, children }: { what: string; children: React.ReactNode }) {
  return <div className="measure"><p>{what}</p>{children}</div>;
}
