import { useAuth } from "@cloakroom/client/react";
import { useEffect, useState } from "react";
import { Link } from "react-router";
import { api, auth, isOutage, signIn as logIn, type Pending, type User } from "./api.ts";
import { useMail } from "./forgot.tsx";
import { safeNext } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading, Loading, TicketCard } from "./parts/layout.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { SecondStep } from "./second-step.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";

const t = texts.signIn;

export function SignIn() {
  const state = useAuth();
  const { status, user } = state;
  // Once shown, the form stays: a check in the background must not remove what was typed.
  const [form, setForm] = useState(false);
  if (!form && !user && status !== "loading") setForm(true);
  // The step stays as well, with what was typed, unless the server says that it isn't due.
  const [step, setStep] = useState<Pending>();
  const due = status === "pending" ? state.pending : status === "anonymous" ? undefined : step;
  if (due !== step) setStep(due);
  // After a sign-in the form stays until the next page is loaded.
  const [leaving, setLeaving] = useState(false);

  if (user && !leaving) return <TicketCard><AlreadySignedIn user={user} /></TicketCard>;
  if (step) return <TicketCard><SecondStep pending={step} onDone={openNext} onLeaving={setLeaving} /></TicketCard>;
  if (!form) return <TicketCard><Loading /></TicketCard>;
  return <TicketCard><SignInForm ended={state.status === "anonymous" ? state.reason : undefined} onLeaving={setLeaving} /></TicketCard>;
}

function openNext(): "leaving" {
  const next = new URLSearchParams(location.search).get("next");
  location.replace(safeNext(next, location.origin));
  return "leaving";
}

interface SignInFormProps {
  /** Why the session ended, as the server names it. */
  ended: string | undefined;
  onLeaving: (leaving: boolean) => void;
}

function SignInForm({ ended, onLeaving }: SignInFormProps) {
  const setupNeeded = useSetupNeeded();
  const mail = useMail();
  const signIn = useAction(async (username: string, password: string, remember: boolean) => {
    onLeaving(true);
    try {
      if (await logIn({ username, password, remember })) return openNext();
    } catch (error) {
      onLeaving(false);
      throw error;
    }
  });
  const wait = useRetryAfter(signIn.error);
  const disabled = signIn.sending || (signIn.error?.status === 429 && wait > 0);
  const errors = signIn.error?.errors ?? {};
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      {setupNeeded && <Notice tone="plain">{t.setupNeeded}</Notice>}
      {ended && !signIn.error && t.reason(ended) && <Notice tone="plain">{t.reason(ended)}</Notice>}
      <Form
        error={signIn.error}
        sending={disabled}
        retype="password"
        onSend={(field) => void signIn.run(field("username"), field("password"), field("remember") === "on")}
      >
        <Problem error={signIn.error} fields={["username", "password"]} />
        <Field name="username" label={texts.field.login} autoComplete="username" errors={errors["username"]} autoFocus />
        <PasswordField name="password" label={texts.field.password} autoComplete="current-password" errors={errors["password"]} />
        <label className="tick">
          <input type="checkbox" name="remember" defaultChecked aria-describedby="remember-hint" />
          <span>{texts.field.remember}</span>
        </label>
        <p id="remember-hint" className="field-hint tick-hint">{texts.field.rememberHint}</p>
        <Button type="submit" variant="main" disabled={disabled}>
          {signIn.sending ? t.sending : t.submit}
        </Button>
      </Form>
      {mail && <p><Link to="/auth/forgot">{texts.forgot.link}</Link></p>}
    </>
  );
}

/** Whether there are no accounts yet. It only adds a sentence, so an error counts as no. */
function useSetupNeeded(): boolean {
  const [needed, setNeeded] = useState(false);
  useEffect(() => {
    api.setup().then((setup) => setNeeded(setup.needed), () => undefined);
  }, []);
  return needed;
}

function AlreadySignedIn({ user }: { user: User }) {
  const signOut = useAction(async () => {
    await auth.logout();
  });
  const outage = signOut.error && isOutage(signOut.error) ? texts.account.notSignedOut : undefined;
  return (
    <>
      <Heading page={t.page} focus>{t.already}</Heading>
      <p>{t.alreadyAs(user.username)}</p>
      <Problem error={signOut.error} {...(outage && { outage })} />
      <div className="stack">
        <Button variant="main" onClick={openNext}>{t.continue}</Button>
        <Button variant="quiet" disabled={signOut.sending} onClick={() => void signOut.run()}>{t.another}</Button>
      </div>
    </>
  );
}
