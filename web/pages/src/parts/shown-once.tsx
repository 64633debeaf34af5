import { useEffect, useRef, useState } from "react";
import { texts } from "../texts.ts";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";

const t = texts.shownOnce;

interface ShownOnceProps {
  sentence: string;
  secret: string;
  /** Called when the person has saved the secret. */
  onClose: () => void;
}

/** Shows a secret that the server can't show again, with a button that copies it. */
export function ShownOnce({ sentence, secret, onClose }: ShownOnceProps) {
  const [copied, setCopied] = useState(false);
  const field = useRef<HTMLPreElement>(null);
  useEffect(() => field.current?.focus(), []);
  return (
    <Notice tone="good">
      <p>{sentence}</p>
      <pre tabIndex={0} ref={field}><code>{secret}</code></pre>
      <div className="row">
        <Button onClick={() => void navigator.clipboard?.writeText(secret).then(() => setCopied(true))}>{copied ? t.copied : t.copy}</Button>
        <Button onClick={onClose}>{t.close}</Button>
      </div>
    </Notice>
  );
}
