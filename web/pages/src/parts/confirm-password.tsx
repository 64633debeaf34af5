import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { useAction, useWait } from "../action.ts";
import { api, AuthError } from "../api.ts";
import { texts } from "../texts.ts";
import { Button } from "./button.tsx";
import { PasswordField, UsernameForManagers } from "./field.tsx";
import { Form } from "./form.tsx";
import { Problem } from "./notice.tsx";

const t = texts.confirm;

/** What `run` gives back when the person would rather not enter the password. */
export const declined = Symbol("declined");

export interface Fresh {
  /** Does the deed; where the server wants a fresh sign-in for it, asks for the password and does it once more. */
  run: <Out>(deed: () => Promise<Out>) => Promise<Out | typeof declined>;
  /** Where the question is asked: render it. */
  dialog: ReactNode;
}

export function useFresh(username: string): Fresh {
  const [answer, setAnswer] = useState<(ok: boolean) => void>();
  const ask = useCallback(async () => {
    const ok = await new Promise<boolean>((resolve) => setAnswer(() => resolve));
    setAnswer(undefined);
    return ok;
  }, []);
  const run = useCallback(async <Out,>(deed: () => Promise<Out>) => {
    try {
      return await deed();
    } catch (error) {
      if (!(error instanceof AuthError) || error.code !== "fresh_sign_in_required") throw error;
      return (await ask()) ? deed() : declined;
    }
  }, [ask]);
  return { run, dialog: answer && <ConfirmPassword username={username} onAnswer={answer} /> };
}

function ConfirmPassword({ username, onAnswer }: { username: string; onAnswer: (ok: boolean) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const confirm = useAction(async (password: string) => {
    await api.confirmPassword(password);
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
