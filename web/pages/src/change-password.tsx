import { useState } from "react";
import { auth, type PasswordChange } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { HiddenUsername, PasswordField } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";

const t = texts.password;

interface ChangePasswordProps {
  username: string;
  min: number | undefined;
  /** Called after the change, which has signed out all other devices. */
  onChanged: () => Promise<void>;
}

export function ChangePassword({ username, min, onChanged }: ChangePasswordProps) {
  // The form's key: each change gives an empty form.
  const [changes, setChanges] = useState(0);
  const change = useAction(async (passwords: PasswordChange) => {
    await auth.changePassword(passwords);
    setChanges((n) => n + 1);
    await onChanged();
  });
  const wait = useRetryAfter(change.error);
  const disabled = change.sending || (change.error?.status === 429 && wait > 0);
  const errors = change.error?.errors ?? {};
  const wrong = change.error?.code === "invalid_credentials" ? [texts.problem.wrongPassword] : errors["current_password"];
  return (
    <section aria-labelledby="password-heading">
      <h2 id="password-heading">{t.heading}</h2>
      <p className="intro">{t.intro}</p>
      {changes > 0 && !change.sending && !change.error && <Notice tone="good">{t.changed}</Notice>}
      <Form
        key={changes}
        error={change.error}
        sending={disabled}
        onSend={(field) => void change.run({ current_password: field("current_password"), new_password: field("new_password") })}
      >
        <Problem error={change.error} fields={["current_password", "new_password"]} credentials={texts.problem.fields} />
        <HiddenUsername username={username} />
        <PasswordField name="current_password" label={texts.field.currentPassword} autoComplete="current-password" errors={wrong} />
        <PasswordField name="new_password" label={texts.field.newPassword} autoComplete="new-password" min={min} errors={errors["new_password"]} />
        <Button type="submit" variant="main" disabled={disabled}>{change.sending ? t.sending : t.submit}</Button>
      </Form>
    </section>
  );
}
