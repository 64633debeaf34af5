// How the tabs of a browser work together: they tell each other about changes, share one stream of events, and wait while one
// of them gets a new ticket.

export interface News {
  /** "changed" comes from a tab, or when an event may have been missed; the others come from the server. */
  readonly type: "changed" | "session.ended" | "session.expiring" | "permissions.changed";
  readonly reason?: string | undefined;
  /** Absent in a "session.expiring" of a tab that has used the session. */
  readonly expires_at?: string;
}

export interface Tabs {
  /** Listens, until `close`, to the other tabs, and to whether this page is visible. */
  open(): void;
  close(): void;
  /** Tells the other tabs. */
  tell(news: News): void;
  /** Says whether this tab needs the stream of events. */
  follow(wanted: boolean): void;
  /** Runs a request that brings a new ticket. `settled`, in every tab, waits for it. */
  changing<Out>(act: () => Promise<Out>): Promise<Out>;
  settled(): Promise<void>;
}

const visibilityEvents = ["visibilitychange", "online", "freeze", "resume", "pagehide", "pageshow"];

/** `hear` is called with each piece of news, and `wake` when news may have been missed. */
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

  /** One tab of the browser holds the lock and has the stream. The others queue for the lock, so that one of them takes over. */
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
    lock("events", { signal }, stream).catch(() => {
      // It was aborted while it waited for the lock. Or the module could not be loaded, which is tried again later.
      if (!signal.aborted) following = undefined;
    });
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
      for (const type of visibilityEvents) addEventListener(type, look, { signal });
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
