import { useEffect, useRef, useState } from "react";
import type { Device, NewApp, Token } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Problem } from "./parts/notice.tsx";
import { QRCode } from "./parts/qr-code.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";
import { describeUserAgent } from "./user-agent.ts";

const t = texts.waysIn;

/** What a person has signed in with the password alone. */
export interface Ends {
  devices: readonly Device[];
  tokens: readonly Token[];
}

interface SetUpAppProps {
  app: Pick<NewApp, "secret" | "uri">;
  /** What ends; undefined if nothing does, since a second step is asked for already. */
  ends?: Ends | undefined;
  /** Confirms that the app shows this code. */
  onCode: (code: string) => Promise<void>;
  cancel?: string;
  /** The level of its heading. */
  heading?: "h2" | "h3";
  onCancel: () => void;
}

/** Shows the secret of a new authenticator app, and asks for a code of it. */
export function SetUpApp({ app, ends, onCode, cancel = t.cancel, heading: Level = "h3", onCancel }: SetUpAppProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => heading.current?.focus(), []);
  const confirm = useAction(onCode);
  const wait = useRetryAfter(confirm.error);
  const disabled = confirm.sending || (confirm.error?.status === 429 && wait > 0);
  const wrong = confirm.error?.errors["code"];
  return (
    <section className="set-up" aria-labelledby="set-up-heading">
      <Level id="set-up-heading" ref={heading} tabIndex={-1}>{t.appHeading}</Level>
      <p>{t.scan}</p>
      <QRCode text={app.uri} label={t.qr} />
      <p><a href={app.uri}>{t.openApp}</a></p>
      <div className="stack">
        <p>{t.byHand}</p>
        <p className="key"><code>{app.secret.match(/.{1,4}/g)?.join(" ")}</code></p>
        <div className="row">
          <Button onClick={() => void navigator.clipboard?.writeText(app.secret).then(() => setCopied(true))}>{copied ? t.copied : t.copyKey}</Button>
        </div>
      </div>
      <Form error={confirm.error} sending={disabled} onSend={(field) => void confirm.run(field("code"))}>
        <Field name="code" label={t.code} hint={t.codeHint} autoComplete="one-time-code" errors={wrong} />
        {ends && <WhatEnds {...ends} />}
        <Problem error={wrong ? undefined : confirm.error} />
        <div className="row">
          <Button type="submit" variant="main" disabled={disabled}>{confirm.sending ? t.turningOn : t.turnOn}</Button>
          <Button onClick={onCancel}>{cancel}</Button>
        </div>
      </Form>
    </section>
  );
}

/** What the first second factor ends, before the button that ends it. */
export function WhatEnds({ devices, tokens }: Ends) {
  const others = devices.filter((device) => !device.current);
  if (others.length + tokens.length === 0) return <p>{t.endsNothing}</p>;
  return (
    <div className="notice">
      <p>{t.ends}</p>
      <ul className="plain-list">
        {others.map(({ id, user_agent }) => (
          <li key={id}>{t.endsDevice(describeUserAgent(user_agent) ?? (user_agent || texts.devices.unknown))}</li>
        ))}
        {tokens.map(({ id, name, kind }) => <li key={id}>{t.endsToken(name || texts.tokens.kinds[kind])}</li>)}
      </ul>
      <p>{t.thisStays}</p>
    </div>
  );
}
