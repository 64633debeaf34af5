import { useState } from "react";
import { Button } from "../parts/button.tsx";
import { Checkbox, PasswordField } from "../parts/field.tsx";
import { Form } from "../parts/form.tsx";
import { useReturnFocus } from "../parts/use-return-focus.ts";
import { texts } from "../texts.ts";
import { usePasswordLength } from "../use-password-length.ts";
import { MutationProblem } from "./loaded.tsx";
import { mutations, useAdminMutation } from "./queries.ts";
import type { AdminUser } from "./types.ts";

const t = texts.admin.user;

/** Gives a user another password. The form opens by a button, so that no password manager fills it unasked. */
export function SetPassword({ user, onDone }: { user: AdminUser; onDone: () => void }) {
  const [open, setOpen] = useState(false);
  const opener = useReturnFocus(open);
  if (!open) return <Button ref={opener} onClick={() => setOpen(true)}>{t.password}</Button>;
  return <PasswordForm user={user} onCancel={() => setOpen(false)} onDone={() => {
    setOpen(false);
    onDone();
  }} />;
}

function PasswordForm({ user, onCancel, onDone }: { user: AdminUser; onCancel: () => void; onDone: () => void }) {
  const min = usePasswordLength();
  const set = useAdminMutation(mutations.setPassword);
  return (
    <Form error={set.error ?? undefined} sending={set.isPending} onSend={(field) =>
      set.mutate({ id: String(user.id), password: field("password"), keep_factors: field("keep_factors") === "on" }, { onSuccess: onDone })}>
      <MutationProblem error={set.error} fields={["password"]} />
      <PasswordField name="password" label={t.passwordNew} autoComplete="new-password" min={min} errors={set.error?.errors["password"]} autoFocus />
      <Checkbox name="keep_factors" label={t.passwordKeep} />
      <div className="row">
        <Button type="submit" variant="danger" disabled={set.isPending}>{set.isPending ? texts.devices.working : t.passwordSubmit}</Button>
        <Button onClick={onCancel}>{t.no}</Button>
      </div>
    </Form>
  );
}
