import { useEffect, useRef, type FormEvent, type ReactNode } from "react";
import type { AuthError } from "../api.ts";

interface FormProps {
  error: AuthError | undefined;
  sending: boolean;
  /** The field to go to when the server refuses without naming one. */
  retype?: string;
  /** Gives what was typed into a field, and what was picked or ticked under a name. */
  onSend: (field: (name: string) => string, all: (name: string) => string[]) => void;
  children: ReactNode;
}

/**
 * A form that is sent by script and keeps what was typed. After a refusal the
 * focus is in the first field that is wrong.
 */
export function Form({ error, sending, retype, onSend, children }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (!error || !form.current) return;
    const fallback = retype && error.code === "invalid_credentials" ? `[name="${retype}"]` : "";
    const wrong = form.current.querySelector<HTMLInputElement>('[aria-invalid="true"]')
      ?? (fallback ? form.current.querySelector<HTMLInputElement>(fallback) : null);
    wrong?.focus();
    wrong?.select();
  }, [error, retype]);

  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (sending) return;
    const data = new FormData(event.currentTarget);
    onSend((name) => String(data.get(name) ?? ""), (name) => data.getAll(name).map(String));
  };
  return (
    // The method matters only should the script fail: a GET would put the password into the URL.
    <form ref={form} method="post" onSubmit={send} aria-busy={sending}>
      {children}
    </form>
  );
}
