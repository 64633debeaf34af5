import { useCallback, useEffect, useState } from "react";
import { Link } from "react-router";
import { api, auth, AuthError, complete as completeSignIn, isWithoutCookie } from "./api.ts";
import { useLinkSecret } from "./link-secret.ts";
import { accountPath, signInPath } from "./next.ts";
import { AddressForm } from "./parts/address-form.tsx";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading, TicketCard } from "./parts/layout.tsx";
import { Problem } from "./parts/notice.tsx";
import { OutageBanner } from "./parts/outage.tsx";
import { NewRecoveryCodes } from "./recovery-codes.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";
import { useMethods } from "./use-methods.ts";
import { usePasswordLength } from "./use-password-length.ts";

const t = texts.signUp;

/** The page on which people ask for an account. */
export function SignUp() {
  return <AddressForm texts={t} onSend={auth.client.signup} instead={(error) => error.code === "signup_closed" && <Closed />} />;
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

/** The page to which the mailed link leads. Opening it makes nothing: an account needs a username, and a password or a passkey. */
export function Welcome({ secret: first }: { secret: string }) {
  const secret = useLinkSecret(first);
  if (!secret) return <TicketCard><InvalidLink heading={t.noSecretHeading} body={t.noSecret} /></TicketCard>;
  // A new link gets a new form, without the errors of the old one.
  return <TicketCard><WelcomeForm key={secret} secret={secret} /></TicketCard>;
}

function WelcomeForm({ secret }: { secret: string }) {
  const [email, setEmail] = useState<string>();
  const look = useAction(useCallback(async () => setEmail((await auth.client.signupLink(secret)).email), [secret]));
  const { run } = look;
  useEffect(() => void run(), [run]);
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
  const [passkey, setPasskey] = useState(false);
  const [codes, setCodes] = useState<readonly string[]>();
  const byPasskey = useAction(async (username: string) => {
    await completeSignIn(async () => {
      const made = await auth.signupByPasskey({ secret, username });
      // The codes are shown also if the browser drops the cookie, which is checked next: they can't be shown again.
      if (made) setCodes(auth.getState().recoveryCodes ?? []);
      return made;
    });
  });
  const canUsePasskey = !!useMethods()?.signup_passkey && "PublicKeyCredential" in window;
  const act = passkey ? byPasskey : complete;
  const wait = useRetryAfter(act.error);
  const disabled = act.sending || (act.error?.status === 429 && wait > 0);
  const errors = act.error?.errors ?? {};
  const refused = act.error?.code ?? look.error?.code;
  const withoutCookie = act.error && isWithoutCookie(act.error) ? act.error : undefined;
  const kept = () => {
    auth.codesKept();
    setCodes(undefined);
  };
  if (codes) {
    return (
      <>
        <Heading page={t.page}>{t.madeHeading}</Heading>
        <Problem error={withoutCookie} />
        <NewRecoveryCodes codes={codes} heading="h2" onKept={withoutCookie ? kept : leave} />
      </>
    );
  }
  if (refused === "signup_closed") return <Closed />;
  if (refused === "link_invalid") return <InvalidLink heading={t.invalidHeading} body={t.invalid} />;
  if (withoutCookie) return <Made error={withoutCookie} />;
  return (
    <>
      <Heading page={t.page}>{t.welcomeHeading}</Heading>
      {look.error && <OutageBanner error={look.error} onRetry={() => void look.run()} />}
      {email !== undefined && <p>{t.welcomeFor(email)}</p>}
      <p>{t.welcome}</p>
      <Form error={act.error} sending={disabled} onSend={(field) => void (passkey ? byPasskey.run(field("username")) : complete.run(field("username"), field("password")))}>
        <Problem error={act.error} fields={["username", "password"]} />
        <Field name="username" label={texts.field.username} autoComplete="username" errors={errors["username"]} autoFocus />
        {passkey ? <p>{t.passkeyWhat}</p> : <PasswordField name="password" label={texts.field.password} autoComplete="new-password" min={min} errors={errors["password"]} />}
        <Button type="submit" variant="main" disabled={disabled}>{act.sending ? t.completing : passkey ? t.completeByPasskey : t.complete}</Button>
        {canUsePasskey && <Button variant="quiet" disabled={disabled} onClick={() => setPasskey(!passkey)}>{passkey ? t.usePassword : t.usePasskey}</Button>}
      </Form>
      <p className="small-print">{t.keep}</p>
    </>
  );
}

function leave(): void {
  auth.codesKept();
  location.replace(accountPath);
}

/** A new link can be asked for where everyone may sign up; where people are invited, the inviter makes one. */
function InvalidLink({ heading, body }: { heading: string; body: string }) {
  const signup = useMethods()?.signup;
  return (
    <>
      <Heading page={t.page} focus>{heading}</Heading>
      <p>{body}</p>
      {signup === "open" && <p><Link className="button button-main" to="/auth/signup">{t.again}</Link></p>}
      {signup === "invite" && <p>{t.askInviter}</p>}
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
