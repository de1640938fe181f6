// Requests to the server: a few at a time, with the key if there is one, faults as sentences.

const KEY = "goldseam-key";
const AT_ONCE = 4; // the API keeps five connections to the database

/** A request that was not answered as hoped; the message is for a person. */
export class Fault extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;
export const setKey = (text) => sessionStorage.setItem(KEY, text);
export const forgetKey = () => sessionStorage.removeItem(KEY);

let running = 0;
const waiting = [];

async function turn() {
  if (running >= AT_ONCE) await new Promise((go) => waiting.push(go));
  running += 1;
}

function done() {
  running -= 1;
  waiting.shift()?.();
}

/** Asks a path relative to the pages and returns the JSON; throws a Fault. */
export async function ask(path, { method = "GET", body, signal } = {}) {
  await turn();
  try {
    signal?.throwIfAborted();
    return await answer(path, { method, body, signal });
  } finally {
    done();
  }
}

async function answer(path, { method, body, signal }) {
  const headers = { Accept: "application/json" };
  if (hasKey()) headers.Authorization = `Bearer ${sessionStorage.getItem(KEY)}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Fault(0, "The server does not answer. Is it still running?");
  }
  const found = await response.json().catch(() => null);
  if (response.ok) return found;
  if (response.status === 401) dispatchEvent(new CustomEvent("locked", { detail: found?.detail }));
  throw new Fault(response.status, found?.detail ?? `The server answered ${response.status}.`);
}

/** The API's own endpoints. */
export const api = (path, options) => ask(`../api/v1/ai${path}`, options);
