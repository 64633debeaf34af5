import { useEffect, useState } from "react";
import { auth, AuthError, checkPendingCookie, complete, type EnrolmentOfApp } from "./api.ts";
import { Button } from "./parts/button.tsx";
import { Heading, Loading } from "./parts/layout.tsx";
import { Problem } from "./parts/notice.tsx";
import { NewRecoveryCodes } from "./recovery-codes.tsx";
import type { SecondStepProps } from "./second-step.tsx";
import { SetUpApp } from "./set-up-app.tsx";
import { texts } from "./texts.ts";
import { useAction } from "./use-action.ts";

const t = texts.secondStep;
const kinds = ["passkey", "security_key"] as const;

/** The second step of a person who has no second factor, on a server that requires one: the person chooses one and sets it up. */
export function EnrolStep({ pending, onDone, onLeaving }: SecondStepProps) {
  const [app, setApp] = useState<EnrolmentOfApp>();
  const [codes, setCodes] = useState<readonly string[]>();
  const [late, setLate] = useState<AuthError>(); // after the codes were issued
  const keys = kinds.filter((kind) => "PublicKeyCredential" in window && pending.factors.includes(kind));
  const onlyApp = keys.length === 0;

  /** Takes a step that completes the sign-in, and then shows the recovery codes. */
  async function finish(step: Parameters<typeof complete>[0]): Promise<void> {
    let issued = false;
    onLeaving(true);
    try {
      const done = await complete(async () => {
        const enrolled = await step();
        // The codes are shown also if the browser drops the cookie, which is checked next: they can't be shown again.
        if (enrolled) setCodes(auth.getState().recoveryCodes ?? []);
        issued = !!enrolled;
        return enrolled;
      });
      if (done) return;
    } catch (error) {
      if (issued && error instanceof AuthError) return setLate(error);
      onLeaving(false);
      throw error;
    }
    onLeaving(false);
  }
  const add = useAction((kind: (typeof kinds)[number]) => finish(() => pending.enrol!.passkey({ securityKey: kind === "security_key" })));
  const begin = useAction(async () => setApp(await pending.enrol!.app()));
  const cancel = useAction(async () => pending.cancel());
  const cookie = useAction(checkPendingCookie);
  const { run } = begin;
  const { run: check } = cookie;
  useEffect(() => {
    void check();
    if (onlyApp) void run();
  }, [onlyApp, run, check]);

  function leave(): void {
    auth.codesKept();
    if (!late) onDone();
    else onLeaving(false); // to the sign-in, which has to be repeated
  }

  if (codes) {
    return (
      <>
        <Heading page={t.enrolPage}>{t.enrolled}</Heading>
        <Problem error={late} />
        <NewRecoveryCodes codes={codes} heading="h2" onKept={leave} />
      </>
    );
  }
  const sending = add.sending || begin.sending;
  const back = onlyApp ? { cancel: t.cancel, onCancel: () => void cancel.run() } : { cancel: t.otherWay, onCancel: () => setApp(undefined) };
  return (
    <>
      <Heading page={t.enrolPage} focus>{t.enrol}</Heading>
      <p>{t.enrolWhy}</p>
      <p>{t.enrolEnds}</p>
      <Problem error={cookie.error ?? add.error ?? begin.error ?? cancel.error} />
      {app && <SetUpApp app={app} heading="h2" onCode={(code) => finish(() => app.confirm(code))} {...back} />}
      {!app && onlyApp && !begin.error && <Loading />}
      {!app && onlyApp && begin.error && (
        <div className="row">
          <Button variant="main" disabled={sending} onClick={() => void run()}>{texts.outage.retry}</Button>
          <Button variant="quiet" disabled={cancel.sending} onClick={() => void cancel.run()}>{t.cancel}</Button>
        </div>
      )}
      {!app && !onlyApp && (
        <div className="stack">
          {keys.map((kind) => (
            <div className="stack" key={kind}>
              <p>{texts.waysIn.keyWhat[kind]}</p>
              <Button {...(kind === "passkey" && { variant: "main" })} disabled={sending} onClick={() => void add.run(kind)}>{texts.waysIn.addKey[kind]}</Button>
            </div>
          ))}
          <div className="stack">
            <p>{t.enrolApp}</p>
            <Button disabled={sending} onClick={() => void run()}>{texts.waysIn.addKey.totp}</Button>
          </div>
          <Button variant="quiet" disabled={cancel.sending} onClick={() => void cancel.run()}>{t.cancel}</Button>
        </div>
      )}
    </>
  );
}
