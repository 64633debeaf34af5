import { useEffect, useState } from "react";
import { useAction, useWait } from "./action.ts";
import { api, AuthError, type Setup as SetupState } from "./api.ts";
import { home } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Problem } from "./parts/notice.tsx";
import { Outage } from "./parts/outage.tsx";
import { Checking, Heading, Ticket } from "./parts/shell.tsx";
import { useSecret } from "./secret.ts";
import { texts } from "./texts.ts";

const t = texts.setup;

export function Setup({ secret: first }: { secret: string }) {
  const secret = useSecret(first);
  const [setup, setSetup] = useState<SetupState>();
  const ask = useAction(async () => setSetup(await api.setup()));
  const { run } = ask;
  useEffect(() => void run(), [run]);

  if (!setup && ask.error) return <Ticket><Outage page={t.page} error={ask.error} onRetry={() => void run()} body={texts.problem.unavailable} /></Ticket>;
  if (!setup) return <Ticket><Checking /></Ticket>;
  if (!setup.needed) return <Ticket><AlreadyDone /></Ticket>;
  if (!secret) return <Ticket><NoGoodLink heading={t.noSecretHeading} body={t.noSecret} /></Ticket>;
  return (
    <Ticket>
      {/* A new link is a new form: what the old one was refused for is void. */}
      <SetupForm key={secret} secret={secret} min={setup.password_min_length} onDone={() => void run()} />
    </Ticket>
  );
}

function SetupForm({ secret, min, onDone }: { secret: string; min: number; onDone: () => void }) {
  const make = useAction(async (username: string, email: string, password: string) => {
    try {
      await api.makeFirstAdministrator({ secret, username, email, password });
    } catch (error) {
      // Somebody else has made it meanwhile: show that instead of a form that can't succeed.
      if (error instanceof AuthError && error.status === 409) onDone();
      throw error;
    }
    location.replace(home);
    return "leaving";
  });
  const wait = useWait(make.error);
  const off = make.sending || (make.error?.status === 429 && wait > 0);
  const errors = make.error?.errors ?? {};
  if (make.error?.code === "setup_link_invalid") return <NoGoodLink heading={t.invalidHeading} body={t.invalid} />;
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      <p>{t.intro}</p>
      <Form
        error={make.error}
        sending={off}
        onSend={(field) => void make.run(field("username"), field("email"), field("password"))}
      >
        <Problem error={make.error} fields={["username", "email", "password"]} />
        <Field name="username" label={texts.field.username} autoComplete="username" errors={errors["username"]} autoFocus />
        <Field
          name="email"
          type="email"
          label={texts.field.email}
          note={texts.field.optional}
          autoComplete="email"
          required={false}
          errors={errors["email"]}
        />
        <PasswordField name="password" label={texts.field.password} autoComplete="new-password" min={min} errors={errors["password"]} />
        <Button type="submit" look="main" off={off}>{make.sending ? t.sending : t.submit}</Button>
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
      <p>{t.otherRemedy}</p>
      <pre tabIndex={0}><code>{t.otherRemedyCommand}</code></pre>
    </>
  );
}

function AlreadyDone() {
  return (
    <>
      <Heading page={t.page} focus>{t.doneHeading}</Heading>
      <p>{t.done}</p>
      <p><a className="button button-main" href="/signin">{t.signIn}</a></p>
    </>
  );
}
