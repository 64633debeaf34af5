import type { FreshSignIn, Proof } from "@cloakroom/client";
import { useEffect, useRef, useState } from "react";
import { api, auth, type LinkedAccount } from "../api.ts";
import { useVisit, VisitProblem } from "../providers.tsx";
import { texts } from "../texts.ts";
import { useAction, useRetryAfter } from "../use-action.ts";
import { Button } from "./button.tsx";
import { Field, HiddenUsername, PasswordField } from "./field.tsx";
import { Form } from "./form.tsx";
import { Problem } from "./notice.tsx";

const t = texts.confirmIdentity;

interface Question {
  needed: FreshSignIn;
  answer: (ok: boolean) => void;
}

/** Opens a dialog when the server asks for a fresh sign-in. The request is repeated once the person has proven their identity. */
export function ConfirmIdentity({ username }: { username: string }) {
  const [question, setQuestion] = useState<Question>();
  useEffect(() => {
    let asked: Question | undefined;
    auth.onFreshSignIn(async (needed) => {
      const ok = await new Promise<boolean>((answer) => setQuestion((asked = { needed, answer })));
      setQuestion(undefined);
      return ok;
    });
    return () => {
      auth.onFreshSignIn(undefined);
      asked?.answer(false); // otherwise all later requests that need a fresh sign-in would wait for it
    };
  }, []);
  return question && <IdentityDialog username={username} needed={question.needed} onAnswer={question.answer} />;
}

interface IdentityDialogProps {
  username: string;
  needed: FreshSignIn;
  onAnswer: (ok: boolean) => void;
}

/** Asks for the password, for a code, or for both, as the server says what would do. */
function IdentityDialog({ username, needed, onAnswer }: IdentityDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [preferCode, setPreferCode] = useState(false);
  const { both, password, code, choice, key, mail } = fieldsFor(needed, preferCode);
  const [mailed, setMailed] = useState(false);
  const confirm = useAction(async (proof: Proof) => {
    await auth.reauthenticate(proof);
    onAnswer(true);
  });
  const useKey = useAction(async () => {
    const typed = dialog.current?.querySelector<HTMLInputElement>('[name="password"]')?.value;
    if (await auth.reauthenticateByPasskey({ ...(typed && { password: typed }) })) onAnswer(true);
  });
  const mailCode = useAction(async () => {
    await auth.client.sendReauthenticationCode();
    setMailed(true);
  });
  const providers = useLinkedProviders(needed);
  const visit = useVisit();
  const wait = useRetryAfter(confirm.error);
  const disabled = confirm.sending || (confirm.error?.status === 429 && wait > 0);
  const errors = confirm.error?.errors ?? {};
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="confirm-heading" onCancel={() => onAnswer(false)}>
      <h2 id="confirm-heading">{password && !code ? t.heading : t.headingCode}</h2>
      {(!mail || (providers.length > 0 && !mailed)) && (
        <p>{both ? t.both(username) : password ? t.password(username) : code ? t.code(username) : key ? t.onlyKey(username) : providers.length > 0 ? t.provider(username) : t.none}</p>
      )}
      {mail && <p>{mailed ? t.mailed(username) : t.mail(username)}</p>}
      <Form
        error={confirm.error}
        sending={disabled}
        retype="password"
        onSend={(field) => void confirm.run({ ...(password && { password: field("password") }), ...(code && { code: field("code") }), ...(mailed && { mailed_code: field("mailed_code") }) })}
      >
        <Problem error={confirm.error ?? useKey.error ?? mailCode.error} fields={confirm.error ? ["password", "code", "mailed_code"] : []} credentials={texts.problem.wrongPassword} />
        <VisitProblem error={visit.error} />
        <HiddenUsername username={username} />
        {password && (
          <PasswordField name="password" label={texts.field.password} autoComplete="current-password" errors={errors["password"]} autoFocus />
        )}
        {code && (
          <Field
            name="code"
            label={texts.secondStep.code}
            hint={t.codeHint}
            autoComplete="one-time-code"
            errors={errors["code"]}
            autoFocus={!password}
          />
        )}
        {mailed && (
          <Field name="mailed_code" label={texts.code.code} hint={texts.code.codeHint} autoComplete="one-time-code" errors={errors["mailed_code"]} autoFocus />
        )}
        {choice && <Button variant="link" onClick={() => setPreferCode(!preferCode)}>{code ? t.passwordInstead : t.codeInstead}</Button>}
        <div className="row">
          {(password || code || mailed) && <Button type="submit" variant="main" disabled={disabled}>{confirm.sending ? t.sending : t.submit}</Button>}
          {mail && <Button disabled={mailCode.sending} onClick={() => void mailCode.run()}>{mailed ? texts.code.another : t.mailCode}</Button>}
          {key && <Button disabled={useKey.sending} onClick={() => void useKey.run()}>{t.key}</Button>}
          {providers.map(({ provider, label }) => (
            <Button key={provider} disabled={visit.sending} onClick={() => void visit.run(provider, { intent: "reauthenticate", next: location.pathname + location.search })}>
              {texts.signIn.provider(label)}
            </Button>
          ))}
          <Button onClick={() => onAnswer(false)}>{t.cancel}</Button>
        </div>
      </Form>
    </dialog>
  );
}

/** The providers of a person who has nothing of their own to show. */
function useLinkedProviders({ factors }: FreshSignIn): readonly LinkedAccount[] {
  const [links, setLinks] = useState<readonly LinkedAccount[]>([]);
  const nothing = !factors.some((way) => way !== "mailed_code");
  useEffect(() => {
    if (nothing) api.links().then((all) => setLinks(all.filter(({ provider }) => provider)), () => undefined);
  }, [nothing]);
  return links;
}

/** Which fields the dialog has, and whether the person may choose between them. */
function fieldsFor({ factors }: FreshSignIn, preferCode: boolean) {
  const accepted = (...ways: string[]) => ways.some((way) => factors.includes(way));
  const both = accepted("password+totp", "password+recovery_code");
  const code = accepted("totp", "recovery_code");
  const choice = !both && code && factors.includes("password");
  return {
    both,
    choice,
    key: accepted("passkey", "security_key", "password+security_key") && "PublicKeyCredential" in window,
    mail: accepted("mailed_code"),
    password: both || (factors.includes("password") && !(choice && preferCode)),
    code: both || (code && (!choice || preferCode)),
  };
}
