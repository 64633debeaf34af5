// Other sites: pages on another port, reached as 127.0.0.1 or as localhost.

import http from "node:http";

/**
 * Serves `pages` (path → HTML or {type, body}) and returns the port. The page "*" is for all other paths. It listens only on
 * IPv4, which browsers also try for localhost.
 */
export async function startSite(t, pages) {
  const site = http.createServer((request, response) => {
    const found = pages[new URL(request.url, "http://site").pathname] ?? pages["*"];
    if (found === undefined) return response.writeHead(404).end();
    const { type = "text/html; charset=utf-8", body = found } = typeof found === "string" ? {} : found;
    response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).end(body);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    site.closeAllConnections();
    return new Promise((resolve) => site.close(resolve));
  });
  return site.address().port;
}
