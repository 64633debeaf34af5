import { useEffect, useRef, useState } from "react";
import { auth } from "../api.ts";
import { texts } from "../texts.ts";
import { useAction, useRetryAfter } from "../use-action.ts";
import { Button } from "./button.tsx";
import { HiddenUsername, PasswordField } from "./field.tsx";
import { Form } from "./form.tsx";
import { Problem } from "./notice.tsx";

const t = texts.confirmPassword;

/** Opens a dialog for the password when the server asks for a fresh sign-in. The request is repeated after a right password. */
export function ConfirmPassword({ username }: { username: string }) {
  const [answer, setAnswer] = useState<(ok: boolean) => void>();
  useEffect(() => {
    auth.onFreshSignIn(async () => {
      const ok = await new Promise<boolean>((resolve) => setAnswer(() => resolve));
      setAnswer(undefined);
      return ok;
    });
    return () => auth.onFreshSignIn(undefined);
  }, []);
  return answer && <PasswordDialog username={username} onAnswer={answer} />;
}

function PasswordDialog({ username, onAnswer }: { username: string; onAnswer: (ok: boolean) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const confirm = useAction(async (password: string) => {
    await auth.reauthenticate(password);
    onAnswer(true);
  });
  const wait = useRetryAfter(confirm.error);
  const disabled = confirm.sending || (confirm.error?.status === 429 && wait > 0);
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="confirm-heading" onCancel={() => onAnswer(false)}>
      <h2 id="confirm-heading">{t.heading}</h2>
      <p>{t.body(username)}</p>
      <Form error={confirm.error} sending={disabled} retype="password" onSend={(field) => void confirm.run(field("password"))}>
        <Problem error={confirm.error} fields={["password"]} credentials={texts.problem.wrongPassword} />
        <HiddenUsername username={username} />
        <PasswordField
          name="password"
          label={texts.field.password}
          autoComplete="current-password"
          errors={confirm.error?.errors["password"]}
          autoFocus
        />
        <div className="row">
          <Button type="submit" variant="main" disabled={disabled}>{confirm.sending ? t.sending : t.submit}</Button>
          <Button onClick={() => onAnswer(false)}>{t.cancel}</Button>
        </div>
      </Form>
    </dialog>
  );
}
