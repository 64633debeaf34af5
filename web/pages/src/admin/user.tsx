import { useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import type { User } from "../api.ts";
import { formatDay, formatFull } from "../dates.ts";
import { look } from "../look.ts";
import { Button } from "../parts/button.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { Checkbox } from "../parts/field.tsx";
import { Heading } from "../parts/layout.tsx";
import { Notice } from "../parts/notice.tsx";
import { ShownOnce } from "../parts/shown-once.tsx";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { FactorTable } from "./factor-table.tsx";
import { Loaded, MutationProblem } from "./loaded.tsx";
import { adminPath, mutations, useAdminMutation, useUser, useUserFactors, useUserSessions, useUserTokens } from "./queries.ts";
import { SessionTable } from "./session-table.tsx";
import { SetPassword } from "./set-password.tsx";
import { TokenTable } from "./token-table.tsx";
import type { AdminUser, ResetLink } from "./types.ts";
import { useFlash } from "./use-flash.ts";
import { UserExtra } from "./user-extra.tsx";
import { UserForm } from "./user-form.tsx";
import { UserBadges } from "./users.tsx";

const t = texts.admin.user;

export function UserPage({ me }: { me: User }) {
  const { id = "" } = useParams();
  const user = useUser(id);
  return (
    <>
      <p><Link to={adminPath("users")}>{texts.admin.users.back}</Link></p>
      <Loaded query={user}>{(user) => <UserDetails key={user.id} me={me} user={user} />}</Loaded>
    </>
  );
}

function UserDetails({ me, user }: { me: User; user: AdminUser }) {
  const id = String(user.id);
  const [done, setDone] = useFlash();
  // What the form begins with: the user as loaded first, and after a save as the server answered. What was typed is compared with it, whatever
  // is loaded meanwhile: another administrator's change must not look like one that was typed here.
  const [shown, setShown] = useState(user);
  const [saves, setSaves] = useState(0); // the form's key
  const change = useAdminMutation(mutations.changeUser);
  return (
    <>
      <Heading page={user.username} focus>{user.username}</Heading>
      <p className="muted">
        {texts.account.since(formatDay(user.date_joined))}
        {" · "}
        {user.last_login ? <time dateTime={user.last_login}>{t.lastLogin(formatFull(user.last_login))}</time> : t.neverIn}
      </p>
      <UserBadges user={user} />
      {!user.has_password && <Notice tone="plain"><p>{t.noPassword}</p></Notice>}
      {done && <Notice tone="good">{done}</Notice>}
      {hasPermission(me, "auth.change_user") ? (
        <section className="panel" aria-labelledby="change-heading">
          <h2 id="change-heading">{t.changeHeading}</h2>
          <UserForm
            key={saves}
            me={me}
            user={shown}
            error={change.error}
            sending={change.isPending}
            submit={t.save}
            onSend={(what) => {
              setDone("");
              change.mutate({ id, change: what }, {
                onSuccess: (saved) => {
                  setShown(saved);
                  setSaves(saves + 1);
                  setDone(t.saved);
                },
              });
            }}
          />
        </section>
      ) : <Facts user={user} />}
      {!look.noExtra && <UserExtra me={me} user={user} />}
      {hasPermission(me, "sessions.view_session") && <WhereSignedIn me={me} id={id} />}
      {hasPermission(me, "authtoken.view_token") && <UserTokens me={me} id={id} />}
      {hasPermission(me, "auth.change_user") && <UserFactors me={me} user={user} />}
      {hasPermission(me, "admin.view_logentry") && <p><Link to={`${adminPath("audit")}?user=${id}`}>{t.audit}</Link></p>}
      {(hasPermission(me, "auth.change_user") || hasPermission(me, "auth.delete_user")) && <UserActions me={me} user={user} onDone={setDone} />}
    </>
  );
}

function WhereSignedIn({ me, id }: { me: User; id: string }) {
  const sessions = useUserSessions(id);
  const heading = useRef<HTMLHeadingElement>(null);
  const [done, setDone] = useState("");
  return (
    <section className="panel" aria-labelledby="sessions-heading">
      <h2 id="sessions-heading" ref={heading} tabIndex={-1}>{t.sessionsHeading}</h2>
      {done && <Notice tone="good">{done}</Notice>}
      <Loaded query={sessions}>
        {(list) => list.length > 0
          ? <SessionTable me={me} sessions={list} onEnded={(message) => {
            setDone(message);
            heading.current?.focus(); // the button that had the focus was removed
          }} />
          : <p className="empty">{t.noSessions}</p>}
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
          ? <TokenTable me={me} tokens={list} onRevoked={(message) => {
            setDone(message);
            heading.current?.focus(); // the button that had the focus was removed
          }} />
          : <p className="empty">{t.noTokens}</p>}
      </Loaded>
    </section>
  );
}

/** A user's second factors. They are loaded by a button, since the server asks for all that a sign-in would ask for. */
function UserFactors({ me, user }: { me: User; user: AdminUser }) {
  const [shown, setShown] = useState(false);
  const [done, setDone] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  return (
    <section className="panel" aria-labelledby="factors-heading">
      <h2 id="factors-heading" ref={heading} tabIndex={-1}>{t.factorsHeading}</h2>
      {done && <Notice tone="good">{done}</Notice>}
      {!shown && <div className="row"><Button onClick={() => {
        setShown(true);
        heading.current?.focus(); // the button that had the focus is removed
      }}>{t.factorsShow}</Button></div>}
      {shown && <ShownFactors me={me} user={user} onRemoved={() => {
        setDone(t.factorsRemoved(user.username));
        heading.current?.focus(); // the button that had the focus was removed
      }} />}
    </section>
  );
}

function ShownFactors({ me, user, onRemoved }: { me: User; user: AdminUser; onRemoved: () => void }) {
  const id = String(user.id);
  const factors = useUserFactors(id);
  const remove = useAdminMutation(mutations.removeFactors);
  return (
    <Loaded query={factors}>
      {({ factors, recovery_codes }) => (
        <>
          <MutationProblem error={remove.error} />
          {factors.length === 0 ? <p className="empty">{t.factorsNone}</p> : (
            <>
              <FactorTable factors={factors} />
              <p className="muted">{texts.waysIn.codesLeft(recovery_codes)}</p>
              {user.id !== me.id && (
                <UserAction what={t.factorsRemoveWhat}>
                  <Confirm question={t.factorsRemoveSure(user.username)} yes={t.factorsRemoveYes} no={t.no} sending={remove.isPending}
                    onYes={() => remove.mutate(id, { onSuccess: onRemoved })}>{t.factorsRemove}</Confirm>
                </UserAction>
              )}
            </>
          )}
        </>
      )}
    </Loaded>
  );
}

/** A user's fields, for an administrator who may not change them. */
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

/** What an administrator can do with an account, beginning with the mildest. */
function UserActions({ me, user, onDone }: { me: User; user: AdminUser; onDone: (message: string) => void }) {
  const id = String(user.id);
  const navigate = useNavigate();
  const heading = useRef<HTMLHeadingElement>(null);
  const [link, setLink] = useState<ResetLink>();
  const reset = useAdminMutation(mutations.resetLink);
  const end = useAdminMutation(mutations.revokeAll);
  const [ends, setEnds] = useState(0); // the key of its question, which closes once it is answered
  const disable = useAdminMutation(mutations.disableUser);
  const enable = useAdminMutation(mutations.enableUser);
  const compromised = useAdminMutation(mutations.declareCompromised);
  const keepFactors = useRef<HTMLInputElement>(null);
  const remove = useAdminMutation(mutations.deleteUser, "gone");
  const self = user.id === me.id;
  const change = hasPermission(me, "auth.change_user");
  const report = (message: string) => () => {
    onDone(message);
    heading.current?.focus(); // the button that had the focus may have been removed
  };
  return (
    <section className="panel" aria-labelledby="actions-heading">
      <h2 id="actions-heading" ref={heading} tabIndex={-1}>{t.actionsHeading}</h2>
      {[reset, end, disable, enable, compromised, remove].map(({ error }, i) => <MutationProblem key={i} error={error} />)}
      {link && (
        <ShownOnce
          key={link.link}
          sentence={`${t.linkMade(user.username, formatFull(link.expires_at))}${user.is_active ? "" : ` ${t.linkOnceEnabled}`}`}
          secret={link.link}
          onClose={() => {
            setLink(undefined);
            heading.current?.focus(); // the button that had the focus is removed
          }}
        />
      )}
      <div className="user-actions">
        {change && user.is_active && (
          <UserAction what={t.resetWhat}>
            <Button disabled={reset.isPending} onClick={() => reset.mutate(id, { onSuccess: setLink })}>{t.reset}</Button>
          </UserAction>
        )}
        {change && !self && (
          <UserAction what={t.passwordWhat}>
            <SetPassword user={user} onDone={report(t.passwordSet(user.username))} />
          </UserAction>
        )}
        {change && (
          <UserAction what={t.endWhat}>
            <Confirm key={ends} question={t.endSure(user.username)} yes={t.endYes} no={t.no} sending={end.isPending}
              onYes={() => end.mutate(id, {
                onSuccess: () => {
                  setEnds(ends + 1);
                  report(t.ended(user.username))();
                },
              })}>{t.end}</Confirm>
          </UserAction>
        )}
        {change && user.is_active && !self && (
          <UserAction what={t.disableWhat}>
            <Confirm question={t.disableSure(user.username)} yes={t.disableYes} no={t.no} sending={disable.isPending}
              onYes={() => disable.mutate(id, { onSuccess: report(t.disabled(user.username)) })}>{t.disable}</Confirm>
          </UserAction>
        )}
        {change && !user.is_active && (
          <UserAction what={user.has_password ? t.enableWhat : t.enableWhatNoPassword}>
            <Button disabled={enable.isPending} onClick={() => enable.mutate(id, { onSuccess: report(t.enabled(user.username)) })}>{t.enable}</Button>
          </UserAction>
        )}
        {change && !self && (
          <UserAction what={t.compromisedWhat}>
            <Confirm key={link?.link ?? ""} question={t.compromisedSure(user.username)} yes={t.compromisedYes} no={t.no} sending={compromised.isPending}
              option={<Checkbox ref={keepFactors} name="keep_factors" label={t.compromisedKeep} />}
              onYes={() => compromised.mutate({ id, keep_factors: keepFactors.current?.checked ?? false }, { onSuccess: setLink })}>{t.compromised}</Confirm>
          </UserAction>
        )}
        {hasPermission(me, "auth.delete_user") && !self && (
          <UserAction what={t.deleteWhat}>
            <Confirm question={t.deleteSure(user.username)} yes={t.deleteYes} no={t.no} sending={remove.isPending}
              onYes={() => remove.mutate(id, { onSuccess: () => void navigate(adminPath("users"), { replace: true, state: { done: t.deleted(user.username) } }) })}>{t.delete}</Confirm>
          </UserAction>
        )}
      </div>
    </section>
  );
}

function UserAction({ what, children }: { what: string; children: React.ReactNode }) {
  return <div className="user-action"><p>{what}</p>{children}</div>;
}
