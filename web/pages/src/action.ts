import { useCallback, useEffect, useRef, useState } from "react";
import { AuthError, isDeclined } from "./api.ts";

/** A deed a person asks for: one at a time, with what went wrong kept for showing. */
export interface Action<In extends unknown[]> {
  run: (...input: In) => Promise<void>;
  sending: boolean;
  error: AuthError | undefined;
}

/** `sending` stays on after a deed that leaves the page: give "leaving" back from it. */
export function useAction<In extends unknown[]>(deed: (...input: In) => Promise<"leaving" | void>): Action<In> {
  const [state, setState] = useState<{ sending: boolean; error?: AuthError }>({ sending: false });
  const latest = useRef(deed);
  const busy = useRef(false);
  useEffect(() => {
    latest.current = deed;
  });

  const run = useCallback(async (...input: In) => {
    if (busy.current) return;
    busy.current = true;
    setState({ sending: true });
    try {
      const leaving = await latest.current(...input);
      setState({ sending: leaving === "leaving" });
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      setState(isDeclined(error) ? { sending: false } : { sending: false, error });
    } finally {
      busy.current = false;
    }
  }, []);

  return { run, sending: state.sending, error: state.error };
}

/** Seconds left of the time that a refusal asked to wait; 0 when it is over or there was none. */
export function useWait(error: AuthError | undefined): number {
  return useCountdown(error, (error?.retryAfter ?? 0) * 1000);
}

/** Seconds left of so many milliseconds, counted from when `of` became what it is. */
export function useCountdown(of: unknown, milliseconds: number): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const end = performance.now() + milliseconds;
    const tick = () => setLeft(Math.max(0, Math.ceil((end - performance.now()) / 1000)));
    tick();
    if (milliseconds <= 0) return;
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [of]);
  return left;
}
