// What the tabs of a browser do together: tell each other of changes, share one stream of events, and wait for a ticket
// that one of them is getting.

export interface News {
  /** "changed" is a tab's; the others are the server's. */
  readonly type: "changed" | "session.ended" | "session.expiring" | "permissions.changed";
  readonly reason?: string | undefined;
  readonly expires_at?: string;
}

export interface Tabs {
  /** Listens, until `close`, to the other tabs, and to whether this one is looked at. */
  open(): void;
  close(): void;
  /** Tells the other tabs. */
  tell(news: News): void;
  /** Wants the stream of events, or no longer. */
  follow(wanted: boolean): void;
  /** Does what brings a new ticket; `settled`, of every tab, waits for it. */
  changing<Out>(act: () => Promise<Out>): Promise<Out>;
  settled(): Promise<void>;
}

const looks = ["visibilitychange", "online", "freeze", "resume", "pagehide", "pageshow"];

/** `hear` is called with each piece of news, `wake` when something may have been missed. */
export function openTabs(url: URL, hear: (news: News) => void, wake: () => void): Tabs {
  const name = "cloakroom" + url.origin;
  const locks = globalThis.navigator?.locks as LockManager | undefined;
  const lock = <Out>(what: string, options: LockOptions, act: () => Promise<Out>): Promise<Out> =>
    locks ? (locks.request(name + what, options, act) as Promise<Out>) : act();
  let channel: BroadcastChannel | undefined;
  let listening: AbortController | undefined;
  let following: AbortController | undefined;
  let wanted = false;
  let frozen = false;

  const tell = (news: News) => channel?.postMessage(news);

  /** One tab of the browser has the stream; the others queue for the lock, so that one of them takes over. */
  function follow(): void {
    const on = !!locks && wanted && !frozen;
    if (on === !!following) return;
    following?.abort();
    following = undefined;
    if (!on) return;
    const { signal } = (following = new AbortController());
    const pass = (news: News) => {
      tell(news);
      hear(news);
    };
    const stream = () => import("./stream.js").then((it) => it.stream(url, signal, pass));
    lock("events", { signal }, stream).catch(() => {}); // no longer wanted while in the queue
  }

  function freeze(on: boolean): void {
    frozen = on;
    follow();
    if (!on) wake();
  }

  return {
    tell,
    open() {
      channel = new BroadcastChannel(name);
      channel.onmessage = ({ data }) => hear(data);
      const { signal } = (listening = new AbortController());
      const look = ({ type }: Event) => {
        if (/freeze|hide/.test(type)) freeze(true);
        else if (type === "resume" || document.visibilityState === "visible") freeze(false);
      };
      for (const type of looks) addEventListener(type, look, { signal });
    },
    close() {
      listening?.abort();
      channel?.close();
      channel = undefined;
      frozen = false;
    },
    follow(on) {
      wanted = on;
      follow();
    },
    changing: (act) => lock("ticket", { mode: "shared" }, act),
    settled: () => lock("ticket", {}, async () => {}),
  };
}
