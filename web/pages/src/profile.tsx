import { useState } from "react";
import { api, auth, type Personal, type User } from "./api.ts";
import { forgetLanguage, reloadPage } from "./language.ts";
import { look } from "./look.ts";
import { Button } from "./parts/button.tsx";
import { Field, Select } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { changedPersonal } from "./personal.ts";
import { texts } from "./texts.ts";
import { useAction } from "./use-action.ts";
import { useMethods } from "./use-methods.ts";

const t = texts.profile;

/** A form for the user's name and language. The address has a form of its own; only an administrator can change the username. */
export function Profile({ user }: { user: User }) {
  const [saved, setSaved] = useState(false);
  // What the form began with, and what it has saved. Only what differs is sent, whatever is loaded meanwhile.
  const [before, setBefore] = useState({ first_name: user.first_name, last_name: user.last_name, language: user.language ?? "" });
  const [language, setLanguage] = useState(before.language);
  const languages = useMethods()?.languages ?? [];
  const shown = before.language && !languages.includes(before.language) ? [...languages, before.language] : languages;
  const save = useAction(async (typed: Required<Personal>) => {
    setSaved(false);
    const change = changedPersonal(typed, before);
    await api.editMe(change);
    setBefore(typed);
    if (change.language !== undefined) {
      forgetLanguage(); // one that was chosen earlier in this browser would hide this one
      if (change.language !== look.language) {
        reloadPage();
        return "leaving";
      }
    }
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
        onSend={(field) => void save.run({ first_name: field("first_name"), last_name: field("last_name"), language })}
      >
        <Problem error={save.error} fields={["first_name", "last_name", "language"]} />
        <Field name="first_name" label={t.firstName} required={false} autoComplete="given-name" defaultValue={before.first_name}
          errors={errors["first_name"]} />
        <Field name="last_name" label={t.lastName} required={false} autoComplete="family-name" defaultValue={before.last_name}
          errors={errors["last_name"]} />
        {languages.length > 1 && (
          <Select name="language" label={t.language} value={language} onChange={setLanguage} errors={errors["language"]}
            options={[["", t.languageOfBrowser], ...shown.map((tag) => [tag, look.languages[tag] ?? tag] as const)]} />
        )}
        <Button type="submit" variant="main" disabled={save.sending}>{save.sending ? t.saving : t.save}</Button>
      </Form>
    </section>
  );
}
