import { refusal } from "./error.js";

/** What decides whether a refused request is repeated. */
export interface Refused {
  readonly status: number;
  readonly code: string;
  /** What would do, if the server asks for a fresh sign-in. */
  readonly factors?: readonly string[] | undefined;
}

/** Removes the reason of a refusal if it can, and returns whether to repeat the request. `tried` is a new set for each request. */
export type Recover = (refused: Refused, tried: Set<string>) => Promise<boolean>;

/** Sends requests to the server. */
export interface Sender {
  readonly url: URL;
  /** Whether requests to this address get the session's cookie. */
  covers(address: string): boolean;
  /** The value for X-CSRFToken; "" until the server has asked for one. */
  csrfToken(): string;
  /** Fetches the CSRF token if it is missing or wrong. */
  recover: Recover;
  /**
   * `fetch` with the cookie and, once the server has asked for it, the CSRF token. Refused requests are repeated as `recover`
   * decides. Addresses that aren't covered get a plain `fetch`. `limit` is the time limit of each attempt in milliseconds; none: it has the signal of the request.
   */
  send(request: Request, recover: Recover, limit?: number): Promise<Response>;
}

export interface SenderOptions {
  /** The address of Cloakroom, such as "http://127.0.0.1:8000". Default: the page's origin. */
  url?: string | undefined;
  /** Further origins whose API uses the same session, such as "http://127.0.0.1:9000". */
  origins?: readonly string[] | undefined;
}

// A Location works as a base, and has the parts of a URL.
const page = globalThis.location as unknown as URL | undefined;

export function createSender(options: SenderOptions): Sender {
  const url = new URL(options.url ?? "/", page ?? "http://localhost");
  const origins = [url.origin, ...(options.origins ?? [])];
  const covers = (address: string) => origins.includes(new URL(address, page ?? url).origin);
  let token = "";

  /** Warns the developer, in the console, if a page of another origin can't work. */
  function explain(failed?: boolean): void {
    if (page && page.origin !== url.origin) void import("./explain.js").then((it) => it.explain(page, url, failed), () => {}); // a page that is left explains nothing
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
