// What stands in the page's place while the server asks for a key.

import { hasKey, setKey } from "./ask.js";
import { h } from "./dom.js";

const HOW = "goldseam keys create --tenant acme --scope logs:read --scope stats:read --scope errors:read";

/** Asks for a key; it stays in this tab until the tab is closed. */
export function locked(main, reason) {
  const submit = (event) => {
    event.preventDefault();
    setKey(event.target.elements.key.value.trim());
    location.reload();
  };
  const field = h("input", { type: "password", id: "key", name: "key", required: true, autocomplete: "off", spellcheck: "false", placeholder: "gs_…" });
  main.replaceChildren(
    h(
      "form",
      { class: "locked", onsubmit: submit },
      h("h1", {}, "This server asks for a key"),
      hasKey() ? h("p", { class: "fault", role: "alert" }, reason) : null,
      h("label", { for: "key" }, "Key"),
      h("div", { class: "row" }, field, h("button", { type: "submit" }, "Open")),
      h("p", { class: "muted" }, "It is kept in this tab only. Whoever runs the server makes one with:"),
      h("pre", { tabindex: "0" }, HOW),
    ),
  );
  field.focus();
}
