import { useState } from "react";
import { Link } from "react-router";
import { api, auth, AuthError, isWithoutCookie } from "./api.ts";
import { useLinkSecret } from "./link-secret.ts";
import { accountPath, signInPath } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading, TicketCard } from "./parts/layout.tsx";
import { Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";
import { usePasswordLength } from "./use-password-length.ts";

const t = texts.signUp;

/** The page on which people ask for an account. It says the same for every address. */
export function SignUp() {
  const [sentTo, setSentTo] = useState<string>();
  return <TicketCard>{sentTo === undefined ? <SignUpForm onSent={setSentTo} /> : <Sent to={sentTo} />}</TicketCard>;
}

function SignUpForm({ onSent }: { onSent: (email: string) => void }) {
  const signUp = useAction(async (email: string) => {
    await auth.client.signup(email);
    onSent(email);
  });
  const wait = useRetryAfter(signUp.error);
  const disabled = signUp.sending || (signUp.error?.status === 429 && wait > 0);
  if (signUp.error?.code === "signup_closed") return <Closed />;
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      <p>{t.intro}</p>
      <Form error={signUp.error} sending={disabled} onSend={(field) => void signUp.run(field("email"))}>
        <Problem error={signUp.error} fields={["email"]} />
        <Field name="email" type="email" label={texts.field.email} autoComplete="email" errors={signUp.error?.errors["email"]} autoFocus />
        <Button type="submit" variant="main" disabled={disabled}>{signUp.sending ? t.sending : t.submit}</Button>
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

function Closed() {
  return (
    <>
      <Heading page={t.page} focus>{t.closedHeading}</Heading>
      <p>{t.closed}</p>
      <p><Link className="button button-main" to="/signin">{t.signIn}</Link></p>
    </>
  );
}

/** The page to which the mailed link leads. Opening it makes nothing: an account needs a username and a password. */
export function Welcome({ secret: first }: { secret: string }) {
  const secret = useLinkSecret(first);
  if (!secret) return <TicketCard><InvalidLink heading={t.noSecretHeading} body={t.noSecret} /></TicketCard>;
  // A new link gets a new form, without the errors of the old one.
  return <TicketCard><WelcomeForm key={secret} secret={secret} /></TicketCard>;
}

function WelcomeForm({ secret }: { secret: string }) {
  const min = usePasswordLength();
  const complete = useAction(async (username: string, password: string) => {
    try {
      await api.completeSignUp({ secret, username, password });
    } catch (error) {
      if (error instanceof AuthError && error.pending) { // the server requires a second factor, which is set up there
        auth.adopt(error.pending);
        location.replace(signInPath(accountPath));
        return "leaving";
      }
      throw error;
    }
    location.replace(accountPath);
    return "leaving";
  });
  const wait = useRetryAfter(complete.error);
  const disabled = complete.sending || (complete.error?.status === 429 && wait > 0);
  const errors = complete.error?.errors ?? {};
  if (complete.error?.code === "signup_closed") return <Closed />;
  if (complete.error?.code === "link_invalid") return <InvalidLink heading={t.invalidHeading} body={t.invalid} />;
  if (complete.error && isWithoutCookie(complete.error)) return <Made error={complete.error} />;
  return (
    <>
      <Heading page={t.page}>{t.welcomeHeading}</Heading>
      <p>{t.welcome}</p>
      <Form error={complete.error} sending={disabled} onSend={(field) => void complete.run(field("username"), field("password"))}>
        <Problem error={complete.error} fields={["username", "password"]} />
        <Field name="username" label={texts.field.username} autoComplete="username" errors={errors["username"]} autoFocus />
        <PasswordField name="password" label={texts.field.password} autoComplete="new-password" min={min} errors={errors["password"]} />
        <Button type="submit" variant="main" disabled={disabled}>{complete.sending ? t.completing : t.complete}</Button>
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
      <p><Link className="button button-main" to="/auth/signup">{t.again}</Link></p>
      <p><Link to="/signin">{t.signIn}</Link></p>
    </>
  );
}

/** The account was made, but the browser isn't signed in. */
function Made({ error }: { error: AuthError }) {
  return (
    <>
      <Heading page={t.page} focus>{t.madeHeading}</Heading>
      <Problem error={error} />
      <p><a className="button button-main" href="/signin">{t.signIn}</a></p>
    </>
  );
}
