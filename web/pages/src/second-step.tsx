import { useEffect } from "react";
import { checkPendingCookie, complete, type Pending, type User } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading } from "./parts/layout.tsx";
import { Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";

const t = texts.secondStep;

export interface SecondStepProps {
  pending: Pending;
  /** Leads to the next page. */
  onDone: () => "leaving";
  onLeaving: (leaving: boolean) => void;
}

/** The second step of a sign-in. One field takes codes of both kinds, since the server tells them apart. */
export function SecondStep({ pending, onDone, onLeaving }: SecondStepProps) {
  const enter = useAction(async (step: () => Promise<User | undefined>) => {
    onLeaving(true);
    try {
      if (await complete(step)) return onDone();
    } catch (error) {
      onLeaving(false);
      throw error;
    }
    onLeaving(false);
  });
  const cancel = useAction(async () => pending.cancel());
  const cookie = useAction(checkPendingCookie);
  const { run } = cookie;
  useEffect(() => void run(), [run]);
  const wait = useRetryAfter(enter.error);
  const disabled = enter.sending || (enter.error?.status === 429 && wait > 0);
  const wrong = enter.error?.errors["code"];
  const app = pending.factors.includes("totp");
  const key = pending.passkey;
  const lost = app ? t.lost : t.lostKey;
  return (
    <>
      <Heading page={t.page} focus={!!key && !app}>{t.heading}</Heading>
      <p>{app ? t.app : key ? t.key : t.recovery}</p>
      {key && !app && <Button variant="main" disabled={enter.sending} onClick={() => void enter.run(key)}>{t.useKey}</Button>}
      <Form error={enter.error} sending={disabled} onSend={(field) => void enter.run(() => pending.second(field("code")))}>
        <Problem error={wrong ? undefined : enter.error ?? cancel.error ?? cookie.error} />
        <Field
          name="code"
          label={app ? t.code : t.recoveryCode}
          hint={(app || key) && pending.factors.includes("recovery_code") && lost}
          autoComplete="one-time-code"
          errors={wrong}
          autoFocus={app || !key}
        />
        <Button type="submit" variant={app || !key ? "main" : "quiet"} disabled={disabled}>{enter.sending ? t.sending : t.submit}</Button>
        {key && app && <Button disabled={enter.sending} onClick={() => void enter.run(key)}>{t.useKey}</Button>}
        <Button disabled={cancel.sending} onClick={() => void cancel.run()}>{t.cancel}</Button>
      </Form>
    </>
  );
}
