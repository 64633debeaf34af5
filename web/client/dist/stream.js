// The server's events. It is loaded when somebody is signed in, by the one tab that has the stream.
const events = ["session.ended", "session.expiring", "permissions.changed"];
const longest = 300; // seconds between two tries
const beat = 30_000;
/**
 * Passes the server's news on until `signal` aborts; then it is fulfilled. Whenever news may have been missed it passes
 * "changed" on. The browser connects again after a lost connection; after a refusal it doesn't, so that is done here.
 */
export function stream(url, signal, pass) {
    return new Promise((resolve) => {
        let source;
        let timer;
        let failures = 0;
        let last = Date.now();
        function connect() {
            source?.close();
            const own = (source = new EventSource(new URL("/api/auth/events", url), { withCredentials: true }));
            own.onopen = () => {
                failures = 0;
                pass({ type: "changed" });
            };
            own.onerror = () => {
                if (own.readyState !== EventSource.CLOSED)
                    return;
                pass({ type: "changed" });
                timer = setTimeout(connect, Math.min(longest, 2 ** failures++) * (1000 + 1000 * Math.random()));
            };
            for (const type of events)
                own.addEventListener(type, ({ data }) => pass({ type, ...JSON.parse(data) }));
        }
        // A machine that slept fires no event, and its connections may be dead without knowing.
        const watch = setInterval(() => {
            if (Date.now() - last > 4 * beat)
                connect();
            last = Date.now();
        }, beat);
        function end() {
            clearTimeout(timer);
            clearInterval(watch);
            source?.close();
            resolve();
        }
        signal.addEventListener("abort", end);
        if (signal.aborted)
            end();
        else
            connect();
    });
}
