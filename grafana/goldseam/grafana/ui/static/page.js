// A page: its controls, its panels, and what keeps them fresh.

import { keepLinks, page, query } from "./address.js";
import { ask, forgetKey, hasKey } from "./ask.js";
import { controls, refreshSeconds, theme } from "./controls.js";
import { fill, h } from "./dom.js";
import { moment } from "./format.js";
import { more } from "./list.js";
import { locked } from "./locked.js";
import { draw, elsewhere } from "./panels.js";

const ELSEWHERE =
  "These figures are in Prometheus, so that they are there even while the database is not. Open the dashboard " +
  "“Goldseam / Pipeline” in Grafana, or read the collector's /metrics; the queries are below.";
const TOPS = { request: () => import("./request.js"), error: () => import("./error.js") };

const shown = new Map(); // by panel: what was drawn last, and how to take it away
const notice = document.getElementById("notice");
let round = new AbortController();
let timer = null;

async function show() {
  round.abort();
  round = new AbortController();
  const { signal } = round;
  clearTimeout(timer);
  notice.dataset.state = "busy";
  const marks = page.marks ? ask(`data/${page.slug}/marks?${query()}`, { signal }).catch(() => ({ marks: [] })) : { marks: [] };
  const top = TOPS[page.slug]?.().then(({ show }) => show(document.getElementById("top"), signal));
  await Promise.allSettled([top, ...page.panels.map((panel) => one(panel, marks, signal))]);
  if (signal.aborted) return;
  notice.dataset.state = "";
  fill(notice, `Updated ${moment(Date.now())}`);
  document.body.dataset.ready = "true"; // for tests and screenshots
  schedule();
}

async function one(panel, marks, signal) {
  const section = document.getElementById(`panel-${panel.number}`);
  const body = section.querySelector(".body");
  if (panel.source === "prometheus") elsewhere(body, panel);
  if (panel.source !== "postgres") return section.setAttribute("aria-busy", "false");
  try {
    const frame = await ask(`data/${page.slug}/panels/${panel.number}?${query()}`, { signal });
    paint(panel, body, frame, (await marks).marks);
  } catch (fault) {
    if (fault.name === "AbortError") return;
    forget(panel);
    fill(body, h("p", { class: "fault" }, fault.message), h("button", { type: "button", class: "plain", onclick: show }, "Try again"));
  } finally {
    if (!signal.aborted) section.setAttribute("aria-busy", "false");
  }
}

function paint(panel, body, frame, marks) {
  const { range, ...content } = frame;
  const same = JSON.stringify([content, marks]);
  if (shown.get(panel.number)?.same === same) return;
  forget(panel);
  const isList = page.slug === "requests" && panel.title === "Calls";
  const dispose = isList ? more(body, panel, frame) : draw(body, panel, frame, marks);
  shown.set(panel.number, { same, dispose, again: () => draw(body, panel, frame, marks) });
}

function forget(panel) {
  shown.get(panel.number)?.dispose();
  shown.delete(panel.number);
}

function schedule() {
  const seconds = refreshSeconds();
  if (seconds && !document.hidden) timer = setTimeout(show, 1000 * seconds);
}

/** A theme's colours are in the canvas, so graphs are drawn anew. */
function repaint() {
  for (const panel of page.panels.filter(({ kind }) => kind === "timeseries")) {
    const last = shown.get(panel.number);
    if (!last) continue;
    last.dispose();
    last.dispose = last.again();
  }
}

async function session() {
  const box = document.getElementById("session");
  const found = await ask("data/session");
  const whose = found.tenant === "*" ? "All tenants" : `Tenant ${found.tenant}`;
  const out = h("button", { type: "button", class: "plain", onclick: () => (forgetKey(), location.reload()) }, "Forget the key");
  fill(box, h("span", {}, whose), hasKey() ? out : null);
}

function start() {
  const box = document.getElementById("controls");
  document.getElementById("theme").append(theme());
  const refresh = () => {
    controls(box, show);
    keepLinks();
    show();
  };
  addEventListener("addresschange", refresh);
  addEventListener("themechange", repaint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : show()));
  addEventListener("locked", ({ detail }) => {
    round.abort();
    locked(document.getElementById("main"), detail);
  }, { once: true });
  if (page.panels.every(({ source }) => source === "prometheus")) {
    fill(document.getElementById("top"), h("p", { class: "story" }, ELSEWHERE));
  }
  session().catch(() => {});
  refresh();
}

start();
