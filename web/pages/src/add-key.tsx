import { useEffect, useRef } from "react";
import { auth } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Problem } from "./parts/notice.tsx";
import { WhatEnds, type Ends } from "./set-up-app.tsx";
import { texts } from "./texts.ts";
import { useAction } from "./use-action.ts";

const t = texts.waysIn;

interface AddKeyProps {
  kind: "passkey" | "security_key";
  /** What ends; undefined if nothing does. */
  ends: Ends | undefined;
  /** Gets the recovery codes that come with the first factor. */
  onAdded: (codes: string[]) => Promise<void>;
  onCancel: () => void;
}

/** Asks for a name, and then lets the browser ask for a passkey or a security key. */
export function AddKey({ kind, ends, onAdded, onCancel }: AddKeyProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const add = useAction(async (name: string) => {
    const added = await auth.addPasskey({ name, securityKey: kind === "security_key" });
    if (added) await onAdded(added.recovery_codes ?? []);
  });
  return (
    <section className="set-up" aria-labelledby="add-key-heading">
      <h3 id="add-key-heading" ref={heading} tabIndex={-1}>{t.addKey[kind]}</h3>
      <p>{t.keyWhat[kind]}</p>
      <Form error={add.error} sending={add.sending} onSend={(field) => void add.run(field("name"))}>
        <Problem error={add.error} fields={["name"]} />
        <Field name="name" label={t.name} hint={t.nameHint} autoComplete="off" defaultValue={t.kinds[kind]} errors={add.error?.errors["name"]} />
        {ends && <WhatEnds {...ends} />}
        <div className="row">
          <Button type="submit" variant="main" disabled={add.sending}>{add.sending ? t.adding : t.addKey[kind]}</Button>
          <Button onClick={onCancel}>{t.cancel}</Button>
        </div>
      </Form>
    </section>
  );
}
