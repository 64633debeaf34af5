import { useEffect, useState } from "react";
import { api, auth, AuthError, isWithoutCookie, noCookie, type Setup as SetupState } from "./api.ts";
import { useLinkSecret } from "./link-secret.ts";
import { accountPath, signInPath } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading, Loading, TicketCard } from "./parts/layout.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { Outage } from "./parts/outage.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";

const t = texts.setup;

export function Setup({ secret: first }: { secret: string }) {
  const secret = useLinkSecret(first);
  const [setup, setSetup] = useState<SetupState>();
  const load = useAction(async () => setSetup(await api.setup()));
  const { run } = load;
  useEffect(() => void run(), [run]);

  if (!setup && load.error) return <TicketCard><Outage page={t.page} error={load.error} onRetry={() => void run()} body={texts.problem.unavailable} /></TicketCard>;
  if (!setup) return <TicketCard><Loading /></TicketCard>;
  if (!setup.needed) return <TicketCard><AlreadyDone /></TicketCard>;
  if (!secret) return <TicketCard><InvalidLink heading={t.noSecretHeading} body={t.noSecret} /></TicketCard>;
  return (
    <TicketCard>
      {/* A new link gets a new form, without the errors of the old one. */}
      <SetupForm key={secret} secret={secret} min={setup.password_min_length} onDone={() => void run()} />
    </TicketCard>
  );
}

function SetupForm({ secret, min, onDone }: { secret: string; min: number; onDone: () => void }) {
  const create = useAction(async (username: string, email: string, password: string) => {
    try {
      await api.createFirstAdministrator({ secret, username, email, password });
    } catch (error) {
      if (error instanceof AuthError && error.pending) { // the server requires a second factor, which is set up there
        auth.adopt(error.pending);
        location.replace(signInPath(accountPath));
        return "leaving";
      }
      // The first account exists by now: say so, instead of showing a form that can't succeed.
      if (error instanceof AuthError && error.status === 409) onDone();
      throw error;
    }
    location.replace(accountPath);
    return "leaving";
  });
  const wait = useRetryAfter(create.error);
  const disabled = create.sending || (create.error?.status === 429 && wait > 0);
  const errors = create.error?.errors ?? {};
  if (create.error && isWithoutCookie(create.error)) return <CookieDropped error={create.error} />;
  if (create.error?.code === "setup_link_invalid") return <InvalidLink heading={t.invalidHeading} body={t.invalid} />;
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      <p>{t.intro}</p>
      <Form
        error={create.error}
        sending={disabled}
        onSend={(field) => void create.run(field("username"), field("email"), field("password"))}
      >
        <Problem error={create.error} fields={["username", "email", "password"]} />
        <Field name="username" label={texts.field.username} autoComplete="username" errors={errors["username"]} autoFocus />
        <Field
          name="email"
          inputMode="email"
          label={texts.field.email}
          note={texts.field.optional}
          autoComplete="email"
          required={false}
          errors={errors["email"]}
        />
        <PasswordField name="password" label={texts.field.password} autoComplete="new-password" min={min} errors={errors["password"]} />
        <Button type="submit" variant="main" disabled={disabled}>{create.sending ? t.sending : t.submit}</Button>
      </Form>
      <p className="small-print">{t.keep}</p>
    </>
  );
}

function InvalidLink({ heading, body }: { heading: string; body: string }) {
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
      <SignInLink />
    </>
  );
}

/** The account was created, but the browser isn't signed in. */
function CookieDropped({ error }: { error: AuthError }) {
  return (
    <>
      <Heading page={t.page} focus>{t.createdHeading}</Heading>
      <Notice tone="bad">{error.code === noCookie ? t.noCookie : error.detail}</Notice>
      <SignInLink />
    </>
  );
}

function SignInLink() {
  return <p><a className="button button-main" href="/signin">{t.signIn}</a></p>;
}
