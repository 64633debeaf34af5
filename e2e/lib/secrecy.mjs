// Searches for a ticket wherever a script could find it: in everything a page can read, in every answer that it got, and in
// the memory of the script engine.

import assert from "node:assert/strict";

/** Collects every answer that the pages of a context get. `settled` waits for the bodies that are still being read. */
export function collectAnswers(context) {
  const answers = [];
  const pending = new Set();
  context.on("response", (response) => {
    const kept = keep(response).then((answer) => answers.push(answer)).finally(() => pending.delete(kept));
    pending.add(kept);
  });
  async function keep(response) {
    const headers = await response.headersArray().catch(() => []); // the page may be gone
    const body = await response.body().catch(() => Buffer.alloc(0)); // a redirect has none
    return { url: response.url(), headers, body: body.toString("latin1") };
  }
  return { answers, settled: () => Promise.all(pending) };
}

/** Looks once at all that a page keeps: in what its scripts can read, by place, and in the heap, which takes a second. */
async function everythingOf(page) {
  return { ...(await page.evaluate(everythingInReach)), "the heap": await heapOf(page) };
}

/** Returns the names of the places that contain the secret. */
export async function placesOf(secret, page, answers = []) {
  return placesIn(await everythingOf(page), secret, answers);
}

/** Does so without the heap. */
export async function placesInReach(secret, page, answers = []) {
  return placesIn(await page.evaluate(everythingInReach), secret, answers);
}

function placesIn(kept, secret, answers) {
  const places = Object.keys(kept).filter((place) => kept[place].includes(secret));
  for (const { url, headers, body } of answers) {
    const others = headers.filter(({ name }) => name.toLowerCase() !== "set-cookie"); // scripts can't read it
    if (url.includes(secret)) places.push(`the address ${url}`);
    if (others.some(({ name, value }) => (name + value).includes(secret))) places.push(`a header of ${url}`);
    if (body.includes(secret)) places.push(`the body of ${url}`);
  }
  return places;
}

/**
 * Fails if one of the secrets, such as a ticket, is anywhere but in its cookie. `inReach` and `inHeap` are texts that the search must
 * find, in what scripts can read and in the heap: otherwise the search itself doesn't work.
 */
export async function checkSecrecy(secrets, page, answers, { inReach, inHeap }) {
  assert.ok(secrets.length > 0 && secrets.every((secret) => secret.length >= 43), "a secret is too short for a ticket");
  assert.ok(answers.length > 5, "too few answers were searched");
  const kept = await everythingOf(page);
  const { "the heap": heap, ...others } = kept;
  assert.ok(Object.values(others).some((text) => text.includes(inReach)), "what scripts can read was not searched");
  assert.ok(heap.includes(inHeap), "the heap was not searched");
  for (const secret of secrets) assert.deepEqual(placesIn(kept, secret, answers), []);
}

/** Runs in the page. Returns the text in each place by its name. */
async function everythingInReach() {
  const caught = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      const response = await cache.match(request);
      caught.push(name, request.url, [...request.headers], [...response.headers], await response.text());
    }
  }
  const stored = [];
  const answer = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  for (const { name } of await indexedDB.databases()) {
    const database = await answer(indexedDB.open(name));
    stored.push(name, ...database.objectStoreNames);
    for (const store of database.objectStoreNames) {
      const all = database.transaction(store).objectStore(store);
      stored.push(await answer(all.getAllKeys()), await answer(all.getAll()));
    }
    database.close();
  }
  const text = (value) => JSON.stringify(value) ?? "";
  return {
    "document.cookie": document.cookie,
    cookieStore: text(await cookieStore.getAll()),
    localStorage: text({ ...localStorage }),
    sessionStorage: text({ ...sessionStorage }),
    caches: text(caught),
    indexedDB: text(stored),
    "the document": document.documentElement.outerHTML,
    "the address": location.href,
    "the history": text(history.state),
    "the window's name": window.name,
    "service workers": text((await navigator.serviceWorker.getRegistrations()).map((one) => one.active?.scriptURL)),
  };
}

/** A heap snapshot. The browser was started with a limit for strings that keeps them whole. */
async function heapOf(page) {
  const session = await page.context().newCDPSession(page);
  const chunks = [];
  session.on("HeapProfiler.addHeapSnapshotChunk", ({ chunk }) => chunks.push(chunk));
  await session.send("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
  await session.detach();
  return chunks.join("");
}
