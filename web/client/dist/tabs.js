// What the tabs of a browser do together: tell each other of changes, share one stream of events, and wait for a ticket
// that one of them is getting.
const looks = ["visibilitychange", "online", "freeze", "resume", "pagehide", "pageshow"];
/** `hear` is called with each piece of news, `wake` when something may have been missed. */
export function openTabs(url, hear, wake) {
    const name = "cloakroom" + url.origin;
    const locks = globalThis.navigator?.locks;
    const lock = (what, options, act) => locks ? locks.request(name + what, options, act) : act();
    let channel;
    let listening;
    let following;
    let wanted = false;
    let frozen = false;
    const tell = (news) => channel?.postMessage(news);
    /** One tab of the browser has the stream; the others queue for the lock, so that one of them takes over. */
    function follow() {
        const on = !!locks && wanted && !frozen;
        if (on === !!following)
            return;
        following?.abort();
        following = undefined;
        if (!on)
            return;
        const { signal } = (following = new AbortController());
        const pass = (news) => {
            tell(news);
            hear(news);
        };
        const stream = () => import("./stream.js").then((it) => it.stream(url, signal, pass));
        lock("events", { signal }, stream).catch(() => { }); // no longer wanted while in the queue
    }
    function freeze(on) {
        frozen = on;
        follow();
        if (!on)
            wake();
    }
    return {
        tell,
        open() {
            channel = new BroadcastChannel(name);
            channel.onmessage = ({ data }) => hear(data);
            const { signal } = (listening = new AbortController());
            const look = ({ type }) => {
                if (/freeze|hide/.test(type))
                    freeze(true);
                else if (type === "resume" || document.visibilityState === "visible")
                    freeze(false);
            };
            for (const type of looks)
                addEventListener(type, look, { signal });
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
        settled: () => lock("ticket", {}, async () => { }),
    };
}
