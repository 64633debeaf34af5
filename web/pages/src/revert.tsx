import { useState } from "react";
import { Link } from "react-router";
import { auth } from "./api.ts";
import { useLinkSecret } from "./link-secret.ts";
import { Button } from "./parts/button.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading, TicketCard } from "./parts/layout.tsx";
import { Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";

const t = texts.revert;

/** The page on which the owner of a former address takes the account back. Opening the link alone changes nothing. */
export function Revert({ secret: first }: { secret: string }) {
  const secret = useLinkSecret(first);
  const [reset, setReset] = useState<string>();
  if (reset !== undefined) return <TicketCard><Done reset={reset} /></TicketCard>;
  if (!secret) return <TicketCard><InvalidLink /></TicketCard>;
  // A new link gets a new form, without the errors of the old one.
  return <TicketCard><RevertForm key={secret} secret={secret} onDone={setReset} /></TicketCard>;
}

function RevertForm({ secret, onDone }: { secret: string; onDone: (reset: string) => void }) {
  const revert = useAction(async (username: string) => onDone((await auth.client.revertEmail({ secret, username })).secret));
  const wait = useRetryAfter(revert.error);
  const disabled = revert.sending || (revert.error?.status === 429 && wait > 0);
  if (revert.error?.code === "link_invalid") return <InvalidLink />;
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      <p>{t.intro}</p>
      <Form error={revert.error} sending={disabled} onSend={(field) => void revert.run(field("username"))}>
        <Problem error={revert.error} fields={["username"]} />
        <Field name="username" label={texts.field.username} autoComplete="off" errors={revert.error?.errors["username"]} autoFocus />
        <Button type="submit" variant="main" disabled={disabled}>{revert.sending ? t.sending : t.submit}</Button>
      </Form>
    </>
  );
}

/** The next page is loaded anew, because it takes the secret from the address. */
function Done({ reset }: { reset: string }) {
  return (
    <>
      <Heading page={t.page} focus>{t.doneHeading}</Heading>
      <p>{t.done}</p>
      <p><a className="button button-main" href={`/auth/reset#${reset}`}>{t.setPassword}</a></p>
    </>
  );
}

function InvalidLink() {
  return (
    <>
      <Heading page={t.page} focus>{t.invalidHeading}</Heading>
      <p>{t.invalid}</p>
      <p><Link className="button button-main" to="/signin">{t.signIn}</Link></p>
    </>
  );
}
