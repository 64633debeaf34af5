import { useState } from "react";
import type { User } from "../api.ts";
import { Button } from "../parts/button.tsx";
import { TextArea } from "../parts/field.tsx";
import { Form } from "../parts/form.tsx";
import { Notice } from "../parts/notice.tsx";
import { hasPermission } from "../permissions.ts";
import { texts } from "../texts.ts";
import { changedExtra, isExact, written } from "./extra.ts";
import { MutationProblem } from "./loaded.tsx";
import { mutations, useAdminMutation } from "./queries.ts";
import type { AdminUser } from "./types.ts";

const t = texts.admin.user;

/** What the server's program keeps with a user. An administrator who may not change users sees it if there is any. */
export function UserExtra({ me, user }: { me: User; user: AdminUser }) {
  // What the form begins with: the user as loaded first, and after a save as the server answered. What was typed is compared with it, whatever
  // is loaded meanwhile.
  const [shown, setShown] = useState(user);
  const [saves, setSaves] = useState(0); // the form's key
  const [done, setDone] = useState(false);
  const change = hasPermission(me, "auth.change_user");
  if (!change && !user.extra && !user.private_extra) return null;
  return (
    <section className="panel" aria-labelledby="extra-heading">
      <h2 id="extra-heading">{t.extraHeading}</h2>
      <p className="muted">{t.extraWhat}</p>
      {done && <Notice tone="good">{t.saved}</Notice>}
      <ExtraForm key={saves} user={shown} change={change} onSend={() => setDone(false)} onSaved={(saved) => {
        setShown(saved);
        setSaves(saves + 1);
        setDone(true);
      }} />
    </section>
  );
}

const fields = ["extra", "private_extra"];

function ExtraForm({ user, change, onSend, onSaved }: { user: AdminUser; change: boolean; onSend: () => void; onSaved: (user: AdminUser) => void }) {
  const save = useAdminMutation(async (typed: { extra: string; private_extra: string }) =>
    mutations.changeUser({ id: String(user.id), change: changedExtra(typed, user) }));
  const errors = save.error?.errors ?? {};
  const parts = [["extra", t.extraPublic, user.extra], ["private_extra", t.extraPrivate, user.private_extra]] as const;
  return (
    <Form error={save.error ?? undefined} sending={save.isPending} onSend={(field) => {
      onSend();
      save.mutate({ extra: field("extra"), private_extra: field("private_extra") }, { onSuccess: onSaved });
    }}>
      <MutationProblem error={save.error} fields={fields} />
      {parts.map(([name, label, object]) => (
        <TextArea key={name} name={name} label={label} rows={4} defaultValue={written(object)} readOnly={!change || !isExact(object)}
          hint={isExact(object) ? change && t.extraHint : t.extraNumbers} errors={errors[name]} />
      ))}
      {change && <Button type="submit" variant="main" disabled={save.isPending}>{save.isPending ? texts.devices.working : t.save}</Button>}
    </Form>
  );
}
