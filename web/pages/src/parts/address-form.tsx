import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import type { AuthError } from "../api.ts";
import { texts } from "../texts.ts";
import { useAction, useRetryAfter } from "../use-action.ts";
import { Button } from "./button.tsx";
import { Field } from "./field.tsx";
import { Form } from "./form.tsx";
import { Heading, TicketCard } from "./layout.tsx";
import { Problem } from "./notice.tsx";

interface AddressFormProps {
  texts: {
    page: string;
    heading: string;
    intro: string;
    submit: string;
    sending: string;
    signIn: string;
    sentHeading: string;
    sent: (to: string) => string;
    nothing: string;
  };
  onSend: (email: string) => Promise<void>;
  /** What is shown instead of the form after this error. */
  instead?: (error: AuthError) => ReactNode;
}

/** A page on which people ask for a message to their address. It says the same for every address. */
export function AddressForm({ texts: t, onSend, instead }: AddressFormProps) {
  const [sentTo, setSentTo] = useState<string>();
  const send = useAction(async (email: string) => {
    await onSend(email);
    setSentTo(email);
  });
  const wait = useRetryAfter(send.error);
  const disabled = send.sending || (send.error?.status === 429 && wait > 0);
  const other = send.error && instead?.(send.error);
  if (other) return <TicketCard>{other}</TicketCard>;
  if (sentTo !== undefined) {
    return (
      <TicketCard>
        <Heading page={t.page} focus>{t.sentHeading}</Heading>
        <p>{t.sent(sentTo)}</p>
        <p>{t.nothing}</p>
        <p><Link className="button button-main" to="/signin">{t.signIn}</Link></p>
      </TicketCard>
    );
  }
  return (
    <TicketCard>
      <Heading page={t.page}>{t.heading}</Heading>
      <p>{t.intro}</p>
      <Form error={send.error} sending={disabled} onSend={(field) => void send.run(field("email"))}>
        <Problem error={send.error} fields={["email"]} />
        <Field name="email" inputMode="email" label={texts.field.email} autoComplete="email" errors={send.error?.errors["email"]} autoFocus />
        <Button type="submit" variant="main" disabled={disabled}>{send.sending ? t.sending : t.submit}</Button>
      </Form>
      <p><Link to="/signin">{t.signIn}</Link></p>
    </TicketCard>
  );
}
