// What a developer is told in the console. It is loaded only when there is something to tell.
let told = false;
/** Says, once, why a page of another origin than the server's gets nowhere, if that can be seen. `failed`: a request got no answer. */
export function explain(page, server, failed) {
    const advice = seen(page, server) ?? (failed ? unread(page) : undefined);
    if (!advice || told)
        return;
    told = true;
    console.warn(`Cloakroom: this page is at ${page.origin}, the server at ${server.origin}. ${advice}`);
}
function seen(page, server) {
    if (page.protocol !== server.protocol) {
        return "To a browser http and https are two sites, and cookies don't go from one to the other. Use the same for both.";
    }
    if (page.hostname === server.hostname || ![page, server].every(onThisMachine))
        return undefined;
    const port = page.port && `:${page.port}`;
    return (`To a browser ${page.hostname} and ${server.hostname} are two sites, and cookies don't go from one to the other, so nobody ` +
        `can sign in. Open the page at ${page.protocol}//${server.hostname}${port} instead.`);
}
function unread(page) {
    return `A request got no answer that this page may read. If the server runs, start it with --origin ${page.origin}`;
}
function onThisMachine({ hostname }) {
    return /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);
}
