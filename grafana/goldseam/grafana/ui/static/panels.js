// One panel: its figure, table or graph, or a sentence that says why there is none.

import { link } from "./address.js";
import { states, timeseries } from "./charts.js";
import { fill, h } from "./dom.js";
import { ago, column as columnFormat, moment, NOTHING, parts } from "./format.js";
import { reached } from "./palette.js";

const FACTS_FROM = 18; // a single row of so many columns reads better from top to bottom
const ONLY_FOR_LINKS = new Set(["id", "trace_id", "pattern", "position"]);
const PILLS = new Set(["status", "outcome", "state", "worked"]);
const LONG = new Set(["message", "probable cause", "suggested action", "result"]);

/** Draws a panel's result; returns what takes it away again. */
export function draw(body, panel, frame, marks) {
  if (isEmpty(panel, frame)) return empty(body, panel.none);
  switch (panel.kind) {
    case "stat":
      return stat(body, panel, frame);
    case "timeseries":
      return timeseries(body, panel, frame, marks);
    case "state-timeline":
      return states(body, panel, frame);
    default:
      return table(body, panel, frame);
  }
}

function isEmpty(panel, frame) {
  if (frame.series) return frame.series.length === 0;
  return frame.rows.length === 0 || (panel.kind === "stat" && frame.rows[0][0] === null);
}

const HINTS = { none: "Nothing in this range." };

/** Says that there is nothing, and where it helps, what to do. */
export function empty(body, sentence) {
  fill(body, h("p", { class: "empty" }, HINTS[sentence] ?? sentence));
  return () => {};
}

/** Says where a panel is to be seen that this page does not read. */
export function elsewhere(body, panel) {
  fill(body, h("p", { class: "muted" }, "In Grafana, from Prometheus:"), panel.queries.map((query) => h("code", {}, query.replaceAll("$__rate_interval", "5m"))));
}

// What a figure counts is one click away.
const COUNTED = { Lost: "requests?var-outcome=lost", Mended: "requests?var-outcome=mended" };

function stat(body, panel, frame) {
  const value = frame.rows[0][0];
  const [figure, unit] = parts(value, panel.unit);
  const shade = reached(value, panel.thresholds);
  const name = shade && `value text-${shade}`;
  const written = [figure, unit ? h("span", { class: "unit" }, unit) : null];
  const url = COUNTED[panel.title] && link(COUNTED[panel.title], {});
  const shown = url ? h("a", { href: url, "aria-label": `${figure} ${unit} ${panel.title}: show these calls` }, written) : written;
  fill(body, h("p", { class: name || "value" }, shown));
  return () => {};
}

/** Draws rows; a click on a heading sorts, and the order lasts until the page is left. */
export function table(body, panel, frame, { more = null } = {}) {
  const shown = frame.columns
    .map((column, at) => ({ ...column, at, ...panel.columns[column.name] }))
    .filter((column) => !ONLY_FOR_LINKS.has(column.name))
    .map((column) => ({ ...column, format: columnFormat(frame.rows.map((row) => row[column.at]), column.unit ?? panel.unit) }));
  const rows = frame.rows.map((values) => ({
    values,
    fields: Object.fromEntries(frame.columns.map((column, at) => [column.name, values[at]])),
  }));
  if (rows.length === 1 && shown.length >= FACTS_FROM) return facts(body, shown, rows[0]);
  const links = Object.entries(panel.columns).flatMap(([name, each]) =>
    each.links.map((one) => ({ ...one, from: name })),
  );
  const linked = linkColumn(shown, links, frame.columns);
  const sort = (panel.sort ??= { at: null, down: false });
  const paint = () => {
    const order = sort.at === null ? rows : [...rows].sort(by(sort));
    const head = h("tr", {}, shown.map((column) => heading(column, sort, paint)));
    const lines = order.map((row) => h("tr", {}, shown.map((column) => cell(column, row, linked))));
    fill(
      body,
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": panel.title },
        h("table", {}, h("thead", {}, head), h("tbody", {}, lines)),
      ),
      more,
    );
  };
  paint();
  return () => {};
}

/** Rows lead to their call or pattern by their first column, whichever column Grafana links. */
function linkColumn(shown, links, columns) {
  const has = (name) => columns.some((column) => column.name === name);
  if (has("pattern")) return { name: "error", title: "Open the error", url: "error?var-id=${__data.fields.pattern}" };
  if (has("id") && links.length) {
    const call = links.find((each) => each.url.startsWith("request?var-id"));
    if (call) return { name: shown[0].name, ...call };
  }
  if (has("error")) return { name: "error", title: "Show these calls", url: "requests?var-error=${__data.fields.error}" };
  return null;
}

const by = (sort) => (one, other) => {
  const [a, b] = [one.values[sort.at], other.values[sort.at]];
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  const order = typeof a === "string" ? a.localeCompare(b) : a - b;
  return sort.down ? -order : order;
};

function heading(column, sort, paint) {
  const here = sort.at === column.at;
  const order = here ? (sort.down ? "descending" : "ascending") : null;
  const click = () => {
    sort.down = here ? !sort.down : column.type === "number" || column.type === "time";
    sort.at = column.at;
    paint();
  };
  const label = column.name.replaceAll("_", " ");
  return h(
    "th",
    { scope: "col", class: column.type === "number" ? "number" : null, "aria-sort": order },
    h("button", { type: "button", onclick: click }, label, h("span", { class: "arrow", "aria-hidden": "true" }, here ? (sort.down ? "↓" : "↑") : "")),
  );
}

function cell(column, row, linked) {
  const value = row.values[column.at];
  const url = linked?.name === column.name ? link(linked.url, row.fields) : null;
  const shown = content(column, value);
  const shade = column.thresholds?.length ? reached(value, column.thresholds) : null;
  const names = [
    column.type === "number" ? "number" : null,
    LONG.has(column.name) ? "long" : null,
    shade && value ? `text-${shade}` : null,
    value === 0 ? "zero" : null,
  ];
  return h("td", { class: names.filter(Boolean).join(" ") || null }, url ? h("a", { href: url }, shown) : shown);
}

/** Returns a value as a reader wants it. */
export function content(column, value) {
  if (value === null || value === "") return h("span", { class: "nothing" }, NOTHING);
  if (column.type === "time") return when(value);
  if (column.type === "bool") return PILLS.has(column.name) ? pill(value ? "mended" : "no") : value ? "yes" : "no";
  if (column.type === "json") return Object.keys(value).length ? brief(value) : h("span", { class: "nothing" }, NOTHING);
  if (column.type === "number") return column.format(value);
  return PILLS.has(column.name) ? pill(value) : String(value);
}

export const when = (ms) =>
  h("time", { datetime: new Date(ms).toISOString(), title: `${new Date(ms).toISOString()}, ${ago(ms)}` }, moment(ms));

export const pill = (name) => h("span", { class: "pill", "data-is": name }, name);

const brief = (value) =>
  Object.entries(value)
    .map(([name, each]) => `${name} ${typeof each === "object" ? JSON.stringify(each) : each}`)
    .join(" · ");

function facts(body, shown, row) {
  const pairs = shown
    .filter((column) => row.values[column.at] !== null && row.values[column.at] !== "")
    .map((column) => [h("dt", {}, column.name.replaceAll("_", " ")), h("dd", {}, content(column, row.values[column.at]))]);
  fill(body, h("dl", { class: "facts" }, pairs.map(([name, value]) => h("div", {}, name, value))));
  return () => {};
}
