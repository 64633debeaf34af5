import { useState } from "react";
import { Link } from "react-router";
import { api } from "./api.ts";
import { useLinkSecret } from "./link-secret.ts";
import { afterResetPath, signInPath } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading, TicketCard } from "./parts/layout.tsx";
import { Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";
import { useMethods } from "./use-methods.ts";
import { usePasswordLength } from "./use-password-length.ts";

const t = texts.reset;

/** The page on which a one-time link sets a new password. */
export function Reset({ secret: first }: { secret: string }) {
  const secret = useLinkSecret(first);
  const [done, setDone] = useState<"signIn" | "enrol">();
  if (done) return <TicketCard><Done next={done} /></TicketCard>;
  if (!secret) return <TicketCard><InvalidLink heading={t.noSecretHeading} body={t.noSecret} /></TicketCard>;
  // A new link gets a new form, without the errors of the old one.
  return <TicketCard><ResetForm key={secret} secret={secret} onDone={setDone} /></TicketCard>;
}

function ResetForm({ secret, onDone }: { secret: string; onDone: (next: "signIn" | "enrol") => void }) {
  const min = usePasswordLength();
  const reset = useAction(async (new_password: string) => {
    onDone((await api.resetPassword({ secret, new_password })) ? "enrol" : "signIn");
  });
  const wait = useRetryAfter(reset.error);
  const disabled = reset.sending || (reset.error?.status === 429 && wait > 0);
  if (reset.error?.code === "reset_link_invalid") return <InvalidLink heading={t.invalidHeading} body={t.invalid} />;
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      <p>{t.intro}</p>
      <Form error={reset.error} sending={disabled} onSend={(field) => void reset.run(field("new_password"))}>
        <Problem error={reset.error} fields={["new_password"]} />
        <Field name="username" label={texts.field.login} note={texts.field.forManager} autoComplete="username" required={false} />
        <PasswordField
          name="new_password"
          label={texts.field.newPassword}
          autoComplete="new-password"
          min={min}
          errors={reset.error?.errors["new_password"]}
          autoFocus
        />
        <Button type="submit" variant="main" disabled={disabled}>{reset.sending ? t.sending : t.submit}</Button>
      </Form>
      <p className="small-print">{t.keep}</p>
    </>
  );
}

function InvalidLink({ heading, body }: { heading: string; body: string }) {
  const mail = useMethods()?.mail;
  return (
    <>
      <Heading page={t.page} focus>{heading}</Heading>
      <p>{body}</p>
      {mail && <p><Link className="button button-main" to="/auth/forgot">{t.again}</Link></p>}
      <p>{t.remedy}</p>
      <pre tabIndex={0}><code>{t.remedyCommand}</code></pre>
      <p><Link to="/signin">{t.signIn}</Link></p>
    </>
  );
}

function Done({ next }: { next: "signIn" | "enrol" }) {
  return (
    <>
      <Heading page={t.page} focus>{t.doneHeading}</Heading>
      <p>{next === "enrol" ? t.doneEnrol : t.done}</p>
      <p><Link className="button button-main" to={signInPath(afterResetPath)}>{next === "enrol" ? t.enrol : t.signIn}</Link></p>
    </>
  );
}
