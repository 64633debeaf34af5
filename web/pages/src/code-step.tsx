import { useEffect, useState } from "react";
import { auth, finished } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading } from "./parts/layout.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import type { SecondStepProps } from "./second-step.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";

const t = texts.code;

/** Asks for a code to sign in with. The step in which it is entered is shown for every address. */
export function CodeForm({ onBack }: { onBack: () => void }) {
  const send = useAction(async (email: string) => {
    await auth.sendCode(email);
  });
  const wait = useRetryAfter(send.error);
  const disabled = send.sending || (send.error?.status === 429 && wait > 0);
  return (
    <>
      <Heading page={t.page} focus>{t.heading}</Heading>
      <p>{t.intro}</p>
      <Form error={send.error} sending={disabled} onSend={(field) => void send.run(field("email"))}>
        <Problem error={send.error} fields={["email"]} />
        <Field name="email" inputMode="email" label={texts.field.email} autoComplete="email" errors={send.error?.errors["email"]} autoFocus />
        <Button type="submit" variant="main" disabled={disabled}>{send.sending ? t.sending : t.send}</Button>
        <Button variant="quiet" onClick={onBack}>{texts.forgot.signIn}</Button>
      </Form>
    </>
  );
}

/** The step that is taken with a mailed code: the first of a sign-in, or the one before a second factor is set up. */
export function CodeStep({ pending, onDone, onLeaving }: SecondStepProps) {
  const { send, enter } = pending.mailed!;
  const first = pending.kind === "code";
  const check = useAction(async (code: string, remember: boolean) => {
    onLeaving(true);
    try {
      if (await finished(enter(code, first ? { remember } : undefined))) return onDone();
    } catch (error) {
      onLeaving(false);
      throw error;
    }
    onLeaving(false);
  });
  const [again, setAgain] = useState(false);
  const mail = useAction(async () => send?.());
  const cancel = useAction(async () => pending.cancel());
  const { run } = mail;
  useEffect(() => void run(), [run]);
  const wait = useRetryAfter(check.error);
  const disabled = check.sending || (check.error?.status === 429 && wait > 0);
  const wrong = check.error?.errors["code"];
  return (
    <>
      <Heading page={t.page} focus>{t.enterHeading}</Heading>
      <p>{first ? t.sent : t.enrol}</p>
      {first && <p>{t.nothing}</p>}
      <Form error={check.error} sending={disabled} onSend={(field) => void check.run(field("code"), field("remember") === "on")}>
        <Problem error={wrong ? undefined : check.error ?? cancel.error ?? mail.error} />
        {again && !mail.sending && !mail.error && <Notice tone="plain">{t.again}</Notice>}
        <Field name="code" label={t.code} hint={t.codeHint} autoComplete="one-time-code" errors={wrong} autoFocus />
        {first && (
          <label className="tick">
            <input type="checkbox" name="remember" defaultChecked />
            <span>{texts.field.remember}</span>
          </label>
        )}
        <Button type="submit" variant="main" disabled={disabled}>{check.sending ? t.checking : t.submit}</Button>
        {send && <Button disabled={mail.sending} onClick={() => {
          setAgain(true);
          void run();
        }}>{t.another}</Button>}
        <Button variant="quiet" disabled={cancel.sending} onClick={() => void cancel.run()}>{texts.secondStep.cancel}</Button>
      </Form>
    </>
  );
}
