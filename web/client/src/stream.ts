// The server's events. This module is loaded when a user is signed in, by the one tab that has the stream.

import type { News } from "./tabs.js";

const events = ["session.ended", "session.expiring", "permissions.changed"] as const;
const longest = 300; // seconds between two attempts
const beat = 30_000; // milliseconds between two checks for sleep

/**
 * Calls `pass` with the server's events until `signal` aborts, which resolves the promise. Whenever an event may have been
 * missed it passes "changed". The browser itself reconnects after a lost connection, but not after a refusal: this does.
 */
export function stream(url: URL, signal: AbortSignal, pass: (news: News) => void): Promise<void> {
  return new Promise((resolve) => {
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout>;
    let failures = 0;
    let last = Date.now();

    function connect(): void {
      source?.close();
      const own = (source = new EventSource(new URL("/api/auth/events", url), { withCredentials: true }));
      own.onopen = () => {
        failures = 0;
        pass({ type: "changed" });
      };
      own.onerror = () => {
        if (own.readyState !== EventSource.CLOSED) return;
        pass({ type: "changed" });
        timer = setTimeout(connect, Math.min(longest, 2 ** failures++) * (1000 + 1000 * Math.random()));
      };
      for (const type of events) own.addEventListener(type, ({ data }) => pass({ type, ...JSON.parse(data) }));
    }

    // No event says that the machine has slept, and its connections may be dead without an error.
    const watch = setInterval(() => {
      if (Date.now() - last > 4 * beat) connect();
      last = Date.now();
    }, beat);

    function end(): void {
      clearTimeout(timer);
      clearInterval(watch);
      source?.close();
      resolve();
    }

    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    else connect();
  });
}
