import { useCallback, useEffect, useRef, useState } from "react";
import { AuthError, isDeclined } from "./api.ts";

/** A request that a person starts with a button: one at a time. `error` is that of the last run. */
export interface Action<In extends unknown[]> {
  run: (...input: In) => Promise<void>;
  sending: boolean;
  error: AuthError | undefined;
}

/**
 * Wraps a request for a button. `run` does nothing while one is under way. An action that leads to another page returns
 * "leaving", and `sending` then stays true. A person who declines to enter the password causes no error.
 */
export function useAction<In extends unknown[]>(action: (...input: In) => Promise<"leaving" | void>): Action<In> {
  const [state, setState] = useState<{ sending: boolean; error?: AuthError }>({ sending: false });
  const latest = useRef(action);
  const busy = useRef(false);
  useEffect(() => {
    latest.current = action;
  });

  const run = useCallback(async (...input: In) => {
    if (busy.current) return;
    busy.current = true;
    setState({ sending: true });
    try {
      const leaving = await latest.current(...input);
      setState({ sending: leaving === "leaving" });
    } catch (error) {
      if (!(error instanceof AuthError)) {
        setState({ sending: false });
        throw error;
      }
      setState(isDeclined(error) ? { sending: false } : { sending: false, error });
    } finally {
      busy.current = false;
    }
  }, []);

  return { run, sending: state.sending, error: state.error };
}

/** Seconds until the time that Retry-After asked for has passed; 0 afterwards, and if there was none. */
export function useRetryAfter(error: AuthError | undefined): number {
  return useCountdown(error, (error?.retryAfter ?? 0) * 1000);
}

/** Counts `milliseconds` down to 0, in seconds. It starts again whenever `since` changes. */
export function useCountdown(since: unknown, milliseconds: number): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const end = performance.now() + milliseconds;
    const tick = () => setLeft(Math.max(0, Math.ceil((end - performance.now()) / 1000)));
    tick();
    if (milliseconds <= 0) return;
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [since]);
  return left;
}
