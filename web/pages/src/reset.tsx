import { useState } from "react";
import { Link } from "react-router";
import { useAction, useWait } from "./action.ts";
import { api } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Problem } from "./parts/notice.tsx";
import { Heading, Ticket } from "./parts/shell.tsx";
import { usePasswordLength } from "./password-length.ts";
import { useSecret } from "./secret.ts";
import { texts } from "./texts.ts";

const t = texts.reset;

/** Sets a new password with a one-time link. */
export function Reset({ secret: first }: { secret: string }) {
  const secret = useSecret(first);
  const [spent, setSpent] = useState("");
  if (spent) return <Ticket><Done /></Ticket>;
  if (!secret) return <Ticket><NoGoodLink heading={t.noSecretHeading} body={t.noSecret} /></Ticket>;
  // A new link is a new form: what the old one was refused for is void.
  return <Ticket><ResetForm key={secret} secret={secret} onDone={() => setSpent(secret)} /></Ticket>;
}

function ResetForm({ secret, onDone }: { secret: string; onDone: () => void }) {
  const min = usePasswordLength();
  const reset = useAction(async (new_password: string) => {
    await api.resetPassword({ secret, new_password });
    onDone();
  });
  const wait = useWait(reset.error);
  const off = reset.sending || (reset.error?.status === 429 && wait > 0);
  if (reset.error?.code === "reset_link_invalid") return <NoGoodLink heading={t.invalidHeading} body={t.invalid} />;
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      <p>{t.intro}</p>
      <Form error={reset.error} sending={off} onSend={(field) => void reset.run(field("new_password"))}>
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
        <Button type="submit" look="main" off={off}>{reset.sending ? t.sending : t.submit}</Button>
      </Form>
      <p className="small-print">{t.keep}</p>
    </>
  );
}

function NoGoodLink({ heading, body }: { heading: string; body: string }) {
  return (
    <>
      <Heading page={t.page} focus>{heading}</Heading>
      <p>{body}</p>
      <p>{t.remedy}</p>
      <pre tabIndex={0}><code>{t.remedyCommand}</code></pre>
      <p><Link to="/signin">{t.signIn}</Link></p>
    </>
  );
}

function Done() {
  return (
    <>
      <Heading page={t.page} focus>{t.doneHeading}</Heading>
      <p>{t.done}</p>
      <p><Link className="button button-main" to="/signin">{t.signIn}</Link></p>
    </>
  );
}
