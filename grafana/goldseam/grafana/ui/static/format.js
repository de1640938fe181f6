// Figures with their units, times, and what stands for nothing.

export const NOTHING = "–";

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const NO_SPACE = "";
const SPACE = "\u2009";

/** Returns [figure, unit] of a value in one of Grafana's units. */
export function parts(value, unit) {
  if (value === null || value === undefined) return [NOTHING, NO_SPACE];
  if (typeof value !== "number") return [String(value), NO_SPACE];
  switch (unit) {
    case "percent":
      return [share(value), "%"];
    case "percentunit":
      return [share(100 * value), "%"];
    case "ms":
      return duration(value);
    case "s":
      return duration(1000 * value);
    case "currencyUSD":
      return [money(value), NO_SPACE];
    case "bytes":
      return scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
    default:
      return Math.abs(value) < 1e6
        ? [grouped.format(Math.abs(value) < 100 ? value : Math.round(value)), NO_SPACE]
        : scaled(value, 1000, ["", "K", "M", "G", "T"]);
  }
}

/** Returns what writes a column's figures alike: the same unit and as many decimals in each row. */
export function column(values, unit) {
  const top = Math.max(0, ...values.filter((value) => typeof value === "number").map(Math.abs));
  const fixed = (digits, factor = 1, name = NO_SPACE, before = NO_SPACE) => {
    const format = new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    return (value) => (value === null ? NOTHING : `${before}${format.format(value * factor)}${name && SPACE + name}`);
  };
  const zeroed = (write) => (value) => (value === 0 ? "$0" : write(value));
  switch (unit) {
    case "currencyUSD":
      return zeroed(fixed(top >= 10 ? 2 : top >= 0.1 ? 4 : 5, 1, NO_SPACE, "$"));
    case "percent":
      return fixed(1, 1, "%");
    case "ms":
      return top < 10 ? fixed(1, 1, "ms") : top < 100_000 ? fixed(0, 1, "ms") : fixed(1, 0.001, "s");
    case "short":
      return fixed(values.every((value) => value === null || Number.isInteger(value)) ? 0 : 2);
    default:
      return (value) => text(value, unit);
  }
}

/** Returns a value in one of Grafana's units as one text. */
export function text(value, unit) {
  const [figure, name] = parts(value, unit);
  return name ? `${figure}${SPACE}${name}` : figure;
}

function share(value) {
  if (value === 0 || value === 100) return String(value);
  return value < 0.1 ? "< 0.1" : value > 99.9 ? "> 99.9" : value.toFixed(1);
}

function duration(ms) {
  const size = Math.abs(ms);
  if (size < 10) return [grouped.format(Number(ms.toPrecision(2))), "ms"];
  if (size < 1000) return [whole.format(ms), "ms"];
  if (size < 60_000) return [(ms / 1000).toFixed(size < 10_000 ? 2 : 1), "s"];
  if (size < 3_600_000) return [(ms / 60_000).toFixed(1), "min"];
  return [(ms / 3_600_000).toFixed(1), "h"];
}

function money(dollars) {
  const size = Math.abs(dollars);
  if (size === 0) return "$0";
  if (size < 0.01) return `$${Number(dollars.toPrecision(2))}`;
  return `$${dollars.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

function scaled(value, base, names) {
  let at = 0;
  while (Math.abs(value) >= base && at < names.length - 1) {
    value /= base;
    at += 1;
  }
  return [at === 0 ? whole.format(value) : value.toFixed(value < 10 ? 2 : 1), names[at]];
}

const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const CLOCK = new Intl.DateTimeFormat("en-GB", clock);
const DAY = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });

/** Returns a moment, milliseconds, in the reader's own time zone; the day only where it is not today. */
export function moment(ms) {
  const then = new Date(ms);
  const today = new Date().toDateString() === then.toDateString();
  return today ? CLOCK.format(then) : `${DAY.format(then)} ${CLOCK.format(then)}`;
}

/** Returns how long ago a moment is, in words. */
export function ago(ms) {
  const seconds = Math.max(0, (Date.now() - ms) / 1000);
  const steps = [[60, "s"], [60, "min"], [24, "h"], [Infinity, "days"]];
  let value = seconds;
  for (const [size, name] of steps) {
    if (value < size) return `${Math.floor(value)} ${name} ago`;
    value /= size;
  }
  return "";
}
