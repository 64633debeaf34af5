import { useCallback, useEffect, useRef, useState } from "react";
import { api, type LinkedAccount } from "./api.ts";
import { formatDay, formatFull, timeAgo } from "./dates.ts";
import { accountPath } from "./next.ts";
import { Button } from "./parts/button.tsx";
import { Confirm } from "./parts/confirm.tsx";
import { Notice, Problem } from "./parts/notice.tsx";
import { OutageBanner } from "./parts/outage.tsx";
import { Recent } from "./parts/recent.tsx";
import { providerError, useVisit, VisitProblem } from "./providers.tsx";
import { texts } from "./texts.ts";
import { useAction } from "./use-action.ts";
import { useMethods } from "./use-methods.ts";

const t = texts.links;

interface LinkedAccountsProps {
  /** What the address said about a visit to a provider. */
  fragment: string;
  /** Called after a change that has signed out other devices. */
  onEnded: () => Promise<void>;
}

/** The person's accounts at other providers. It isn't shown where there are neither providers nor links. */
export function LinkedAccounts({ fragment, onEnded }: LinkedAccountsProps) {
  const methods = useMethods();
  const heading = useRef<HTMLHeadingElement>(null);
  const [links, setLinks] = useState<readonly LinkedAccount[]>();
  const [outcome, setOutcome] = useState(fragment);
  const [done, setDone] = useState("");
  const [target, setTarget] = useState("");
  const load = useAction(useCallback(async () => setLinks(await api.links()), []));
  const visit = useVisit();
  const unlink = useAction(async ({ id, label }: LinkedAccount) => {
    setTarget(id);
    setDone("");
    setOutcome("");
    await api.unlink(id);
    await Promise.all([load.run(), onEnded()]);
    setDone(t.removed(label));
    heading.current?.focus(); // the button that had the focus was removed
  });
  const { run } = load;
  useEffect(() => void run(), [run]);
  const failed = providerError(outcome);
  const added = links?.find(({ provider }) => provider && outcome === `linked=${provider}`);
  const addable = methods?.providers.filter(({ name }) => !links?.some(({ provider }) => provider === name)) ?? [];
  if (!load.error && !failed && !(links && (links.length > 0 || addable.length > 0))) return null;
  return (
    <section aria-labelledby="links-heading">
      <h2 id="links-heading" ref={heading} tabIndex={-1}>{t.heading}</h2>
      <p className="intro">{t.intro}</p>
      {load.error && <OutageBanner error={load.error} onRetry={() => void run()} />}
      {failed && <Notice tone="bad">{failed}</Notice>}
      <Problem error={unlink.error} />
      <VisitProblem error={visit.error} />
      {(done || added) && <Notice tone="good">{done || t.added(added!.label)}</Notice>}
      {links && links.length > 0 && (
        <ul className="devices">
          {links.map((link) => <Row key={link.id} link={link} sending={unlink.sending && target === link.id} onUnlink={() => void unlink.run(link)} />)}
        </ul>
      )}
      {links && addable.length > 0 && (
        <div className="row">
          {addable.map(({ name, label }) => (
            <Button
              key={name}
              disabled={visit.sending}
              onClick={() => {
                setDone("");
                setOutcome("");
                void visit.run(name, { intent: "link", next: `${accountPath}#linked=${name}` });
              }}
            >
              {t.link(label)}
            </Button>
          ))}
        </div>
      )}
    </section>
  );
}

function Row({ link: { label, email, added_at, used_at }, sending, onUnlink }: { link: LinkedAccount; sending: boolean; onUnlink: () => void }) {
  return (
    <li className="device">
      <svg className="drawing" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
        <path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1" />
      </svg>
      <div className="device-text">
        <h3>{label}<Recent at={added_at} /></h3>
        <dl>
          {email && <div><dt>{t.email}</dt><dd>{email}</dd></div>}
          <div><dt>{t.since}</dt><dd><time dateTime={added_at} title={formatFull(added_at)}>{formatDay(added_at)}</time></dd></div>
          <div><dt>{t.used}</dt><dd>{used_at ? timeAgo(used_at, Date.now()) ?? t.justNow : t.never}</dd></div>
        </dl>
      </div>
      <Confirm label={t.removeNamed(label)} question={t.removeSure} yes={t.removeYes} no={t.cancel} sending={sending} onYes={onUnlink}>{t.remove}</Confirm>
    </li>
  );
}
