import { useEffect, useRef, useState, type ReactNode } from "react";
import { texts } from "../texts.ts";
import { Button } from "./button.tsx";
import { useReturnFocus } from "./use-return-focus.ts";

interface ConfirmProps {
  children: ReactNode;
  /** The button's name for screen readers, if its text alone is not enough. */
  label?: string;
  question: string;
  /** A choice beside the question. */
  option?: ReactNode;
  yes: string;
  no: string;
  sending: boolean;
  /** Whether it has to wait for another act. */
  waiting?: boolean;
  onYes: () => void;
}

/** A button that asks a question, in its own place, before it acts. Escape cancels. */
export function Confirm({ children, label, question, option, yes, no, sending, waiting = false, onYes }: ConfirmProps) {
  const [asking, setAsking] = useState(false);
  const opener = useReturnFocus(asking);
  const confirm = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (asking) confirm.current?.focus();
  }, [asking]);

  if (!asking) {
    return <Button ref={opener} disabled={waiting} onClick={() => setAsking(true)} {...(label && { label })}>{children}</Button>;
  }
  return (
    <div
      className="confirm"
      role="group"
      aria-label={question}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !sending) setAsking(false);
      }}
    >
      <span>{question}</span>
      {option}
      <div className="row">
        <Button ref={confirm} variant="danger" disabled={sending || waiting} onClick={onYes}>{sending ? texts.devices.working : yes}</Button>
        <Button disabled={sending} onClick={() => setAsking(false)}>{no}</Button>
      </div>
    </div>
  );
}
