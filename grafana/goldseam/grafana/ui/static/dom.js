// Elements from plain calls. Text is only ever set as text, never as HTML.

/** Returns an element; attributes that are null or false are left out, `on…` are listeners. */
export function h(name, attributes = {}, ...children) {
  return build(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && typeof value === "boolean") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replaces an element's content and keeps the keyboard where it was. */
export function fill(element, ...children) {
  const targets = () => [...element.querySelectorAll("a[href], button, input, select, [tabindex]")];
  const before = targets().indexOf(document.activeElement);
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null));
  if (before >= 0) targets()[before]?.focus({ preventScroll: true });
}

/** Colour of a custom property, as a canvas understands it. */
export function color(name) {
  const probe = h("span", { style: { color: `var(--${name})`, display: "none" } });
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
