import { useState } from "react";
import { Link } from "react-router";
import { auth } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading, TicketCard } from "./parts/layout.tsx";
import { Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";

const t = texts.forgot;

/** The page on which people ask for a link for a new password. */
export function Forgot() {
  const [sentTo, setSentTo] = useState<string>();
  return <TicketCard>{sentTo === undefined ? <ForgotForm onSent={setSentTo} /> : <Sent to={sentTo} />}</TicketCard>;
}

function ForgotForm({ onSent }: { onSent: (email: string) => void }) {
  const forgot = useAction(async (email: string) => {
    await auth.client.forgot(email);
    onSent(email);
  });
  const wait = useRetryAfter(forgot.error);
  const disabled = forgot.sending || (forgot.error?.status === 429 && wait > 0);
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      <p>{t.intro}</p>
      <Form error={forgot.error} sending={disabled} onSend={(field) => void forgot.run(field("email"))}>
        <Problem error={forgot.error} fields={["email"]} />
        <Field name="email" type="email" label={texts.field.email} autoComplete="email" errors={forgot.error?.errors["email"]} autoFocus />
        <Button type="submit" variant="main" disabled={disabled}>{forgot.sending ? t.sending : t.submit}</Button>
      </Form>
      <p><Link to="/signin">{t.signIn}</Link></p>
    </>
  );
}

function Sent({ to }: { to: string }) {
  return (
    <>
      <Heading page={t.page} focus>{t.sentHeading}</Heading>
      <p>{t.sent(to)}</p>
      <p>{t.nothing}</p>
      <p><Link className="button button-main" to="/signin">{t.signIn}</Link></p>
    </>
  );
}
