// whatif.js: what thread caches of other capacities would do: a curve a size class, today's points, and advice.

import { make, setText } from "./dom.js";
import { fillTable } from "./table.js";

/** @import { WhatIfChart } from "messages" */
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

export class WhatIfCard {
  constructor() {
    this.chart = make("div", { class: "hak-whatif-chart", role: "figure", "aria-label": "What if" });
    this.keys = make("div", { class: "hak-legend" });
    this.note = make("div", { class: "hak-hint", role: "note" });
    this.table = make("table", { class: "hak-told-table", "aria-label": "Advice about thread caches" });
    this.element = make(
      "section",
      { class: "hak-card hak-wide hak-whatif", hidden: true, "aria-label": "What if" },
      make("header", {}, make("h3", {}, "What if"), make("span", { class: "hak-hint" }, "the thread caches had other capacities; points: today")),
      make("div", { class: "hak-whatif-found" }, make("div", {}, this.chart, this.keys, this.note), make("div", { class: "hak-tuner-told" }, this.table)),
    );
  }

  /** @type {Shows} */
  shows = { whatif: (chart) => this.show(chart) };

  /** @param {WhatIfChart} chart */
  show(chart) {
    this.element.hidden = chart.curves.length === 0;
    setText(this.note, chart.note);
    const keys = chart.curves.map(({ label, color }) => {
      const key = make("span", { class: "hak-key" }, label);
      key.style.setProperty("--hak-key", color);
      return key;
    });
    this.keys.replaceChildren(...keys);
    fillTable(this.table, chart.rows);
    this.chart.innerHTML = this.draw(chart);
  }

  /** @param {WhatIfChart} chart */
  draw({ curves }) {
    const all = curves.flatMap(({ points, today }) => [...points, today]);
    const x = scale(all.map(([kib]) => kib), LEFT, WIDTH - RIGHT);
    const y = scale(all.map(([, rate]) => rate), HEIGHT - BOTTOM, TOP);
    const across = x.ticks.map((tick) => {
      const at = x.place(tick);
      return `<line class="hak-whatif-rule" x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" />
        <text x="${at}" y="${HEIGHT - BOTTOM + 14}" text-anchor="middle">${name(tick)}</text>`;
    });
    const up = y.ticks.map((tick) => {
      const at = y.place(tick);
      return `<line class="hak-whatif-rule" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" />
        <text x="${LEFT - 6}" y="${at + 4}" text-anchor="end">${name(tick)}</text>`;
    });
    const lines = curves.map(({ label, color, points, today }) => {
      const path = points.map(([kib, rate], index) => `${index ? "L" : "M"} ${x.place(kib)} ${y.place(rate)}`).join(" ");
      const tell = (/** @type {number[]} */ [kib, rate, slots], /** @type {string} */ when) =>
        `<title>${label}, ${slots} slots${when}: ${rate.toPrecision(3)} exchanges/s, ${kib.toPrecision(3)} KiB</title>`;
      const dots = points.map((point) => `<circle cx="${x.place(point[0])}" cy="${y.place(point[1])}" r="2" style="fill: ${color}">${tell(point, "")}</circle>`);
      return `<path d="${path}" style="fill: none; stroke: ${color}; stroke-width: 1.6" />${dots.join("")}
        <circle cx="${x.place(today[0])}" cy="${y.place(today[1])}" r="5" style="fill: ${color}">${tell(today, " (today)")}</circle>`;
    });
    return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}">
      ${[...across, ...up, ...lines].join("")}
      <text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">KiB held by the caches</text>
      <text x="12" y="${(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 12 ${(TOP + HEIGHT - BOTTOM) / 2})">exchanges/s</text>
    </svg>`;
  }
}
