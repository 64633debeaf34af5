import { useEffect, useRef, useState, type ReactNode } from "react";
import { texts } from "../texts.ts";
import { Button } from "./button.tsx";

interface SureProps {
  children: ReactNode;
  /** The button's name to a screen reader, where its text alone is not enough. */
  label?: string;
  question: string;
  yes: string;
  no: string;
  sending: boolean;
  onYes: () => void;
}

/** A button that asks once, in its own place, before it does anything. Escape takes it back. */
export function Sure({ children, label, question, yes, no, sending, onYes }: SureProps) {
  const [asking, setAsking] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const confirm = useRef<HTMLButtonElement>(null);
  const was = useRef(false);
  useEffect(() => {
    if (asking) confirm.current?.focus();
    else if (was.current) opener.current?.focus();
    was.current = asking;
  }, [asking]);

  if (!asking) {
    return <Button ref={opener} onClick={() => setAsking(true)} {...(label && { label })}>{children}</Button>;
  }
  return (
    <div
      className="sure"
      role="group"
      aria-label={question}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !sending) setAsking(false);
      }}
    >
      <span>{question}</span>
      <div className="row">
        <Button ref={confirm} look="danger" off={sending} onClick={onYes}>{sending ? texts.devices.working : yes}</Button>
        <Button off={sending} onClick={() => setAsking(false)}>{no}</Button>
      </div>
    </div>
  );
}
