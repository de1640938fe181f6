// What the page shows is in its address: range, filters, refresh. Names are Grafana's.

const page = JSON.parse(document.getElementById("page").textContent);
const CARRIED = ["from", "to", "refresh", "var-provider", "var-model", "var-module", "var-tenant"];

export { page };

/** Returns the address's parameters, a copy. */
export const parameters = () => new URLSearchParams(location.search);

export const range = () => ({
  from: parameters().get("from") ?? page.from,
  to: parameters().get("to") ?? "now",
});

/** Returns the values that a variable has in the address; none stands for all. */
export const chosen = (name) => parameters().getAll(`var-${name}`);

/** Changes parameters: a text, a list of texts, or null to take one out. */
export function change(values, { replace = false } = {}) {
  const next = parameters();
  for (const [name, value] of Object.entries(values)) {
    next.delete(name);
    for (const each of [value ?? []].flat()) if (each !== "") next.append(name, each);
  }
  history[replace ? "replaceState" : "pushState"](null, "", `?${next}`);
  dispatchEvent(new Event("addresschange"));
}
addEventListener("popstate", () => dispatchEvent(new Event("addresschange")));

/** Returns the parameters that every query of this page takes. */
export function query() {
  const found = new URLSearchParams({ from: range().from, to: range().to });
  for (const variable of page.variables) {
    for (const value of chosen(variable.name)) found.append(`var-${variable.name}`, value);
  }
  return found;
}

/** Returns the parameters that the next page keeps. */
export function carried() {
  const found = new URLSearchParams();
  for (const name of CARRIED) for (const value of parameters().getAll(name)) found.append(name, value);
  return found;
}

/** Fills in a link's `${…}` for one row; null where the row has no value for it. */
export function link(url, row) {
  const [path, rest = ""] = url.split("?");
  const found = new URLSearchParams();
  for (const part of rest.split("&")) {
    if (part === "${__url_time_range}" || part === "${__all_variables}") continue;
    const [name, value] = part.split("=");
    if (!name) continue;
    const field = value.match(/^\$\{__data\.fields\.(\w+)\}$/)?.[1];
    const filled = field ? row[field] : decodeURIComponent(value);
    if (filled === null || filled === undefined || filled === "") return null;
    found.append(name, filled);
  }
  for (const [name, value] of carried()) if (!found.has(name)) found.append(name, value);
  return found.size ? `${path}?${found}` : path;
}

/** Lets the menu's links carry range and filters along. */
export function keepLinks() {
  const rest = carried();
  for (const anchor of document.querySelectorAll("a[data-keep]")) {
    const path = anchor.getAttribute("href").split("?")[0];
    anchor.setAttribute("href", rest.size ? `${path}?${rest}` : path);
  }
}
