import { useAuth } from "@cloakroom/client/react";
import { useEffect, useState } from "react";
import { useAction, useWait } from "./action.ts";
import { api, auth, isOutage, signIn as logIn, type User } from "./api.ts";
import { safeNext } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { Checking, Heading, Ticket } from "./parts/shell.tsx";
import { texts } from "./texts.ts";

const t = texts.signIn;

export function SignIn() {
  const { status, user, reason } = useWho();
  // Once the form is there it stays: a check in the background must not take away what was typed.
  const [form, setForm] = useState(false);
  if (!form && !user && status !== "loading") setForm(true);
  // Whoever has just signed in here is on the way out.
  const [leaving, setLeaving] = useState(false);

  if (user && !leaving) return <Ticket><AlreadySignedIn user={user} /></Ticket>;
  if (!form) return <Ticket><Checking /></Ticket>;
  return <Ticket><SignInForm ended={reason} onLeaving={setLeaving} /></Ticket>;
}

/** Who is signed in, and why nobody is. */
function useWho() {
  const state = useAuth();
  return { status: state.status, user: state.user, reason: state.status === "anonymous" ? state.reason : undefined };
}

function goOn(): "leaving" {
  const next = new URLSearchParams(location.search).get("next");
  location.replace(safeNext(next, location.origin));
  return "leaving";
}

interface SignInFormProps {
  /** Why nobody is signed in. */
  ended: string | undefined;
  onLeaving: (leaving: boolean) => void;
}

function SignInForm({ ended, onLeaving }: SignInFormProps) {
  const setupNeeded = useSetupNeeded();
  const signIn = useAction(async (username: string, password: string, remember: boolean) => {
    onLeaving(true);
    try {
      await logIn({ username, password, remember });
    } catch (error) {
      onLeaving(false);
      throw error;
    }
    return goOn();
  });
  const wait = useWait(signIn.error);
  const held = signIn.error?.status === 429 && wait > 0;
  const errors = signIn.error?.errors ?? {};
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      {setupNeeded && <Notice tone="plain">{t.setupNeeded}</Notice>}
      {ended && !signIn.error && t.reason(ended) && <Notice tone="plain">{t.reason(ended)}</Notice>}
      <Form
        error={signIn.error}
        sending={signIn.sending || held}
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
        <Button type="submit" look="main" off={signIn.sending || held}>
          {signIn.sending ? t.sending : t.submit}
        </Button>
      </Form>
    </>
  );
}

/** Whether nobody can sign in yet. It only adds a sentence, so not knowing is the same as no. */
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
        <Button look="main" onClick={goOn}>{t.goOn}</Button>
        <Button look="quiet" off={signOut.sending} onClick={() => void signOut.run()}>{t.another}</Button>
      </div>
    </>
  );
}
