import { useCallback, useEffect, useState } from "react";
import { api, type NewApp } from "./api.ts";
import { Heading, Loading } from "./parts/layout.tsx";
import { Problem } from "./parts/notice.tsx";
import { NewRecoveryCodes } from "./recovery-codes.tsx";
import type { SecondStepProps } from "./second-step.tsx";
import { SetUpApp } from "./set-up-app.tsx";
import { texts } from "./texts.ts";
import { useAction } from "./use-action.ts";

const t = texts.secondStep;

/** The second step of a person who has no second factor, on a server that requires one: an authenticator app is set up. */
export function EnrolStep({ pending, onDone, onLeaving }: SecondStepProps) {
  const [app, setApp] = useState<NewApp>();
  const [codes, setCodes] = useState<readonly string[]>();
  const begin = useAction(useCallback(async () => setApp(await api.beginAppAtSignIn()), []));
  const cancel = useAction(async () => pending.cancel());
  const { run } = begin;
  useEffect(() => void run(), [run]);
  const confirm = async (code: string) => {
    onLeaving(true);
    try {
      setCodes(await api.confirmAppAtSignIn({ id: app!.id, code }));
    } catch (error) {
      onLeaving(false);
      throw error;
    }
  };
  if (codes) {
    return (
      <>
        <Heading page={t.enrolPage}>{t.enrolled}</Heading>
        <NewRecoveryCodes codes={codes} heading="h2" onKept={onDone} />
      </>
    );
  }
  return (
    <>
      <Heading page={t.enrolPage}>{t.enrol}</Heading>
      <p>{t.enrolWhy}</p>
      <p>{t.enrolEnds}</p>
      <Problem error={begin.error ?? cancel.error} />
      {app ? <SetUpApp app={app} heading="h2" onCode={confirm} cancel={t.cancel} onCancel={() => void cancel.run()} /> : !begin.error && <Loading />}
    </>
  );
}
