// A trace as a waterfall: calls, the requests and waits inside them, and which one mended it.

import { h } from "./dom.js";
import { link } from "./address.js";
import { text } from "./format.js";

const TICKS = 5;

/** Draws what the API tells of a trace; `current` is the id of the call that the page is about. */
export function waterfall(body, trace, current) {
  const total = Math.max(trace.duration_ms, 1);
  const start = new Date(trace.started_at).getTime();
  const lines = trace.requests.flatMap((call) => [...ofCall(call, 0, start, current)]);
  const scale = Array.from({ length: TICKS }, (_, at) => h("span", {}, text((total * at) / (TICKS - 1), "ms")));
  body.replaceChildren(
    h("div", { class: "waterfall-scale", "aria-hidden": "true" }, scale),
    h("ol", { class: "waterfall" }, lines.map((line) => drawn(line, total))),
  );
}

function* ofCall(call, depth, start, current) {
  const outcome = call.status === "error" ? "lost" : call.recovery_outcome === "recovered" ? "mended" : call.status;
  const model = call.model_requested ?? "";
  yield {
    depth,
    name: `${call.operation} ${call.provider_requested}${model ? `/${model}` : ""}`,
    result: outcome,
    offset: call.offset_ms,
    length: call.processing_time_ms,
    kind: outcome,
    href: call.id === current ? null : link("request?var-id=${__data.fields.id}&var-trace_id=${__data.fields.trace_id}", call),
    isCall: true,
  };
  if (call.first_error_code) yield firstRequest(call, depth + 1);
  for (const step of call.recovery) yield ofStep(step, depth + 1, start);
  for (const inner of call.children) yield* ofCall(inner, depth + 1, start, current);
}

function firstRequest(call, depth) {
  const length = Math.max(0, call.processing_time_ms - (call.recovery_time_ms ?? 0));
  return {
    depth,
    name: `first request to ${call.provider_requested}`,
    result: call.first_error_code,
    offset: call.offset_ms,
    length,
    kind: "lost",
  };
}

const ofStep = (step, depth, start) => ({
  depth,
  name: `${step.step_number}. ${step.strategy_name}: ${step.action_taken}`,
  result: step.was_successful ? "mended" : (step.error_code ?? "did not help"),
  offset: new Date(step.created_at).getTime() - start,
  length: step.recovery_time_ms,
  kind: step.was_successful ? "mended" : "lost",
});

function drawn(line, total) {
  const place = {
    left: `${Math.min(99.5, Math.max(0, (100 * line.offset) / total))}%`,
    width: `${Math.max(0.5, Math.min(100, (100 * line.length) / total))}%`,
  };
  const name = line.href ? h("a", { href: line.href }, line.name) : line.name;
  return h(
    "li",
    { class: line.isCall ? "call" : "step", "data-is": line.kind },
    h("span", { class: "what", style: { paddingInlineStart: `${1.1 * line.depth}rem` } }, name),
    h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "span", style: place })),
    h("span", { class: "result" }, line.result),
    h("span", { class: "took" }, text(line.length, "ms")),
  );
}
