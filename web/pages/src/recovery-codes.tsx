import { useEffect, useRef, useState } from "react";
import { formatDay } from "./dates.ts";
import { Button } from "./parts/button.tsx";
import { texts } from "./texts.ts";

const t = texts.waysIn;

interface NewRecoveryCodesProps {
  codes: readonly string[];
  /** The level of its heading. */
  heading?: "h2" | "h3";
  onKept: () => void;
}

/** New recovery codes, which can't be shown again. `onKept` is called when the person says that they are kept. */
export function NewRecoveryCodes({ codes, heading: Level = "h3", onKept }: NewRecoveryCodesProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, []);
  return (
    <section className="new-codes" aria-labelledby="new-codes-heading">
      <Level id="new-codes-heading" ref={heading} tabIndex={-1}>{t.codesKeep}</Level>
      <p className="print-only">{head()}</p>
      <p>{t.codesOnce}</p>
      <ul aria-label={t.codesList}>{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ul>
      <div className="row">
        <Button onClick={() => void navigator.clipboard?.writeText(codes.join("\n")).then(() => setCopied(true))}>{copied ? t.copied : t.copy}</Button>
        <Button onClick={() => download(codes)}>{t.download}</Button>
        <Button onClick={() => print()}>{t.print}</Button>
      </div>
      <Button variant="main" onClick={onKept}>{t.kept}</Button>
    </section>
  );
}

function head(): string {
  return t.fileHead(location.host, formatDay(new Date().toISOString()));
}

function download(codes: readonly string[]): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${[head(), "", ...codes].join("\n")}\n`], { type: "text/plain" }));
  link.download = t.file;
  link.click();
  URL.revokeObjectURL(link.href);
}
