import { useRef, useState } from "react";
import { api, type Token } from "./api.ts";
import { formatDay, formatFull, timeAgo } from "./dates.ts";
import { Button } from "./parts/button.tsx";
import { Confirm } from "./parts/confirm.tsx";
import { Field, Select } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { ShownOnce } from "./parts/shown-once.tsx";
import { texts } from "./texts.ts";
import { useAction, useRetryAfter } from "./use-action.ts";

const t = texts.tokens;

/** The user's tokens for programs. They are loaded by a button, since the server asks for a fresh sign-in first. */
export function Tokens() {
  const [tokens, setTokens] = useState<readonly Token[]>();
  const [created, setCreated] = useState<{ name: string; token: string }>();
  const [done, setDone] = useState("");
  const [target, setTarget] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const load = useAction(async () => {
    setTokens(await api.tokens());
    heading.current?.focus(); // the button that had the focus was removed
  });
  const revoke = useAction(async (token: Token) => {
    setTarget(token.id);
    setDone("");
    await api.revokeToken(token.id);
    setTokens(await api.tokens());
    setDone(t.revoked(token.name || t.kinds[token.kind]));
    heading.current?.focus(); // the button that had the focus was removed
  });
  return (
    <section aria-labelledby="tokens-heading">
      <h2 id="tokens-heading" ref={heading} tabIndex={-1}>{t.heading}</h2>
      <p className="intro">{t.intro}</p>
      <Problem error={load.error ?? revoke.error} />
      {done && <Notice tone="good">{done}</Notice>}
      {created && <ShownOnce sentence={t.shownOnce(created.name)} secret={created.token} onClose={() => {
        setCreated(undefined);
        heading.current?.focus(); // the button that had the focus is removed
      }} />}
      {!tokens && <Button disabled={load.sending} onClick={() => void load.run()}>{load.sending ? t.loading : t.show}</Button>}
      {tokens?.length === 0 && <p className="empty">{t.none}</p>}
      {tokens && tokens.length > 0 && (
        <ul className="devices">
          {tokens.map((token) => (
            <Row key={token.id} token={token} sending={revoke.sending && target === token.id} onRevoke={() => void revoke.run(token)} />
          ))}
        </ul>
      )}
      {tokens && !created && <CreateToken onCreated={async (token) => {
        setCreated(token);
        setDone("");
        setTokens(await api.tokens());
      }} />}
    </section>
  );
}

function Row({ token, sending, onRevoke }: { token: Token; sending: boolean; onRevoke: () => void }) {
  const name = token.name || t.kinds[token.kind];
  return (
    <li className="device">
      <svg className="drawing" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        <path d="M14.5 9.5a4 4 0 1 0-4.6 4l-.9 1.5v2l-2 .5v2.5h3l2.5-6a4 4 0 0 0 2-4.5zM12.5 8.5h.01" />
      </svg>
      <div className="device-text">
        <h3>{name}{token.kind !== "personal" && <span className="badge">{t.kinds[token.kind]}</span>}</h3>
        <dl>
          <div><dt>{t.created}</dt><dd><time dateTime={token.created_at} title={formatFull(token.created_at)}>{formatDay(token.created_at)}</time></dd></div>
          <div><dt>{t.used}</dt><dd>{token.last_used_at ? timeAgo(token.last_used_at, Date.now()) ?? t.justNow : t.never}</dd></div>
          <div><dt>{t.expires}</dt><dd>{token.expires_at ? formatDay(token.expires_at) : t.never}</dd></div>
          {token.scopes.length > 0 && <div><dt>{t.scopes}</dt><dd>{token.scopes.join(", ")}</dd></div>}
        </dl>
      </div>
      <Confirm label={t.revokeNamed(name)} question={t.revokeSure} yes={t.revokeYes} no={t.revokeNo} sending={sending} onYes={onRevoke}>{t.revoke}</Confirm>
    </li>
  );
}

function CreateToken({ onCreated }: { onCreated: (token: { name: string; token: string }) => Promise<void> }) {
  const create = useAction(async (name: string, ttl: number) => onCreated(await api.createToken({ name, ttl })));
  const wait = useRetryAfter(create.error);
  const disabled = create.sending || (create.error?.status === 429 && wait > 0);
  return (
    <Form error={create.error} sending={disabled} onSend={(field) => void create.run(field("name"), Number(field("ttl")))}>
      <h3>{t.createHeading}</h3>
      <Problem error={create.error} fields={["name", "ttl"]} />
      <Field name="name" label={t.name} hint={t.nameHint} autoComplete="off" errors={create.error?.errors["name"]} />
      <Select name="ttl" label={t.lifetime} options={t.lifetimes} />
      <Button type="submit" disabled={disabled}>{create.sending ? t.creating : t.create}</Button>
    </Form>
  );
}
