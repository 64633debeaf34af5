import { refusal } from "./error.js";

/** A request that was refused, as far as it matters for trying again. */
export interface Refused {
  readonly status: number;
  readonly code: string;
}

/** Sees to what a request was refused for, and says whether to repeat it. `tried` is one set a request. */
export type Recover = (refused: Refused, tried: Set<string>) => Promise<boolean>;

/** How requests reach the server. */
export interface Sender {
  readonly url: URL;
  /** Whether requests to this address go with the session's cookie. */
  covers(address: string): boolean;
  /** What X-CSRFToken has to be; "" until the server has asked for one. */
  csrfToken(): string;
  /** Fetches the token where it is missing or wrong. */
  recover: Recover;
  /**
   * `fetch` with the cookie and, where it is asked for, the token; repeated as `recover` says. Addresses that aren't
   * covered get none of this. `limit` is the time for each try in milliseconds.
   */
  send(request: Request, recover: Recover, limit?: number): Promise<Response>;
}

export interface SenderOptions {
  /** Where Cloakroom is, such as "http://127.0.0.1:8000". Default: where the page is. */
  url?: string | undefined;
  /** Further origins whose API goes by the same session, such as "http://127.0.0.1:9000". */
  origins?: readonly string[] | undefined;
}

// As a base, and in its parts, an address is a URL.
const page = globalThis.location as unknown as URL | undefined;

export function createSender(options: SenderOptions): Sender {
  const url = new URL(options.url ?? "/", page ?? "http://localhost");
  const origins = [url.origin, ...(options.origins ?? [])];
  const covers = (address: string) => origins.includes(new URL(address, page ?? url).origin);
  let token = "";

  /** Tells the developer, in the console, why a page of another origin gets nowhere. */
  function explain(failed?: boolean): void {
    if (page && page.origin !== url.origin) void import("./explain.js").then((it) => it.explain(page, url, failed));
  }
  explain();

  async function once(request: Request, limit?: number): Promise<Response> {
    const headers = new Headers(request.headers);
    if (token && !/^(GET|HEAD)$/.test(request.method)) headers.set("X-CSRFToken", token);
    try {
      const signal = limit ? AbortSignal.timeout(limit) : request.signal;
      return await fetch(new Request(request, { headers, signal, credentials: "include" }));
    } catch (error) {
      explain(!request.signal.aborted);
      throw error;
    }
  }

  return {
    url,
    covers,
    csrfToken: () => token,
    async recover({ code }, tried) {
      if (code !== "csrf_failed" || tried.has(code)) return false;
      tried.add(code);
      token = (await (await once(new Request(new URL("/api/auth/csrf", url)))).json()).csrftoken;
      return true;
    },
    async send(request, recover, limit) {
      const tried = new Set<string>();
      if (!covers(request.url)) return fetch(request);
      for (;;) {
        const response = await once(request.clone(), limit);
        const { status } = response;
        if (status < 401 || status > 403 || !(await recover(await refusal(response), tried))) return response;
      }
    },
  };
}
