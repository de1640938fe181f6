// What stands above the panels: time range, refresh, theme, variables, filters.

import { change, chosen, page, parameters, query, range } from "./address.js";
import { ask } from "./ask.js";
import { fill, h } from "./dom.js";

const RANGES = [
  ["now-15m", "Last 15 minutes"],
  ["now-1h", "Last hour"],
  ["now-6h", "Last 6 hours"],
  ["now-24h", "Last 24 hours"],
  ["now-7d", "Last 7 days"],
  ["now-30d", "Last 30 days"],
];
const REFRESH = [["", "Off"], ["5s", "5 s"], ["10s", "10 s"], ["30s", "30 s"], ["1m", "1 min"]];
const REFRESH_DEFAULT = "30s";
const OUTCOMES = ["answered at once", "mended", "lost", "pending", "cancelled", "abandoned"];
const HIDDEN = new Set(["before", "id", "trace_id"]);

/** Seconds between two refreshes; 0 is never. */
export function refreshSeconds() {
  const text = parameters().get("refresh") ?? REFRESH_DEFAULT;
  const [, count, unit] = text.match(/^(\d+)([sm])$/) ?? [null, 0, "s"];
  return Number(count) * (unit === "m" ? 60 : 1);
}

/** Builds the controls; `refresh` runs when the reader asks for newer figures. */
export function controls(box, refresh) {
  const left = h("div", { class: "filters" }, page.variables.filter(({ name }) => !HIDDEN.has(name)).map(filter));
  const right = h("div", { class: "when" }, ranges(), h("button", { type: "button", class: "plain", onclick: refresh }, "Refresh"), interval());
  fill(box, left, right);
}

function select(label, options, value, onchange) {
  const choices = options.map(([key, name]) => h("option", { value: key, selected: key === value }, name));
  return h("label", { class: "field" }, h("span", { class: "label" }, label), h("select", { onchange }, choices));
}

function ranges() {
  const now = range();
  const known = now.to === "now" && RANGES.some(([from]) => from === now.from);
  const options = [...RANGES, ["custom", known ? "Other …" : "Chosen below"]];
  const fields = known ? null : custom();
  const onchange = ({ target }) => {
    if (target.value === "custom") target.closest(".range").append(custom());
    else change({ from: target.value, to: null });
  };
  return h("div", { class: "range" }, select("Time range", options, known ? now.from : "custom", onchange), fields);
}

const local = (ms) => {
  const then = new Date(ms - 60_000 * new Date(ms).getTimezoneOffset());
  return then.toISOString().slice(0, 16);
};

function custom() {
  const now = range();
  const start = Number(now.from) || Date.now() - 6 * 3_600_000;
  const end = Number(now.to) || Date.now();
  const field = (name, value) =>
    h("label", { class: "field" }, h("span", { class: "label" }, name), h("input", { type: "datetime-local", name, value: local(value), required: true }));
  const submit = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const [from, to] = ["From", "To"].map((name) => new Date(given.get(name)).getTime());
    if (to <= from) return event.target.querySelector("[role=alert]").replaceChildren("The end must be after the start.");
    change({ from: String(from), to: String(to) });
  };
  return h("form", { class: "custom", onsubmit: submit }, field("From", start), field("To", end), h("button", { type: "submit" }, "Show"), h("span", { role: "alert", class: "fault" }));
}

function interval() {
  const now = parameters().get("refresh") ?? REFRESH_DEFAULT;
  return select("Live", REFRESH, refreshSeconds() ? now : "", ({ target }) => change({ refresh: target.value || "off" }, { replace: true }));
}

/** The choice between light and dark, which the browser keeps. */
export function theme() {
  const root = document.documentElement;
  const options = [["", "System"], ["light", "Light"], ["dark", "Dark"]];
  return select("Theme", options, root.dataset.theme ?? "", ({ target }) => {
    if (target.value) root.dataset.theme = target.value;
    else delete root.dataset.theme;
    try {
      localStorage.setItem("goldseam-theme", target.value);
    } catch {
      // It holds for this page only.
    }
    dispatchEvent(new Event("themechange"));
  });
}

function filter(variable) {
  if (variable.kind === "choice") return choice(variable);
  if (variable.name === "outcome") {
    const options = [["", "All"], ...OUTCOMES.map((each) => [each, each])];
    return select(variable.label, options, chosen("outcome")[0] ?? "", ({ target }) => change({ "var-outcome": target.value }));
  }
  const hint = { error: "code, for example TIMEOUT", find: "id, user, task or words of the message" }[variable.name];
  const onchange = ({ target }) => change({ [`var-${variable.name}`]: target.value.trim() });
  const input = h("input", { type: "search", value: chosen(variable.name)[0] ?? "", placeholder: hint, maxlength: "256", onchange });
  return h("label", { class: "field" }, h("span", { class: "label" }, variable.label), input);
}

/** A list of boxes to tick that opens below a button; its options are asked for when it opens. */
function choice({ name, label }) {
  const picked = chosen(name);
  const list = h("div", { class: "options" });
  const summary = h("summary", { title: picked.join(", ") || null }, h("span", { class: "label" }, label), h("span", { class: "picked" }, shortened(picked)));
  const box = h("details", { class: "choice" }, summary, list);
  box.addEventListener("toggle", () => box.open && options(list, name, label));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    box.open = false;
    summary.focus();
  });
  return box;
}

const shortened = (picked) => (picked.length === 0 ? "All" : picked.length === 1 ? picked[0] : `${picked.length} chosen`);

async function options(list, name, label) {
  list.replaceChildren(h("p", { class: "empty" }, "Looking …"));
  let found;
  try {
    found = (await ask(`data/${page.slug}/variables/${name}?${query()}`)).options;
  } catch (fault) {
    list.replaceChildren(h("p", { class: "fault" }, fault.message));
    return;
  }
  const picked = new Set(chosen(name));
  const all = [...new Set([...found, ...picked])];
  if (all.length === 0) {
    list.replaceChildren(h("p", { class: "empty" }, "Nothing to choose from in this range."));
    return;
  }
  const boxes = all.map((each) => h("label", {}, h("input", { type: "checkbox", value: each, checked: picked.has(each) }), each));
  const apply = () => {
    const values = [...list.querySelectorAll("input:checked")].map((input) => input.value);
    change({ [`var-${name}`]: values });
  };
  const clear = () => change({ [`var-${name}`]: null });
  list.replaceChildren(
    h("fieldset", {}, h("legend", { class: "hidden" }, label), boxes),
    h("div", { class: "buttons" }, h("button", { type: "button", onclick: apply }, "Apply"), h("button", { type: "button", class: "plain", onclick: clear }, "All")),
  );
}

addEventListener("click", ({ target }) => {
  for (const open of document.querySelectorAll("details.choice[open]")) if (!open.contains(target)) open.open = false;
});
