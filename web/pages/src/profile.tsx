import { useState } from "react";
import { api, auth, type Names, type User } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { texts } from "./texts.ts";
import { useAction } from "./use-action.ts";

const t = texts.profile;

/** A form for the user's first and last name. The address has a form of its own; only an administrator can change the username. */
export function Profile({ user }: { user: User }) {
  const [saved, setSaved] = useState(false);
  const save = useAction(async (names: Names) => {
    setSaved(false);
    await api.editNames(names);
    await auth.refresh();
    setSaved(true);
  });
  const errors = save.error?.errors ?? {};
  return (
    <section aria-labelledby="profile-heading">
      <h2 id="profile-heading">{t.heading}</h2>
      <p className="intro">{t.intro}</p>
      {saved && !save.sending && !save.error && <Notice tone="good">{t.saved}</Notice>}
      <Form
        error={save.error}
        sending={save.sending}
        onSend={(field) => void save.run({ first_name: field("first_name"), last_name: field("last_name") })}
      >
        <Problem error={save.error} fields={["first_name", "last_name"]} />
        <Field name="first_name" label={t.firstName} required={false} autoComplete="given-name" defaultValue={user.first_name}
          errors={errors["first_name"]} />
        <Field name="last_name" label={t.lastName} required={false} autoComplete="family-name" defaultValue={user.last_name}
          errors={errors["last_name"]} />
        <Button type="submit" variant="main" disabled={save.sending}>{save.sending ? t.saving : t.save}</Button>
      </Form>
    </section>
  );
}
