import { refusal } from "./error.js";
// A Location works as a base, and has the parts of a URL.
const page = globalThis.location;
export function createSender(options) {
    const url = new URL(options.url ?? "/", page ?? "http://localhost");
    const origins = [url.origin, ...(options.origins ?? [])];
    const covers = (address) => origins.includes(new URL(address, page ?? url).origin);
    let token = "";
    /** Warns the developer, in the console, if a page of another origin can't work. */
    function explain(failed) {
        if (page && page.origin !== url.origin)
            void import("./explain.js").then((it) => it.explain(page, url, failed), () => { }); // a page that is left explains nothing
    }
    explain();
    async function once(request, limit) {
        const headers = new Headers(request.headers);
        if (token && !/^(GET|HEAD)$/.test(request.method))
            headers.set("X-CSRFToken", token);
        try {
            const signal = limit ? AbortSignal.timeout(limit) : request.signal;
            return await fetch(new Request(request, { headers, signal, credentials: "include" }));
        }
        catch (error) {
            explain(!request.signal.aborted);
            throw error;
        }
    }
    return {
        url,
        covers,
        csrfToken: () => token,
        async recover({ code }, tried) {
            if (code !== "csrf_failed" || tried.has(code))
                return false;
            tried.add(code);
            token = (await (await once(new Request(new URL("/api/auth/csrf", url)))).json()).csrftoken;
            return true;
        },
        async send(request, recover, limit) {
            const tried = new Set();
            if (!covers(request.url))
                return fetch(request);
            for (;;) {
                const response = await once(request.clone(), limit);
                const { status } = response;
                if (status < 401 || status > 403 || !(await recover(await refusal(response), tried)))
                    return response;
            }
        },
    };
}
