// charts.js: the grid of live charts. One frame brings all lines of the charts that changed; a chart
// that is out of sight is not drawn.

import { LiveChart } from "./chart.js";
import { fillSelect, make, makeEntry } from "./dom.js";
import { ChartLayout } from "./layout.js";

/** @import { ChartPart, Marker, Report } from "messages" */
/** @import { Lines, Recent } from "./chart.js" */
/** @import { Send, Shows } from "./dom.js" */
/** @import { Plotly } from "./plotly_loader.js" */

/** @type {[number, string][]} */
const SPANS_S = [[30, "30 s"], [120, "2 min"], [600, "10 min"], [0, "all"]];

/**
 * Numbers of a message, by chart. A buffer may begin anywhere in its message; numbers of 8 bytes must not.
 * @param {ChartPart[]} parts @param {ArrayBuffer | ArrayBufferView | undefined} buffer
 */
export function readCharts(parts, buffer = new ArrayBuffer(0)) {
  const isWhole = buffer instanceof ArrayBuffer;
  const bytes = isWhole ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const numbers = new Float64Array(isWhole ? buffer : bytes.slice().buffer);
  /** @type {Map<string, Lines>} */
  const charts = new Map();
  for (const { title, keys, rows, offset } of parts) {
    const line = (/** @type {number} */ index) => numbers.subarray(offset + index * rows, offset + (index + 1) * rows);
    charts.set(title, { x: line(0), lines: new Map(keys.map((key, index) => [key, line(index + 1)])) });
  }
  return charts;
}

export class ChartGrid {
  charts = /** @type {Map<string, LiveChart>} */ (new Map()); // by title
  markers = /** @type {Marker[]} */ ([]);
  gaps = /** @type {{ [title: string]: string }} */ ({});
  titles = /** @type {string[]} */ ([]); // as the kernel orders them
  baseline = /** @type {Map<string, Lines>} */ (new Map());
  plotly = /** @type {Plotly | null} */ (null);
  framesDrawn = 0;
  chartsDrawn = 0;

  /**
   * @param {() => void} report Called when what is in view, its width or zoom changed.
   * @param {Send} send
   */
  constructor(report, send) {
    this.report = report;
    this.send = send;
    this.layout = new ChartLayout(() => this.arrange());
    this.span = make("select", { class: "hak-span", "aria-label": "Time shown", onchange: () => this.changeSpan() });
    fillSelect(this.span, SPANS_S.map(([value, label]) => ({ value: String(value), label })), "120");
    // Tests ask the element for its grid.
    this.grid = Object.assign(make("div", { class: "hak-charts" }), { hakGrid: this });
    this.empty = make("div", { class: "hak-empty" }, "Press Start, or attach to a running process, to see its charts.");
    const hint = make("span", { class: "hak-hint" }, "Drag over a chart to zoom, double-click to follow again.");
    const shown = make("label", { class: "hak-field hak-inline" }, make("span", {}, "Shown"), this.span);
    const note = makeEntry("Note", "A note at this moment", (text) => send({ type: "add_note", text }));
    const probe = makeEntry("Probe", "A figure of your own", (text) => send({ type: "add_probe", probe: text }));
    probe.title = "A built-in one by its name, or NAME:UNIT=SOURCE: a command, file:/a/path, or an address#metric";
    this.builtIn = make("datalist", { id: `hak-probes-${Math.random().toString(36).slice(2)}` });
    probe.setAttribute("list", this.builtIn.id);
    const unhide = () => this.layout.toggle(this.layout.hidden, this.hiddenOnes.value);
    this.hiddenOnes = make("select", { "aria-label": "Hidden charts", onchange: unhide });
    this.element = make(
      "div",
      { class: "hak-right" },
      this.empty,
      this.grid,
      make("div", { class: "hak-foot" }, hint, note, probe, this.builtIn, this.hiddenOnes, shown),
    );
    this.themed = new MutationObserver(() => this.restyle());
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "class"] });
    this.onHidden = () => this.report();
    document.addEventListener("visibilitychange", this.onHidden);
  }

  close() {
    this.themed.disconnect();
    document.removeEventListener("visibilitychange", this.onHidden);
    for (const chart of this.charts.values()) chart.close();
    this.charts.clear();
  }

  get spanSeconds() {
    return Number(this.span.value);
  }

  /** @returns {Report} What the kernel needs to choose rows: charts in view, their width in pixels, zoomed spans. */
  describe() {
    const visible = document.hidden ? [] : [...this.charts.values()].filter((chart) => chart.isVisible);
    return {
      type: "report",
      visible: visible.map((chart) => chart.title),
      width: Math.max(0, ...visible.map((chart) => chart.width)),
      span: this.spanSeconds,
      zooms: visible.flatMap(({ title, zoomX }) => (zoomX ? [[title, ...zoomX]] : [])),
    };
  }

  changeSpan() {
    for (const chart of this.charts.values()) chart.follow();
    this.report();
  }

  /** @type {Shows} */
  shows = {
    // Cards are made, kept or removed, so that they are these, in this order.
    charts: (descriptions) => {
      const titles = new Set(descriptions.map(({ title }) => title));
      for (const [title, chart] of this.charts) {
        if (titles.has(title)) continue;
        chart.close();
        this.charts.delete(title);
      }
      for (const description of descriptions) {
        const chart = this.charts.get(description.title) ?? new LiveChart(this, description);
        this.charts.set(chart.title, chart);
        chart.describe(description);
      }
      this.empty.hidden = descriptions.length > 0;
      this.titles = descriptions.map(({ title }) => title);
      this.arrange();
      this.report();
    },
    markers: (markers) => {
      this.markers = markers;
      this.restyle();
    },
    probes: (probes) => {
      this.builtIn.replaceChildren(...probes.map(({ value, title }) => make("option", { value }, title ?? "")));
    },
    gaps: (gaps) => {
      this.gaps = gaps;
      for (const chart of this.charts.values()) chart.showGap();
    },
  };

  // Puts every chart where the layout wants it.
  arrange() {
    const { hidden, large } = this.layout;
    for (const title of this.layout.arrange(this.titles)) {
      const chart = /** @type {LiveChart} */ (this.charts.get(title));
      this.grid.append(chart.element);
      chart.element.hidden = hidden.has(title);
      chart.element.classList.toggle("hak-large", large.has(title));
    }
    const options = this.titles.filter((title) => hidden.has(title)).map((title) => ({ value: title, label: title }));
    fillSelect(this.hiddenOnes, [{ value: "", label: `${options.length} hidden` }, ...options], "");
    this.hiddenOnes.hidden = options.length === 0;
  }

  /** @param {Map<string, Lines>} baseline */
  setBaseline(baseline) {
    this.baseline = baseline;
    this.restyle();
  }

  restyle() {
    for (const chart of this.charts.values()) if (chart.isDrawn && chart.isVisible) chart.draw();
  }

  /** @param {Map<string, Recent>} frame Lines of charts by title; resolves when they are on the screen. */
  async drawFrame(frame) {
    if (!this.plotly) return;
    let count = 0;
    for (const [title, lines] of frame) {
      const chart = this.charts.get(title);
      // Lines of a chart that was another when they were sent.
      if (!chart?.description.traces.every(({ key }) => lines.lines.has(key))) continue;
      chart.frame = lines;
      chart.fold();
      if (!chart.isVisible || chart.width === 0) continue;
      await chart.draw();
      count += 1;
    }
    if (count) this.framesDrawn += 1;
    this.chartsDrawn += count;
  }
}
