import { useRef, useState } from "react";
import { Link } from "react-router";
import type { User } from "../api.ts";
import { formatFull } from "../dates.ts";
import { Button } from "../parts/button.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { Checkbox, Field } from "../parts/field.tsx";
import { Form } from "../parts/form.tsx";
import { Heading } from "../parts/layout.tsx";
import { Notice } from "../parts/notice.tsx";
import { Picker } from "../parts/picker.tsx";
import { ShownOnce } from "../parts/shown-once.tsx";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { useMethods } from "../use-methods.ts";
import { Loaded, MutationProblem } from "./loaded.tsx";
import { adminPath, mutations, useAdminMutation, useGroups, useInvitations } from "./queries.ts";
import type { Invitation, IssuedInvitation } from "./types.ts";

const t = texts.admin.invitations;

/** The open invitations, and a form for another one. */
export function Invitations({ me }: { me: User }) {
  const invitations = useInvitations();
  const signup = useMethods()?.signup;
  const heading = useRef<HTMLHeadingElement>(null);
  const [done, setDone] = useState("");
  const [issued, setIssued] = useState<IssuedInvitation>();
  const mayInvite = hasPermission(me, "auth.add_user") && signup !== "closed";
  const showIssued = (invitation: IssuedInvitation) => {
    setIssued(invitation.link ? invitation : undefined);
    setDone(invitation.link ? "" : t.invited(invitation.email));
  };
  return (
    <>
      <p><Link to={adminPath("users")}>{texts.admin.users.back}</Link></p>
      <Heading page={t.heading} ref={heading} focus>{t.heading}</Heading>
      <p className="muted">{t.intro}</p>
      {signup === "closed" && <Notice tone="plain">{t.closed}</Notice>}
      {done && <Notice tone="good">{done}</Notice>}
      {issued?.link && (
        <ShownOnce key={issued.link} sentence={t.printed(issued.email, formatFull(issued.expires_at))} secret={issued.link} onClose={() => {
          setIssued(undefined);
          heading.current?.focus(); // the button that had the focus is removed
        }} />
      )}
      <Loaded query={invitations}>
        {({ pages }) => <List invitations={pages.flatMap((page) => page.invitations)} mayInvite={mayInvite} onIssued={showIssued} onDone={(sentence) => {
          setIssued(undefined);
          setDone(sentence);
          heading.current?.focus(); // the button that had the focus was removed
        }} />}
      </Loaded>
      {invitations.hasNextPage && (
        <Button disabled={invitations.isFetchingNextPage} onClick={() => void invitations.fetchNextPage()}>
          {invitations.isFetchingNextPage ? texts.checking : texts.admin.more}
        </Button>
      )}
      {mayInvite && <NewInvitation me={me} onIssued={showIssued} />}
    </>
  );
}

interface ListProps {
  invitations: readonly Invitation[];
  mayInvite: boolean;
  onIssued: (invitation: IssuedInvitation) => void;
  onDone: (sentence: string) => void;
}

function List({ invitations, mayInvite, onIssued, onDone }: ListProps) {
  const again = useAdminMutation(mutations.inviteAgain);
  const withdraw = useAdminMutation(mutations.withdrawInvitation, "gone");
  const sending = again.isPending || withdraw.isPending;
  if (invitations.length === 0) return <p className="empty" role="status">{t.none}</p>;
  return (
    <>
      <MutationProblem error={again.error ?? withdraw.error} />
      <table>
        <caption className="visually-hidden">{t.heading}</caption>
        <thead>
          <tr>
            <th scope="col">{t.email}</th><th scope="col">{t.groups}</th><th scope="col">{t.by}</th><th scope="col">{t.expires}</th>
            {mayInvite && <th scope="col"><span className="visually-hidden">{t.acts}</span></th>}
          </tr>
        </thead>
        <tbody>
          {invitations.map(({ id, email, groups, inviter, inviter_id, printed, expires_at }) => (
            <tr key={id}>
              <th scope="row">{email}</th>
              <td data-label={t.groups}>{groups.length > 0 ? <span className="badges">{groups.map((name) => <span key={name} className="badge">{name}</span>)}</span> : "–"}</td>
              <td data-label={t.by}>{inviter_id === null ? t.operator : inviter || "–"}</td>
              <td data-label={t.expires}><time dateTime={expires_at}>{formatFull(expires_at)}</time></td>
              {mayInvite && (
                <td>
                  <div className="row">
                    <Button label={printed ? t.renewNamed(email) : t.sendNamed(email)} disabled={sending} onClick={() => again.mutate(id, { onSuccess: onIssued })}>
                      {printed ? t.renew : t.send}
                    </Button>
                    <Confirm label={t.withdrawNamed(email)} question={t.withdrawSure} yes={t.withdrawYes} no={texts.admin.user.no} sending={sending}
                      onYes={() => withdraw.mutate(id, { onSuccess: () => onDone(t.withdrawn(email)) })}>{t.withdraw}</Confirm>
                  </div>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function NewInvitation({ me, onIssued }: { me: User; onIssued: (invitation: IssuedInvitation) => void }) {
  const groups = useGroups(hasPermission(me, "auth.view_group"));
  const invite = useAdminMutation(mutations.invite);
  const [sent, setSent] = useState(0); // the form's key: what was refused stays typed
  const errors = invite.error?.errors ?? {};
  return (
    <section className="panel" aria-labelledby="invite-heading">
      <h2 id="invite-heading">{t.newHeading}</h2>
      <Form key={sent} error={invite.error ?? undefined} sending={invite.isPending} onSend={(field, all) =>
        invite.mutate({ email: field("email"), groups: all("groups"), language: field("language"), printed: all("printed").length > 0 }, {
          onSuccess: (invitation) => {
            setSent(sent + 1);
            onIssued(invitation);
          },
        })}>
        <MutationProblem error={invite.error} fields={["email", "groups"]} />
        <Field name="email" inputMode="email" label={t.email} autoComplete="off" errors={errors["email"]} />
        {groups.data && groups.data.length > 0 && (
          <Picker name="groups" label={t.groups} note={texts.field.optional} options={groups.data.map(({ name }) => name)} initial={[]} errors={errors["groups"]} />
        )}
        <Field name="language" label={t.language} note={texts.field.optional} required={false} autoComplete="off" defaultValue={document.documentElement.lang} />
        <Checkbox name="printed" value="on" label={t.print} />
        <Button type="submit" variant="main" disabled={invite.isPending}>{invite.isPending ? t.sending : t.submit}</Button>
      </Form>
    </section>
  );
}
