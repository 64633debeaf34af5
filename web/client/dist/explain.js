// Warnings for developers in the console. This module is loaded only when there may be a reason for one.
let warned = false;
let warnedOfAddress = false;
/**
 * Warns once, in the console, if requests from a page to a server of another origin can't work, and says what to change.
 * `failed`: a request got no answer.
 */
export function explain(page, server, failed) {
    const advice = differentSites(page, server) ?? (failed ? noAnswer(page) : undefined);
    if (!advice || warned)
        return;
    warned = true;
    console.warn(`Cloakroom: this page is at ${page.origin}, the server at ${server.origin}. ${advice}`);
}
/** Warns once, in the console, that browsers refuse passkeys at a page's address. */
export function explainPasskeys({ protocol, port, origin }) {
    if (warnedOfAddress)
        return;
    warnedOfAddress = true;
    const name = `${protocol}//localhost${port && `:${port}`}`;
    console.warn(`Cloakroom: browsers refuse passkeys at an IP address such as ${origin}. On this machine, open ${name} instead.`);
}
function differentSites(page, server) {
    if (page.protocol !== server.protocol) {
        return "Browsers treat http and https as different sites and don't send the session's cookie between them. Use the same for both.";
    }
    if (page.hostname === server.hostname || ![page, server].every(onThisMachine))
        return undefined;
    const port = page.port && `:${page.port}`;
    return (`Browsers treat ${page.hostname} and ${server.hostname} as different sites and don't send the session's cookie between them, ` +
        `so sign-in can't work. Open the page at ${page.protocol}//${server.hostname}${port} instead.`);
}
function noAnswer(page) {
    return `A request got no answer that this page may read. If the server is running, start it with --origin ${page.origin}`;
}
function onThisMachine({ hostname }) {
    return /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);
}
