import { useRef, useState } from "react";
import { useAction, useWait } from "./action.ts";
import { api, type Token } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Choice, Field } from "./parts/field.tsx";
import { Form } from "./parts/form.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { ShownOnce } from "./parts/shown-once.tsx";
import { Sure } from "./parts/sure.tsx";
import { texts } from "./texts.ts";
import { ago, day, exactly } from "./when.ts";

const t = texts.tokens;

/** The user's tokens for programs. They are behind a button, since the server wants a fresh sign-in to show them. */
export function Tokens() {
  const [tokens, setTokens] = useState<readonly Token[]>();
  const [made, setMade] = useState<{ name: string; token: string }>();
  const [done, setDone] = useState("");
  const [target, setTarget] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const load = useAction(async () => setTokens(await api.tokens()));
  const end = useAction(async (token: Token) => {
    setTarget(token.id);
    setDone("");
    await api.endToken(token.id);
    setTokens(await api.tokens());
    setDone(t.ended(token.name || t.kinds[token.kind]));
    heading.current?.focus(); // what had the focus is gone
  });
  return (
    <section aria-labelledby="tokens-heading">
      <h2 id="tokens-heading" ref={heading} tabIndex={-1}>{t.heading}</h2>
      <p className="intro">{t.intro}</p>
      <Problem error={load.error ?? end.error} />
      {done && <Notice tone="good">{done}</Notice>}
      {made && <ShownOnce sentence={t.shownOnce(made.name)} secret={made.token} onClose={() => setMade(undefined)} />}
      {!tokens && <Button off={load.sending} onClick={() => void load.run()}>{load.sending ? t.loading : t.show}</Button>}
      {tokens?.length === 0 && <p className="empty">{t.none}</p>}
      {tokens && tokens.length > 0 && (
        <ul className="devices">
          {tokens.map((token) => (
            <Row key={token.id} token={token} sending={end.sending && target === token.id} onEnd={() => void end.run(token)} />
          ))}
        </ul>
      )}
      {tokens && !made && <MakeToken onMade={async (token) => {
        setMade(token);
        setDone("");
        setTokens(await api.tokens());
      }} />}
    </section>
  );
}

function Row({ token, sending, onEnd }: { token: Token; sending: boolean; onEnd: () => void }) {
  const name = token.name || t.kinds[token.kind];
  return (
    <li className="device">
      <svg className="drawing" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        <path d="M14.5 9.5a4 4 0 1 0-4.6 4l-.9 1.5v2l-2 .5v2.5h3l2.5-6a4 4 0 0 0 2-4.5zM12.5 8.5h.01" />
      </svg>
      <div className="device-text">
        <h3>{name}{token.kind !== "personal" && <span className="badge">{t.kinds[token.kind]}</span>}</h3>
        <dl>
          <div><dt>{t.made}</dt><dd><time dateTime={token.created_at} title={exactly(token.created_at)}>{day(token.created_at)}</time></dd></div>
          <div><dt>{t.used}</dt><dd>{token.last_used_at ? ago(token.last_used_at, Date.now()) ?? t.justNow : t.never}</dd></div>
          <div><dt>{t.ends}</dt><dd>{token.expires_at ? day(token.expires_at) : t.never}</dd></div>
          {token.scopes.length > 0 && <div><dt>{t.may}</dt><dd>{token.scopes.join(", ")}</dd></div>}
        </dl>
      </div>
      <Sure label={t.endNamed(name)} question={t.endSure} yes={t.endYes} no={t.endNo} sending={sending} onYes={onEnd}>{t.end}</Sure>
    </li>
  );
}

function MakeToken({ onMade }: { onMade: (token: { name: string; token: string }) => Promise<void> }) {
  const make = useAction(async (name: string, ttl: number) => onMade(await api.makeToken({ name, ttl })));
  const wait = useWait(make.error);
  const off = make.sending || (make.error?.status === 429 && wait > 0);
  return (
    <Form error={make.error} sending={off} onSend={(field) => void make.run(field("name"), Number(field("ttl")))}>
      <h3>{t.makeHeading}</h3>
      <Problem error={make.error} fields={["name", "ttl"]} />
      <Field name="name" label={t.name} hint={t.nameHint} autoComplete="off" errors={make.error?.errors["name"]} />
      <Choice name="ttl" label={t.life} options={t.lives} />
      <Button type="submit" off={off}>{make.sending ? t.making : t.make}</Button>
    </Form>
  );
}
