// Which colour a name has: outcomes always the same, the rest in the order they come.

const FIXED = {
  "answered at once": "ok",
  success: "ok",
  lost: "bad",
  error: "bad",
  mended: "gold",
  "mended by fallback": "gold",
  "mended by retry": "gold-2",
  "mended by simplify": "gold-3",
  "mended by cache": "gold-4",
  "mended by the SDK": "gold-5",
  pending: "quiet-1",
  cancelled: "quiet-2",
  abandoned: "quiet-3",
  "given up": "quiet-3",
  others: "quiet-1",
};
const COLORS = 8;

/** Returns the name of the custom property for each of these names. */
export function colorsOf(names) {
  let next = 0;
  return names.map((name) => FIXED[name] ?? `line-${(next++ % COLORS) + 1}`);
}

/** Returns the colour name of the highest threshold that a value reaches, or null. */
export function reached(value, thresholds) {
  if (value === null || value === undefined) return null;
  const steps = thresholds.filter((step) => step.value === null || value >= step.value);
  return steps.at(-1)?.color ?? null;
}
