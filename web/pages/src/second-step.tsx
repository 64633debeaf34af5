import { useEffect } from "react";
import { checkPendingCookie, takeSecondStep, type Pending } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Heading } from "./parts/layout.tsx";
import { Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";

const t = texts.secondStep;

interface SecondStepProps {
  pending: Pending;
  /** Leads to the next page. */
  onDone: () => "leaving";
  onLeaving: (leaving: boolean) => void;
}

/** The second step of a sign-in. One field takes codes of both kinds, since the server tells them apart. */
export function SecondStep({ pending, onDone, onLeaving }: SecondStepProps) {
  const enter = useAction(async (code: string) => {
    onLeaving(true);
    try {
      await takeSecondStep(pending, code);
    } catch (error) {
      onLeaving(false);
      throw error;
    }
    return onDone();
  });
  const cancel = useAction(async () => pending.cancel());
  const cookie = useAction(checkPendingCookie);
  const { run } = cookie;
  useEffect(() => void run(), [run]);
  const wait = useRetryAfter(enter.error);
  const disabled = enter.sending || (enter.error?.status === 429 && wait > 0);
  const app = pending.factors.includes("totp");
  const lost = app && pending.factors.includes("recovery_code");
  return (
    <>
      <Heading page={t.page}>{t.heading}</Heading>
      <p>{app ? t.app : t.recovery}</p>
      <Form error={enter.error} sending={disabled} onSend={(field) => void enter.run(field("code"))}>
        <Problem error={enter.error ?? cancel.error ?? cookie.error} fields={["code"]} />
        <Field
          name="code"
          label={app ? t.code : t.recoveryCode}
          hint={lost && t.lost}
          autoComplete="one-time-code"
          errors={enter.error?.errors["code"]}
          autoFocus
        />
        <Button type="submit" variant="main" disabled={disabled}>{enter.sending ? t.sending : t.submit}</Button>
        <Button disabled={cancel.sending} onClick={() => void cancel.run()}>{t.cancel}</Button>
      </Form>
    </>
  );
}
