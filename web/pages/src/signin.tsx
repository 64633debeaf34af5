import { useEffect, useState } from "react";
import { useAction, useWait } from "./action.ts";
import { api, isOutage, type User } from "./api.ts";
import { refreshMe, tellOtherTabs, useMe } from "./me.ts";
import { safeNext } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Field, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { Checking, Heading, Ticket } from "./parts/shell.tsx";
import { texts } from "./texts.ts";

const t = texts.signIn;

export function SignIn() {
  const me = useMe("look");
  // Once the form is there it stays: a check in the background must not take away what was typed.
  const [form, setForm] = useState(false);
  if (!form && (me.state === "out" || me.state === "unreachable")) setForm(true);

  if (me.state === "in") return <Ticket><AlreadySignedIn user={me.user} /></Ticket>;
  if (!form) return <Ticket><Checking /></Ticket>;
  return <Ticket><SignInForm ended={me.state === "out" && me.ended} /></Ticket>;
}

function goOn(): "leaving" {
  const next = new URLSearchParams(location.search).get("next");
  location.replace(safeNext(next, location.origin));
  return "leaving";
}

function SignInForm({ ended }: { ended: boolean }) {
  const setupNeeded = useSetupNeeded();
  const signIn = useAction(async (username: string, password: string, remember: boolean) => {
    await api.signIn({ username, password, remember });
    tellOtherTabs();
    return goOn();
  });
  const wait = useWait(signIn.error);
  const held = signIn.error?.status === 429 && wait > 0;
  const errors = signIn.error?.errors ?? {};
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      {setupNeeded && <Notice tone="plain">{t.setupNeeded}</Notice>}
      {ended && !signIn.error && <Notice tone="plain">{t.ended}</Notice>}
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
    await api.signOut();
    tellOtherTabs();
    await refreshMe();
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
