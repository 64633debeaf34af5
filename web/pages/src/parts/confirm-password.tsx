import { useEffect, useRef, useState } from "react";
import { useAction, useWait } from "../action.ts";
import { auth } from "../api.ts";
import { texts } from "../texts.ts";
import { Button } from "./button.tsx";
import { PasswordField, UsernameForManagers } from "./field.tsx";
import { Form } from "./form.tsx";
import { Problem } from "./notice.tsx";

const t = texts.confirm;

/** Asks for the password wherever the server wants a fresh sign-in; what it was wanted for then goes on by itself. */
export function FreshSignIn({ username }: { username: string }) {
  const [answer, setAnswer] = useState<(ok: boolean) => void>();
  useEffect(() => {
    auth.onFreshSignIn(async () => {
      const ok = await new Promise<boolean>((resolve) => setAnswer(() => resolve));
      setAnswer(undefined);
      return ok;
    });
    return () => auth.onFreshSignIn(undefined);
  }, []);
  return answer && <ConfirmPassword username={username} onAnswer={answer} />;
}

function ConfirmPassword({ username, onAnswer }: { username: string; onAnswer: (ok: boolean) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const confirm = useAction(async (password: string) => {
    await auth.reauthenticate(password);
    onAnswer(true);
  });
  const wait = useWait(confirm.error);
  const off = confirm.sending || (confirm.error?.status === 429 && wait > 0);
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="confirm-heading" onCancel={() => onAnswer(false)}>
      <h2 id="confirm-heading">{t.heading}</h2>
      <p>{t.body(username)}</p>
      <Form error={confirm.error} sending={off} retype="password" onSend={(field) => void confirm.run(field("password"))}>
        <Problem error={confirm.error} fields={["password"]} credentials={texts.problem.wrongPassword} />
        <UsernameForManagers username={username} />
        <PasswordField
          name="password"
          label={texts.field.password}
          autoComplete="current-password"
          errors={confirm.error?.errors["password"]}
          autoFocus
        />
        <div className="row">
          <Button type="submit" look="main" off={off}>{confirm.sending ? t.sending : t.submit}</Button>
          <Button onClick={() => onAnswer(false)}>{t.cancel}</Button>
        </div>
      </Form>
    </dialog>
  );
}
