// The page of one call: what happened in a sentence, and its trace.

import { change, chosen } from "./address.js";
import { api } from "./ask.js";
import { fill, h } from "./dom.js";
import { text } from "./format.js";
import { pill, when } from "./panels.js";
import { waterfall } from "./waterfall.js";

/** Shows the call that the address names, or the trace. */
export async function show(top, signal) {
  const [id] = chosen("id");
  const [traceId] = chosen("trace_id");
  if (!id && !traceId) {
    fill(top, h("p", { class: "empty" }, "No call is chosen. ", h("a", { href: "requests" }, "Pick one from the list of requests."), " A link with a trace id also leads here."));
    return;
  }
  try {
    const call = id ? await api(`/logs/${encodeURIComponent(id)}`, { signal }) : null;
    if (call && !traceId) return change({ "var-trace_id": call.trace_id, "var-id": call.id }, { replace: true });
    fill(top, call ? story(call) : h("p", { class: "story" }, `All calls of trace ${traceId}.`));
    const body = document.querySelector('[data-kind="traces"] .body');
    waterfall(body, await api(`/logs/trace/${traceId}`, { signal }), id);
  } catch (fault) {
    if (fault.name === "AbortError") return;
    const old = fault.status === 404 ? " It may be older than what is kept." : "";
    fill(top, h("p", { class: "fault" }, fault.message + old));
  }
}

function story(call) {
  const outcome = call.status === "error" ? "lost" : call.recovery_outcome === "recovered" ? "mended" : call.status;
  return h("p", { class: "story" }, pill(outcome), " ", ...sentence(call, outcome), " ", h("span", { class: "muted" }, when(new Date(call.created_at).getTime())));
}

const named = (provider, model) => h("strong", {}, model ? `${provider}/${model}` : provider);

function sentence(call, outcome) {
  const took = text(call.processing_time_ms, "ms");
  const asked = named(call.provider_requested, call.model_requested);
  const answered = named(call.provider_used, call.provider_model);
  const failed = call.first_error_code ? [" failed with ", h("strong", {}, call.first_error_code)] : [" was spared, as it kept failing"];
  switch (outcome) {
    case "mended":
      return [asked, ...failed, `; ${call.recovery_strategy ?? "the SDK"} got the answer from `, answered, ` after ${took}.`];
    case "lost":
      return [asked, " failed with ", h("strong", {}, call.first_error_code ?? call.error_code), call.recovery_steps ? `; ${call.recovery_steps} recovery steps did not help. It took ${took}.` : `; no recovery step ran. It took ${took}.`];
    case "success":
      return [answered, ` answered at once, in ${took}.`];
    default:
      return [asked, ` was asked; the call is ${outcome}.`];
  }
}
