// How the tabs of a browser work together: they tell each other about changes, share one stream of events, and wait while one
// of them gets a new ticket.
const visibilityEvents = ["visibilitychange", "online", "freeze", "resume", "pagehide", "pageshow"];
/** `hear` is called with each piece of news, and `wake` when news may have been missed. */
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
    /** One tab of the browser holds the lock and has the stream. The others queue for the lock, so that one of them takes over. */
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
        lock("events", { signal }, stream).catch(() => {
            // It was aborted while it waited for the lock. Or the module could not be loaded, which is tried again later.
            if (!signal.aborted)
                following = undefined;
        });
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
            for (const type of visibilityEvents)
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
