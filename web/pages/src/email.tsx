import { useAuth } from "@cloakroom/client/react";
import { useState } from "react";
import { Link } from "react-router";
import { auth, type User } from "./api.ts";
import { useLinkSecret } from "./link-secret.ts";
import { Button } from "./parts/button.tsx";
import { ConfirmIdentity } from "./parts/confirm-identity.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading, Loading, TicketCard } from "./parts/layout.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";
import { useMethods } from "./use-methods.ts";

const t = texts.email;

/** The user's address, with a button that mails a link to confirm it. */
export function Email({ user }: { user: User }) {
  const mail = useMethods()?.mail;
  const [sent, setSent] = useState(false);
  const send = useAction(async () => {
    await auth.client.sendVerification();
    setSent(true);
  });
  if (!mail) return null;
  return (
    <section aria-labelledby="email-heading">
      <h2 id="email-heading">{t.heading}</h2>
      <p className="intro">{user.email ? t.intro(user.email) : t.none}</p>
      {user.email && (
        <>
          {sent && !send.error && <Notice tone="good">{t.sent}</Notice>}
          <Problem error={send.error} />
          <Button disabled={send.sending} onClick={() => void send.run()}>{send.sending ? t.sending : t.send}</Button>
        </>
      )}
      <ChangeEmail />
    </section>
  );
}

/** A form for another address, which counts once the link that is mailed to it was opened. */
function ChangeEmail() {
  const [sentTo, setSentTo] = useState<string>();
  const change = useAction(async (email: string) => {
    setSentTo(undefined);
    await auth.client.changeEmail(email);
    setSentTo(email);
  });
  const wait = useRetryAfter(change.error);
  const disabled = change.sending || (change.error?.status === 429 && wait > 0);
  return (
    <Form error={change.error} sending={disabled} onSend={(field) => void change.run(field("email"))}>
      {sentTo !== undefined && !change.error && <Notice tone="good">{t.changeSent(sentTo)}</Notice>}
      <Problem error={change.error} fields={["email"]} />
      <Field name="email" inputMode="email" label={t.newAddress} autoComplete="email" errors={change.error?.errors["email"]} />
      <Button type="submit" disabled={disabled}>{change.sending ? t.sending : t.change}</Button>
    </Form>
  );
}

/** The page to which that link leads. A link alone proves nothing: it counts in a session of the account. */
export function Verify({ secret: first }: { secret: string }) {
  const secret = useLinkSecret(first);
  const { status, user } = useAuth();
  const [proven, setProven] = useState<string>();
  const verify = useAction(async () => {
    setProven((await auth.changing(() => auth.client.verify(secret!))).email);
    await auth.refresh();
  });
  if (status === "loading") return <TicketCard><Loading /></TicketCard>;
  if (proven !== undefined) return <TicketCard><Message heading={t.doneHeading} body={t.done(proven)} account /></TicketCard>;
  if (!secret || verify.error?.code === "link_invalid") {
    return <TicketCard><Message heading={t.invalidHeading} body={t.invalid} account={user !== undefined} /></TicketCard>;
  }
  if (!user) return <TicketCard><Message heading={t.signInHeading} body={t.signInFirst} /></TicketCard>;
  return (
    <TicketCard>
      <Heading page={t.page}>{t.confirmHeading}</Heading>
      <p>{t.confirmAs(user.username)}</p>
      <Problem error={verify.error} />
      <Button variant="main" disabled={verify.sending} onClick={() => void verify.run()}>{verify.sending ? t.confirming : t.confirm}</Button>
      <ConfirmIdentity username={user.username} />
    </TicketCard>
  );
}

function Message({ heading, body, account = false }: { heading: string; body: string; account?: boolean }) {
  return (
    <>
      <Heading page={t.page} focus>{heading}</Heading>
      <p>{body}</p>
      <p><Link className="button button-main" to={account ? "/auth/account" : "/signin"}>{account ? t.toAccount : t.toSignIn}</Link></p>
    </>
  );
}
