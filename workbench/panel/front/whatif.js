// whatif.js: what caches of other sizes would do: of threads, a curve a size class, and of large blocks; today's points, and
// advice.

import { make, setText } from "./dom.js";
import { fillTable } from "./table.js";

/** @import { LargeChart, WhatIfChart } from "messages" */
/** @import { Shows } from "./dom.js" */

const WIDTH = 460, HEIGHT = 250, LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 38;

/** @param {number} value */
function name(value) {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1000 ? `${value / 1000}k` : String(value);
}

/**
 * A scale of factors of ten that holds all values; what is 0 stands at its low end.
 * @param {number[]} values @param {number} from @param {number} to
 */
function scale(values, from, to) {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  const low = Math.floor(Math.min(0, ...logs)), high = Math.max(Math.ceil(Math.max(0, ...logs)), low + 1);
  const place = (/** @type {number} */ value) =>
    from + (((value > 0 ? Math.max(Math.log10(value), low) : low) - low) / (high - low)) * (to - from);
  const step = Math.ceil((high - low) / 6);
  const ticks = Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, index) => Number(`1e${low + index * step}`));
  return { place, ticks };
}

/**
 * Curves with a point for today, on scales of factors of ten.
 * @param {WhatIfChart["curves"]} curves @param {string} across what x is @param {string} up what y is
 * @param {(point: [number, number, number]) => string} tell
 */
function draw(curves, across, up, tell) {
  const all = curves.flatMap(({ points, today }) => [...points, today]);
  const x = scale(all.map(([at]) => at), LEFT, WIDTH - RIGHT);
  const y = scale(all.map(([, rate]) => rate), HEIGHT - BOTTOM, TOP);
  const columns = x.ticks.map((tick) => {
    const at = x.place(tick);
    return `<line class="hak-whatif-rule" x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" />
      <text x="${at}" y="${HEIGHT - BOTTOM + 14}" text-anchor="middle">${name(tick)}</text>`;
  });
  const lines = y.ticks.map((tick) => {
    const at = y.place(tick);
    return `<line class="hak-whatif-rule" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" />
      <text x="${LEFT - 6}" y="${at + 4}" text-anchor="end">${name(tick)}</text>`;
  });
  const paths = curves.map(({ label, color, points, today }) => {
    const path = points.map(([at, rate], index) => `${index ? "L" : "M"} ${x.place(at)} ${y.place(rate)}`).join(" ");
    const dot = (/** @type {[number, number, number]} */ point, /** @type {number} */ r, /** @type {string} */ when) =>
      `<circle cx="${x.place(point[0])}" cy="${y.place(point[1])}" r="${r}" style="fill: ${color}"><title>${label}${tell(point)}${when}</title></circle>`;
    return `<path d="${path}" style="fill: none; stroke: ${color}; stroke-width: 1.6" />
      ${points.map((point) => dot(point, 2, "")).join("")}${dot(today, 5, " (today)")}`;
  });
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}">
    ${[...columns, ...lines, ...paths].join("")}
    <text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${across}</text>
    <text x="12" y="${(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 12 ${(TOP + HEIGHT - BOTTOM) / 2})">${up}</text>
  </svg>`;
}

export class WhatIfCard {
  constructor() {
    this.chart = make("div", { class: "hak-whatif-chart", role: "figure", "aria-label": "What if" });
    this.keys = make("div", { class: "hak-legend" });
    this.note = make("div", { class: "hak-hint", role: "note" });
    this.table = make("table", { class: "hak-told-table", "aria-label": "Advice about thread caches" });
    this.largeChart = make("div", { class: "hak-whatif-chart", role: "figure", "aria-label": "What if, large blocks" });
    this.largeAdvice = make("div", { class: "hak-hint", role: "note" });
    this.largeTable = make("table", { class: "hak-told-table", "aria-label": "Large blocks, by delay" });
    this.large = make(
      "div",
      { class: "hak-whatif-found", hidden: true },
      make("div", {}, this.largeChart, this.largeAdvice),
      make("div", { class: "hak-tuner-told" }, this.largeTable),
    );
    this.element = make(
      "section",
      { class: "hak-card hak-wide hak-whatif", hidden: true, "aria-label": "What if" },
      make("header", {}, make("h3", {}, "What if"), make("span", { class: "hak-hint" }, "caches had other sizes; points: today")),
      make("div", { class: "hak-whatif-found" }, make("div", {}, this.chart, this.keys, this.note), make("div", { class: "hak-tuner-told" }, this.table)),
      this.large,
    );
  }

  /** @type {Shows} */
  shows = { whatif: (chart) => this.show(chart) };

  /** @param {WhatIfChart} chart */
  show(chart) {
    this.element.hidden = chart.curves.length === 0;
    this.showLarge(chart.large);
    setText(this.note, chart.note);
    const keys = chart.curves.map(({ label, color }) => {
      const key = make("span", { class: "hak-key" }, label);
      key.style.setProperty("--hak-key", color);
      return key;
    });
    this.keys.replaceChildren(...keys);
    fillTable(this.table, chart.rows);
    this.chart.innerHTML = draw(chart.curves, "KiB held by the caches", "exchanges/s", ([kib, rate, slots]) =>
      `, ${slots} slots: ${rate.toPrecision(3)} exchanges/s, ${kib.toPrecision(3)} KiB`);
  }

  /** @param {LargeChart} chart */
  showLarge({ title, points, today, advice, rows }) {
    this.large.hidden = points.length === 0;
    setText(this.largeAdvice, advice);
    fillTable(this.largeTable, rows);
    const curve = { label: title, color: "#4269d0", points, today };
    this.largeChart.innerHTML = draw([curve], `MiB that the ${title} may keep`, "map calls/s", ([mib, rate, hits]) =>
      `, ${mib.toPrecision(3)} MiB: ${hits.toPrecision(3)} % hit, ${rate.toPrecision(3)} map calls/s`);
  }
}
