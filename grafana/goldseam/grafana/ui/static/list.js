// The list of calls: a page of rows, and older ones for the asking.

import { page, query } from "./address.js";
import { ask } from "./ask.js";
import { h } from "./dom.js";
import { empty, table } from "./panels.js";

const PAGE = 100; // the server sends one row more where there are more

/** Draws the newest calls and a button that adds older ones. */
export function more(body, panel, frame) {
  if (frame.rows.length === 0) return empty(body, panel.none);
  const position = frame.columns.findIndex(({ name }) => name === "position");
  let rows = frame.rows.slice(0, PAGE);
  let hasMore = frame.rows.length > PAGE;
  const says = h("span", { role: "status" });
  const older = async ({ target }) => {
    target.disabled = true;
    const parameters = query();
    parameters.set("var-before", rows.at(-1)[position]);
    try {
      const next = await ask(`data/${page.slug}/panels/${panel.number}?${parameters}`);
      rows = [...rows, ...next.rows.slice(0, PAGE)];
      hasMore = next.rows.length > PAGE;
      paint();
    } catch (fault) {
      says.replaceChildren(fault.message);
      target.disabled = false;
    }
  };
  const paint = () => {
    const button = hasMore ? h("button", { type: "button", onclick: older }, "Older calls") : null;
    says.replaceChildren(hasMore ? `The latest ${rows.length} calls` : `All ${rows.length} calls of this selection`);
    table(body, panel, { ...frame, rows }, { more: h("div", { class: "more" }, says, button) });
  };
  paint();
  return () => {};
}
