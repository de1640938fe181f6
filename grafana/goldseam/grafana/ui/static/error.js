// The page of one error: its cause, what has helped, and the switch of its correction.

import { chosen } from "./address.js";
import { api, ask } from "./ask.js";
import { fill, h } from "./dom.js";
import { text } from "./format.js";
import { pill, when } from "./panels.js";

const VERDICTS = {
  helps: ["helps", "mended"],
  mixed: ["helps at times", "mixed"],
  does_not_help: ["does not help", "lost"],
  insufficient_evidence: ["too few tries to tell", "pending"],
};

const ELSEWHERE = "Evidence speaks for a correction of another pattern of this error, not yet of this one.";

let mayCorrect = false;
let last = "";

/** Shows the pattern that the address names. */
export async function show(top, signal) {
  const [id] = chosen("id");
  if (!id) {
    fill(top, h("p", { class: "empty" }, "No error is chosen. ", h("a", { href: "errors" }, "Pick one from the patterns on Errors.")));
    return;
  }
  try {
    const [pattern, session] = await Promise.all([api(`/errors/${encodeURIComponent(id)}`, { signal }), ask("data/session", { signal })]);
    mayCorrect = session.may_correct;
    const message = new URLSearchParams({ error_message: pattern.error_message_pattern.slice(0, 1500) });
    const fix = await api(`/logs/errors/${pattern.error_code}/fix?${message}`, { method: "POST", signal });
    paint(top, pattern, fix);
  } catch (fault) {
    if (fault.name !== "AbortError") fill(top, h("p", { class: "fault" }, fault.message));
  }
}

function paint(top, pattern, fix) {
  const same = JSON.stringify([pattern, fix]);
  const busy = top.contains(document.activeElement) && document.activeElement.closest("form");
  if (same === last || busy) return; // somebody is writing a reason
  last = same;
  fill(top, summary(pattern, fix), h("div", { class: "pair" }, advice(pattern, fix), correction(pattern, fix)), evidence(pattern));
}

function card(title, question, ...content) {
  return h("section", { class: "panel" }, h("h2", {}, title), h("p", { class: "question" }, question), h("div", { class: "body" }, content));
}

function summary(pattern, fix) {
  const lost = pattern.occurrence_count - pattern.recovered_count;
  const seen = `Calls that met it: ${text(pattern.occurrence_count)}, mended ${text(pattern.recovered_count)}, lost ${text(lost)}.`;
  const price = fix.wasted.calls ? ` All ${fix.type} of the last week cost ${text(fix.wasted.seconds, "s")} and ${text(fix.wasted.tokens)} tokens for nothing.` : "";
  return h(
    "div",
    { class: "story" },
    h("p", {}, h("strong", {}, pattern.error_code), " from ", h("strong", {}, pattern.provider), " ", pill(pattern.resolution_status)),
    h("blockquote", {}, pattern.error_message_pattern),
    h("p", {}, seen, price),
    h("p", { class: "muted" }, "First seen ", when(Date.parse(pattern.first_seen)), ", last ", when(Date.parse(pattern.last_occurred)), `, tenant ${pattern.tenant_id}.`),
    resolution(pattern),
  );
}

const WORDS = { open: "Mark as open", resolved: "Mark as resolved", wontfix: "Will not fix" };

function resolution(pattern) {
  if (!mayCorrect) return null;
  const others = Object.entries(WORDS).filter(([state]) => state !== pattern.resolution_status);
  const buttons = others.map(([state, words]) => h("button", { type: "button", class: "plain", onclick: (event) => send(event.target, pattern, { resolution_status: state }) }, words));
  return h("div", { class: "buttons" }, buttons, h("span", { class: "fault", role: "alert" }));
}

function advice(pattern, fix) {
  const suggestions = fix.suggestions.map((each) => h("li", {}, each));
  const pages = fix.documentation.map((url) => h("li", {}, h("a", { href: url, rel: "noreferrer", target: "_blank" }, url.replace(/^https?:\/\//, ""))));
  return card(
    "What to do",
    "What is the probable cause, and what helps?",
    h("p", { class: "cause" }, fix.probable_cause),
    h("ol", { class: "suggestions" }, suggestions),
    pages.length ? [h("h3", {}, "The providers' own words"), h("ul", { class: "pages" }, pages)] : null,
  );
}

function correction(pattern, fix) {
  const actions = fix.actions.filter((action) => action.pattern_id === pattern.pattern_id);
  return card(
    "Correction",
    "Should applications correct this error by themselves?",
    state(pattern),
    pattern.auto_correction_enabled ? null : proposals(pattern, actions, fix),
    mayCorrect ? null : h("p", { class: "muted" }, "To switch it, use a key with the scope errors:write."),
  );
}

function described(config) {
  if (!config) return "none yet";
  const target = [config.provider, config.model].filter(Boolean).join("/");
  switch (config.strategy) {
    case "retry":
      return config.delay_s ? `send the request again after ${text(config.delay_s, "s")}` : "send the request again";
    case "fallback":
      return `ask ${target} at once`;
    case "simplify":
      return `ask again with at most ${config.max_tokens} tokens`;
    default:
      return "answer from the cache";
  }
}

function state(pattern) {
  const on = pattern.auto_correction_enabled;
  const config = pattern.correction_config;
  const click = (event) => send(event.currentTarget, pattern, { auto_correction_enabled: !on });
  const knob = h(
    "button",
    { type: "button", role: "switch", class: "switch", id: "correction", "aria-checked": String(on), disabled: !mayCorrect || (!on && !config), onclick: click, "aria-label": "Applications correct this error" },
    h("span", { class: "knob" }),
  );
  const by = pattern.correction_changed_by ? [" Changed by ", pattern.correction_changed_by, " ", when(Date.parse(pattern.correction_changed_at)), "."] : [];
  return h(
    "div",
    { class: "correction" },
    h("div", { class: "row" }, knob, h("p", {}, h("strong", {}, on ? "On" : "Off"), `: ${described(config)}.`, ...by)),
    effect(pattern),
    h("div", { class: "fault", role: "alert" }),
  );
}

function effect({ effect: found, auto_correction_enabled: on }) {
  if (!found) return on ? h("p", { class: "muted" }, "Applications take it up within a minute; what it brings is shown here.") : null;
  return h("p", {}, `Applied to ${found.applied} of the latest calls, mended ${found.successes}: ${interval(found)}.`);
}

const interval = ({ low, high }) => `${Math.round(100 * low)} to ${Math.round(100 * high)} %`;

function proposals(pattern, actions, fix) {
  if (!mayCorrect) return h("p", {}, fix.auto_correction.reason);
  const buttons = actions.map((action) =>
    h(
      "li",
      {},
      h("button", { type: "button", onclick: (event) => send(event.currentTarget, pattern, action.config_patch) }, "Switch on"),
      h("span", {}, `${action.title}. It helped in ${interval(action)} of ${action.attempts} tries.`),
    ),
  );
  const none = actions.length ? null : h("p", {}, fix.actions.length ? ELSEWHERE : fix.auto_correction.reason);
  return h("div", {}, none, h("ul", { class: "actions" }, buttons), anyway(pattern));
}

const FIELDS = {
  retry: null,
  cache: null,
  fallback: ["provider", "Provider to ask", "text"],
  simplify: ["max_tokens", "Tokens at most", "number"],
};

/** A correction that no evidence speaks for needs a reason, which the audit keeps. */
function anyway(pattern) {
  const detail = h("span", {});
  const pick = (strategy) => {
    const [name, label, type] = FIELDS[strategy] ?? [];
    detail.replaceChildren(...(name ? [h("label", { class: "field" }, h("span", { class: "label" }, label), h("input", { name, type, required: true, min: type === "number" ? "1" : null }))] : []));
  };
  const choices = Object.keys(FIELDS).map((each) => h("option", { value: each, selected: each === "fallback" }, each));
  pick("fallback");
  const submit = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const strategy = given.get("strategy");
    const [name, , type] = FIELDS[strategy] ?? [];
    const config = name ? { strategy, [name]: type === "number" ? Number(given.get(name)) : given.get(name) } : { strategy };
    send(event.target, pattern, { auto_correction_enabled: true, correction_config: config, override: true, reason: given.get("reason") });
  };
  return h(
    "details",
    { class: "anyway" },
    h("summary", {}, "Switch one on without evidence"),
    h(
      "form",
      { onsubmit: submit },
      h("p", { class: "muted" }, "It ends by itself after 20 bad outcomes."),
      h("label", { class: "field" }, h("span", { class: "label" }, "Strategy"), h("select", { name: "strategy", onchange: ({ target }) => pick(target.value) }, choices)),
      detail,
      h("label", { class: "field" }, h("span", { class: "label" }, "Reason"), h("input", { name: "reason", required: true, maxlength: "1000" })),
      h("button", { type: "submit" }, "Switch on"),
    ),
  );
}

async function send(from, pattern, patch) {
  const alert = from.closest(".panel, .story").querySelector("[role=alert]");
  try {
    await api(`/errors/${pattern.pattern_id}`, { method: "PATCH", body: patch });
    document.activeElement.blur();
    last = "";
    await show(document.getElementById("top"));
    document.getElementById("correction")?.focus();
  } catch (fault) {
    alert.replaceChildren(fault.message);
  }
}

function evidence(pattern) {
  if (!pattern.evidence.length) {
    return card("Evidence", "What did recovery try against it in the last 30 days?", h("p", { class: "empty" }, "No recovery step has run against it. With recovery on, applications try what may help, and what they find is counted here."));
  }
  const rows = pattern.evidence.map((each) => {
    const [words, kind] = VERDICTS[each.verdict];
    return h(
      "tr",
      {},
      h("td", {}, each.strategy),
      h("td", {}, each.provider),
      h("td", {}, each.condition),
      h("td", { class: "number" }, text(each.attempts)),
      h("td", { class: "number" }, text(100 * each.success_rate, "percent")),
      h("td", {}, bounds(each)),
      h("td", { class: "number" }, text(each.avg_time_ms, "ms")),
      h("td", {}, h("span", { class: "pill", "data-is": kind }, words)),
    );
  });
  const heads = ["strategy", "provider", "reached", "tries", "mended", "surely between", "mean time", "verdict"];
  const numbers = new Set(["tries", "mended", "mean time"]);
  const head = heads.map((name) => h("th", { scope: "col", class: numbers.has(name) ? "number" : null }, name));
  return card(
    "Evidence",
    "What did recovery try against it in the last 30 days? Rates hold for when the step was reached.",
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Evidence" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))),
  );
}

/** The interval as a bar from 0 to 100 %, with its ends in words. */
function bounds(each) {
  const place = { left: `${100 * each.low}%`, width: `${Math.max(1, 100 * (each.high - each.low))}%` };
  return h("span", { class: "bounds" }, h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "span", style: place })), interval(each));
}
