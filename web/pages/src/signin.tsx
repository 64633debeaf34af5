import { useAuth } from "@cloakroom/client/react";
import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { api, auth, complete, isOutage, signIn as logIn, type Pending, type User } from "./api.ts";
import { CodeForm, CodeStep } from "./code-step.tsx";
import { EnrolStep } from "./enrol-step.tsx";
import { leaveProvider } from "./leave-provider.ts";
import { safeNext } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading, Loading, TicketCard } from "./parts/layout.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { providerError, useVisit, VisitProblem } from "./providers.tsx";
import { SecondStep } from "./second-step.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";
import { useMethods } from "./use-methods.ts";

const t = texts.signIn;
const patience = 5000; // milliseconds until the page says who is signed in, if the next page isn't there

/** `fragment`: what the address said about a visit to a provider, such as "error=no_account". */
export function SignIn({ fragment }: { fragment: string }) {
  const state = useAuth();
  const { status, user } = state;
  // Once shown, the form stays: a check in the background must not remove what was typed.
  const [form, setForm] = useState(false);
  if (!form && !user && status !== "loading") setForm(true);
  // After a sign-in the form stays until the next page is loaded.
  const [leaving, setLeaving] = useState(false);
  // The step stays as well, with what was typed, unless the server says that it isn't due, and with recovery codes that it has issued.
  const [step, setStep] = useState<Pending>();
  const due = status === "pending" ? state.pending : status === "anonymous" ? undefined : step;
  if (due !== step && !leaving) setStep(due);
  const [byCode, setByCode] = useState(false);
  // Some next pages replace none: a file that the browser saves.
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const done = () => {
    timer.current = setTimeout(() => setLeaving(false), patience);
    return openNext();
  };

  if (user && !leaving) return <TicketCard><AlreadySignedIn user={user} /></TicketCard>;
  if (step) {
    const Step = { second: SecondStep, enrol: EnrolStep, enrol_code: CodeStep, code: CodeStep }[step.kind];
    return <TicketCard><Step pending={step} onDone={done} onLeaving={setLeaving} /></TicketCard>;
  }
  if (!form) return <TicketCard><Loading /></TicketCard>;
  if (byCode) return <TicketCard><CodeForm onBack={() => setByCode(false)} /></TicketCard>;
  return <TicketCard><SignInForm failed={providerError(fragment)} ended={state.status === "anonymous" ? state.reason : undefined} onDone={done} onLeaving={setLeaving} onCode={() => setByCode(true)} /></TicketCard>;
}

const next = () => safeNext(new URLSearchParams(location.search).get("next"), location.origin);

function openNext(): "leaving" {
  location.replace(next());
  return "leaving";
}

interface SignInFormProps {
  /** Why the session ended, as the server names it. */
  ended: string | undefined;
  /** Why a sign-in at a provider has failed. */
  failed: string | undefined;
  /** Leads to the next page. */
  onDone: () => "leaving";
  onLeaving: (leaving: boolean) => void;
  /** Shows the form that asks for a mailed code. */
  onCode: () => void;
}

function SignInForm({ ended, failed, onDone, onLeaving, onCode }: SignInFormProps) {
  const setupNeeded = useSetupNeeded();
  const methods = useMethods();
  const signIn = useAction(async (username: string, password: string, remember: boolean) => {
    onLeaving(true);
    try {
      if (await logIn({ username, password, remember })) return onDone();
    } catch (error) {
      onLeaving(false);
      throw error;
    }
    onLeaving(false);
  });
  const remember = useRef<HTMLInputElement>(null);
  const [last, setLast] = useState<"password" | "passkey" | "provider">("password");
  const passkeys = methods?.passkey === true && "PublicKeyCredential" in window;
  const passkey = usePasskey(passkeys, () => {
    setLast("passkey");
    return remember.current?.checked ?? true;
  }, onDone, onLeaving);
  const visit = useVisit();
  const error = { password: signIn.error, passkey: passkey.error, provider: undefined }[last];
  const wait = useRetryAfter(error);
  const sending = signIn.sending || passkey.sending || visit.sending;
  const disabled = sending || (error?.status === 429 && wait > 0);
  const errors = signIn.error?.errors ?? {};
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      {setupNeeded && <Notice tone="plain">{t.setupNeeded}</Notice>}
      {failed && last === "password" && !error && <Notice tone="bad">{failed}</Notice>}
      {ended && !failed && !error && t.reason(ended) && <Notice tone="plain">{t.reason(ended)}</Notice>}
      <Form
        error={signIn.error}
        sending={disabled}
        retype="password"
        onSend={(field) => {
          setLast("password");
          void signIn.run(field("username"), field("password"), field("remember") === "on");
        }}
      >
        {last === "provider" && <VisitProblem error={visit.error} />}
        <Problem error={error} fields={["username", "password"]} {...(last === "passkey" && { credentials: t.passkeyRefused })} />
        <Field name="username" label={texts.field.login} autoComplete="username webauthn" errors={errors["username"]} autoFocus />
        <PasswordField name="password" label={texts.field.password} autoComplete="current-password" errors={errors["password"]} />
        <label className="tick">
          <input ref={remember} type="checkbox" name="remember" defaultChecked aria-describedby="remember-hint" />
          <span>{texts.field.remember}</span>
        </label>
        <p id="remember-hint" className="field-hint tick-hint">{texts.field.rememberHint}</p>
        <Button type="submit" variant="main" disabled={disabled}>
          {signIn.sending ? t.sending : t.submit}
        </Button>
        {passkeys && (
          <Button disabled={disabled} onClick={passkey.ask}>{passkey.sending ? t.sending : t.passkey}</Button>
        )}
        {methods?.code && <Button disabled={disabled} onClick={onCode}>{t.code}</Button>}
        {methods?.providers.map(({ name, label }) => (
          <Button
            key={name}
            disabled={disabled}
            onClick={() => {
              setLast("provider");
              void visit.run(name, { next: next(), remember: remember.current?.checked ?? true });
            }}
          >
            {t.provider(label)}
          </Button>
        ))}
      </Form>
      {methods?.mail && <p><Link to="/auth/forgot">{texts.forgot.link}</Link></p>}
      {methods?.signup === "open" && <p><Link to="/auth/signup">{texts.signUp.link}</Link></p>}
    </>
  );
}

/**
 * Sign-in by passkey: from the suggestions of the field for the username, as long as the form is shown, and by a button.
 * `remember` is called when a passkey is asked for or chosen.
 */
function usePasskey(offered: boolean, remember: () => boolean, onDone: () => "leaving", onLeaving: (leaving: boolean) => void) {
  const signIn = useAction(async (start: () => Promise<User | undefined>) => {
    try {
      if (await complete(start)) return onDone();
    } catch (error) {
      onLeaving(false);
      throw error;
    }
    onLeaving(false);
  });
  const { run } = signIn;
  const latest = useRef(remember);
  latest.current = remember;
  useEffect(() => {
    if (!offered) return;
    const stop = new AbortController();
    const chosen = () => {
      onLeaving(true); // before the state says that a user is signed in
      return latest.current();
    };
    // Suggestions wait for as long as the form is shown, so they are no action until one is chosen.
    auth.autofill(stop.signal, chosen).then(
      (user) => void (user && run(async () => user)),
      (error) => void run(() => Promise.reject(error)),
    );
    return () => stop.abort();
  }, [offered, run]);
  return {
    sending: signIn.sending,
    error: signIn.error,
    ask: () => {
      onLeaving(true);
      void run(() => auth.passkey({ remember: remember() }));
    },
  };
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
    leaveProvider(await auth.logout());
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
