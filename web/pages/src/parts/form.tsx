import { useEffect, useRef, type FormEvent, type ReactNode } from "react";
import type { AuthError } from "../api.ts";

interface FormProps {
  error: AuthError | undefined;
  sending: boolean;
  /** The field that gets the focus after `invalid_credentials`, which names no field. */
  retype?: string;
  /** `field` returns the value of a field, and `all` every value under one name. */
  onSend: (field: (name: string) => string, all: (name: string) => string[]) => void;
  children: ReactNode;
}

/**
 * A form that is sent by script and keeps its values. When the server refuses it, the first wrong field gets the focus.
 */
export function Form({ error, sending, retype, onSend, children }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (!error || !form.current) return;
    const fallback = retype && error.code === "invalid_credentials" ? `[name="${retype}"]` : "";
    const wrong = form.current.querySelector<HTMLInputElement | HTMLTextAreaElement>('[aria-invalid="true"]')
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
    // The method matters only if the script fails to run: a GET would put the password into the URL.
    <form ref={form} method="post" onSubmit={send} aria-busy={sending}>
      {children}
    </form>
  );
}
