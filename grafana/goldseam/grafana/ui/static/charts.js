// Figures over time: lines and stacked bars by uPlot, states as coloured runs.

import { change } from "./address.js";
import { color, h, svg } from "./dom.js";
import { moment, text } from "./format.js";
import { colorsOf, reached } from "./palette.js";

const SHORT_DAY = 26 * 3600;

/** Draws lines, or stacked bars where figures add up; returns what takes the chart away again. */
export function timeseries(body, panel, frame, marks) {
  const names = frame.series.map((each) => each.name);
  const colors = colorsOf(names).map(color);
  const unit = panel.unit;
  const figures = h("ul", { class: "legend" });
  const items = names.map((name, at) => legendItem(figures, name, colors[at]));
  const box = h("div", {
    class: "chart",
    tabindex: "0",
    role: "img",
    "aria-label": `${panel.title}: ${summary(panel, frame)}`,
  });
  body.replaceChildren(box, figures);
  const show = (index) => {
    frame.series.forEach((each, at) => {
      const value = index === null ? overall(panel, each.values) : each.values[index];
      items[at].textContent = text(value, unit);
    });
    figures.dataset.at = index === null ? "" : moment(1000 * frame.times[index]);
  };
  const plot = new uPlot(options(box, panel, frame, colors, marks, show), data(panel, frame), box);
  const resized = new ResizeObserver(() => plot.setSize(size(box)));
  resized.observe(box);
  box.addEventListener("keydown", (event) => walk(event, plot, frame.times.length));
  show(null);
  return () => {
    resized.disconnect();
    plot.destroy();
  };
}

function legendItem(list, name, shade) {
  const value = h("span", { class: "figure" });
  const swatch = h("span", { class: "swatch", style: { background: shade } });
  list.append(h("li", {}, swatch, h("span", {}, name), value));
  return value;
}

/** What a line comes to over the whole range: the sum, or the last value. */
const overall = (panel, values) =>
  panel.stacked
    ? values.reduce((sum, value) => sum + (value ?? 0), 0)
    : (values.findLast((value) => value !== null) ?? null);

const summary = (panel, frame) =>
  frame.series
    .map((each) => `${each.name} ${text(overall(panel, each.values), panel.unit)}`)
    .join(", ");

const size = (box) => ({ width: Math.max(200, box.clientWidth), height: box.clientHeight || 180 });

/** Stacked figures are drawn from the highest sum down, each over the one before. */
function data(panel, frame) {
  const rows = frame.series.map((each) => each.values);
  if (!panel.stacked) return [frame.times, ...rows];
  const sums = [];
  let below = frame.times.map(() => 0);
  for (const row of rows) {
    below = below.map((value, at) => value + (row[at] ?? 0));
    sums.push(below);
  }
  return [frame.times, ...sums.reverse()];
}

function options(box, panel, frame, colors, marks, show) {
  const [ink, grid] = [color("muted"), color("line")];
  const days = frame.times.at(-1) - frame.times[0] > SHORT_DAY;
  const axis = { stroke: ink, font: "11px system-ui, sans-serif", ticks: { show: false } };
  return {
    ...size(box),
    legend: { show: false },
    padding: [8, 18, 0, 0],
    cursor: {
      y: false,
      points: { show: !panel.stacked },
      drag: { setScale: false, x: true, y: false },
    },
    scales: {
      x: { range: (_, from, to) => [from, to + frame.step_s] },
      y: { range: (_, __, top) => [0, top > 0 ? 1.08 * top : 1] },
    },
    axes: [
      { ...axis, grid: { show: false }, space: 70, size: 26, values: (_, splits) => splits.map((at) => tick(at, days)) },
      {
        ...axis,
        grid: { stroke: grid, width: 1 },
        size: 62,
        splits: panel.stacked && panel.unit === "short" ? wholeSplits : undefined,
        values: (_, splits) => splits.map((value) => text(value, panel.unit)),
      },
    ],
    series: [{}, ...(panel.stacked ? bars(colors) : lines(colors, frame))],
    hooks: {
      setCursor: [(plot) => show(plot.cursor.idx ?? null)],
      setSelect: [zoom],
      drawClear: [(plot) => drawMarks(plot, marks)],
    },
  };
}

function wholeSplits(_, __, low, high) {
  const rough = Math.max(1, (high - low) / 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let value = 0; value <= high; value += step) found.push(value);
  return found;
}

const bars = (colors) =>
  [...colors].reverse().map((shade) => ({
    fill: shade,
    width: 0,
    paths: uPlot.paths.bars({ size: [0.82, 40], align: 1 }),
    points: { show: false },
  }));

const lines = (colors, frame) =>
  colors.map((shade, at) => ({
    stroke: shade,
    width: 1.75,
    points: { show: isolated(frame.series[at].values), size: 5, fill: shade },
    spanGaps: false,
  }));

/** A line needs two neighbours; without any, only points can show it. */
const isolated = (values) =>
  values.some((value, at) => value !== null && (values[at - 1] ?? values[at + 1] ?? null) === null);

function tick(seconds, days) {
  const then = new Date(1000 * seconds);
  const clock = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const day = then.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return days ? (clock === "00:00" ? day : `${day} ${clock}`) : clock;
}

/** A range drawn with the mouse becomes the page's. */
function zoom(plot) {
  const { left, width } = plot.select;
  if (width < 8) return;
  const from = Math.floor(1000 * plot.posToVal(left, "x"));
  const to = Math.ceil(1000 * plot.posToVal(left + width, "x"));
  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  change({ from: String(from), to: String(to) });
}

/** Arrow keys move along the graph as the mouse does. */
function walk(event, plot, count) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = Math.min(count - 1, Math.max(0, (plot.cursor.idx ?? (step > 0 ? -1 : count)) + step));
  plot.setCursor({ left: plot.valToPos(plot.data[0][next], "x"), top: 1 });
}

function drawMarks(plot, marks) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  for (const mark of marks) {
    const shade = color(mark.color === "red" ? "bad" : "accent");
    const left = plot.valToPos(mark.time / 1000, "x", true);
    const right = mark.timeend ? plot.valToPos(mark.timeend / 1000, "x", true) : left;
    if (right < bbox.left || left > bbox.left + bbox.width) continue;
    ctx.fillStyle = shade;
    ctx.globalAlpha = 0.1;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.globalAlpha = 0.8;
    ctx.fillRect(left, bbox.top, Math.max(1, devicePixelRatio), bbox.height);
  }
  ctx.restore();
}

const LANE = 100;

/** Draws one lane for each series, coloured by the thresholds that its values reach. */
export function states(body, panel, frame) {
  const lanes = frame.series.map((each) => {
    const worst = Math.max(...each.values.filter((value) => value !== null));
    return h(
      "li",
      { class: "lane" },
      h("span", { class: "lane-name" }, each.name),
      drawn(each, panel, frame),
      h("span", { class: "lane-worst" }, `at worst ${text(worst, panel.unit)}`),
    );
  });
  const edges = [frame.times[0], frame.times.at(-1) + frame.step_s];
  const scale = h("p", { class: "scale" }, ...edges.map((at) => h("span", {}, moment(1000 * at))));
  body.replaceChildren(h("ul", { class: "lanes" }, lanes), scale);
  return () => {};
}

function drawn(series, panel, frame) {
  const count = frame.times.length;
  const box = svg("svg", {
    viewBox: `0 0 ${count} ${LANE}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  for (const run of runs(series.values, panel.thresholds)) {
    const when = `${moment(1000 * frame.times[run.start])}: ${text(run.worst, panel.unit)}`;
    const shape = { x: run.start, y: 0, width: run.length, height: LANE };
    box.append(svg("rect", { ...shape, class: `state-${run.state}` }, svg("title", {}, when)));
  }
  return box;
}

/** Neighbours of the same state are one run. */
function runs(values, thresholds) {
  const found = [];
  values.forEach((value, at) => {
    if (value === null) return;
    const state = reached(value, thresholds) ?? "none";
    const last = found.at(-1);
    if (last && last.state === state && last.start + last.length === at) {
      last.length += 1;
      last.worst = Math.max(last.worst, value);
    } else found.push({ state, start: at, length: 1, worst: value });
  });
  return found;
}
