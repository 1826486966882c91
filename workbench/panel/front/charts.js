// charts.js: the grid of live charts. One frame brings all lines of the charts that changed; a chart
// that is out of sight is not drawn. Plotly draws SVG: its WebGL lines crawl without a graphics card.

import { fillSelect, make, setText } from "./dom.js";

/** @import { Chart, ChartLine, ChartPart, Marker, Report } from "messages" */
/** @import { Plot, Plotly } from "./plotly_loader.js" */

/** @typedef {[number, number]} Range */
/** @typedef {{ x: Float64Array, lines: Map<string, Float64Array> }} Lines */

/**
 * A chart on the page: what it shows, how large it is, and what of it a person zoomed or hid.
 * @typedef {{
 *   title: string,
 *   description: Chart,
 *   card: HTMLElement,
 *   plot: Plot,
 *   legend: HTMLElement,
 *   unit: HTMLElement,
 *   unitRight: HTMLElement,
 *   visible: boolean,
 *   width: number,
 *   height: number,
 *   zoomX: Range | null,
 *   zoomY: boolean,
 *   hidden: Set<string>,
 *   drawn: boolean,
 *   frame: (Lines & { now: number }) | null,
 *   held: { [side: number]: Range },
 * }} Card
 */

const CHART_MARKER_TRACE = "changes";
/** @type {[number, string][]} */
const SPANS_S = [
  [30, "30 s"],
  [120, "2 min"],
  [600, "10 min"],
  [0, "all"],
];

/**
 * Numbers of a message, by chart. A buffer may begin anywhere in its message; numbers of 8 bytes must not.
 * @param {ChartPart[]} parts
 * @param {ArrayBuffer | ArrayBufferView | undefined} buffer
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
  /** @param {() => void} report Called when what is in view, its width or zoom changed. */
  constructor(report) {
    this.report = report;
    /** @type {Map<string, Card>} */
    this.charts = new Map();
    /** @type {WeakMap<Element, Card>} */
    this.cardOf = new WeakMap();
    /** @type {Marker[]} */
    this.markers = [];
    /** @type {Map<string, Lines>} */
    this.baseline = new Map();
    /** @type {Plotly | null} */
    this.plotly = null;
    this.framesDrawn = 0;
    this.chartsDrawn = 0;
    this.span = make("select", { "aria-label": "Time shown", onchange: () => this.changeSpan() });
    fillSelect(this.span, SPANS_S.map(([value, label]) => ({ value: String(value), label })), "120");
    // Tests ask the element for its grid.
    this.grid = Object.assign(make("div", { class: "hak-charts" }), { hakGrid: this });
    this.empty = make("div", { class: "hak-empty" }, "Press Start, or attach to a running process, to see its charts.");
    this.element = make("div", { class: "hak-chart-area" }, this.empty, this.grid);
    this.seen = new IntersectionObserver((entries) => this.noteSeen(entries), { threshold: 0.05 });
    this.sized = new ResizeObserver((entries) => this.noteSized(entries));
    this.themed = new MutationObserver(() => this.restyle());
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "class"] });
    this.onHidden = () => this.report();
    document.addEventListener("visibilitychange", this.onHidden);
  }

  close() {
    this.seen.disconnect();
    this.sized.disconnect();
    this.themed.disconnect();
    document.removeEventListener("visibilitychange", this.onHidden);
    for (const chart of this.charts.values()) if (chart.drawn) this.plotly?.purge(chart.plot);
    this.charts.clear();
  }

  get spanSeconds() {
    return Number(this.span.value);
  }

  /**
   * What the kernel needs to choose rows: charts in view, their width in pixels, zoomed spans.
   * @returns {Report}
   */
  describe() {
    const visible = document.hidden ? [] : [...this.charts.values()].filter((chart) => chart.visible);
    return {
      type: "report",
      visible: visible.map((chart) => chart.title),
      width: Math.max(0, ...visible.map((chart) => chart.width)),
      span: this.spanSeconds,
      zooms: visible.flatMap(({ title, zoomX }) => (zoomX ? [[title, ...zoomX]] : [])),
    };
  }

  changeSpan() {
    for (const chart of this.charts.values()) {
      chart.zoomX = null;
      chart.zoomY = false;
    }
    this.report();
  }

  /** @param {Chart[]} descriptions Cards are made, kept or removed, so that they are these, in this order. */
  setCharts(descriptions) {
    const titles = new Set(descriptions.map((description) => description.title));
    for (const [title, chart] of this.charts) {
      if (titles.has(title)) continue;
      this.seen.unobserve(chart.card);
      this.sized.unobserve(chart.plot);
      if (chart.drawn) this.plotly?.purge(chart.plot);
      chart.card.remove();
      this.charts.delete(title);
    }
    for (const description of descriptions) {
      const chart = this.charts.get(description.title) ?? this.addChart(description);
      chart.description = description;
      chart.frame = null;
      chart.held = {};
      this.fillLegend(chart);
      this.grid.append(chart.card);
    }
    this.empty.hidden = descriptions.length > 0;
    this.report();
  }

  /** @param {Chart} description */
  addChart(description) {
    const { title } = description;
    // Plotly makes of it what it calls a plot.
    const plot = /** @type {Plot} */ (/** @type {HTMLElement} */ (make("div", { class: "hak-plot" })));
    const legend = make("div", { class: "hak-legend" });
    const unit = make("span", { class: "hak-hint" });
    const unitRight = make("span", { class: "hak-hint hak-unit-right" });
    const card = make(
      "section",
      { class: "hak-card hak-chart", role: "figure", "aria-label": title },
      make("header", {}, make("h3", {}, title), unit, unitRight),
      legend,
      plot,
    );
    /** @type {Card} */
    const chart = {
      ...{ title, description, card, plot, legend, unit, unitRight },
      ...{ visible: false, width: 0, height: 0, zoomX: null, zoomY: false },
      ...{ hidden: new Set(), drawn: false, frame: null, held: {} },
    };
    this.charts.set(title, chart);
    this.cardOf.set(card, chart).set(plot, chart);
    this.grid.append(card);
    this.seen.observe(card);
    this.sized.observe(plot);
    return chart;
  }

  /** @param {Card} chart */
  fillLegend(chart) {
    setText(chart.unit, chart.description.unit);
    setText(chart.unitRight, chart.description.unit_right);
    chart.legend.replaceChildren(
      ...chart.description.traces.map((trace) => {
        const button = make(
          "button",
          {
            class: `hak-key${trace.axis === 2 ? " hak-key-right" : ""}`,
            type: "button",
            title: `${trace.key}, ${trace.unit}${trace.help ? `: ${trace.help}` : ""}`,
            "aria-pressed": String(!chart.hidden.has(trace.key)),
            onclick: () => {
              if (!chart.hidden.delete(trace.key)) chart.hidden.add(trace.key);
              button.setAttribute("aria-pressed", String(!chart.hidden.has(trace.key)));
              if (chart.frame) this.draw(chart);
            },
          },
          trace.label,
        );
        button.style.setProperty("--hak-key", trace.color);
        return button;
      }),
    );
  }

  /** @param {IntersectionObserverEntry[]} entries */
  noteSeen(entries) {
    for (const { target, isIntersecting } of entries) {
      const chart = this.cardOf.get(target);
      if (chart) chart.visible = isIntersecting;
    }
    this.report();
  }

  /** @param {ResizeObserverEntry[]} entries */
  noteSized(entries) {
    for (const { target, contentRect } of entries) {
      const chart = this.cardOf.get(target);
      if (!chart) continue;
      chart.width = Math.round(contentRect.width);
      chart.height = Math.round(contentRect.height);
      if (chart.drawn && chart.width > 0) this.draw(chart);
    }
    this.report();
  }

  /** @param {Marker[]} markers */
  setMarkers(markers) {
    this.markers = markers;
    this.restyle();
  }

  /** @param {Map<string, Lines>} baseline */
  setBaseline(baseline) {
    this.baseline = baseline;
    this.restyle();
  }

  restyle() {
    for (const chart of this.charts.values()) if (chart.drawn && chart.visible) this.draw(chart);
  }

  /**
   * Draws charts; resolves when they are on the screen.
   * @param {Map<string, Lines & { now: number }>} frame By title.
   */
  async drawFrame(frame) {
    if (!this.plotly) return 0;
    let count = 0;
    for (const [title, lines] of frame) {
      const chart = this.charts.get(title);
      // Lines of a chart that was another when they were sent.
      if (!chart?.description.traces.every(({ key }) => lines.lines.has(key))) continue;
      chart.frame = lines;
      if (chart.visible && chart.width > 0) {
        await this.draw(chart);
        count += 1;
      }
    }
    if (count) this.framesDrawn += 1;
    this.chartsDrawn += count;
    return count;
  }

  /** @param {Card} chart */
  async draw(chart) {
    if (!this.plotly || !chart.frame || chart.width < 40 || chart.height < 40) return;
    const traces = this.buildTraces(chart, chart.frame);
    const layout = this.buildLayout(chart, chart.frame);
    if (!chart.drawn) {
      chart.drawn = true;
      const options = { displayModeBar: false, doubleClick: false, scrollZoom: false };
      await this.plotly.newPlot(chart.plot, traces, layout, options);
      chart.plot.on("plotly_relayout", (change) => this.noteZoom(chart, change));
      chart.plot.on("plotly_doubleclick", () => this.resetZoom(chart));
    } else {
      await this.plotly.react(chart.plot, traces, layout);
    }
  }

  /** @param {Card} chart @param {Lines} frame */
  buildTraces({ title, description, hidden }, frame) {
    const pinned = this.baseline.get(title);
    const pale = description.traces.flatMap((trace) => {
      const values = pinned?.lines.get(trace.key);
      if (!pinned || !values || hidden.has(trace.key)) return [];
      return [{ ...this.lineOf(trace, pinned.x, values), opacity: 0.32, hoverinfo: "skip", name: "pinned" }];
    });
    const lines = description.traces.map((trace) => ({
      ...this.lineOf(trace, frame.x, frame.lines.get(trace.key)),
      visible: !hidden.has(trace.key),
      hovertemplate: `%{y:,.4~r} ${trace.unit}`,
    }));
    return [...pale, ...lines, this.markerTrace()];
  }

  /** @param {ChartLine} trace @param {Float64Array} x @param {Float64Array | undefined} y */
  lineOf(trace, x, y) {
    return {
      type: "scatter",
      mode: "lines",
      name: trace.label,
      x,
      y,
      yaxis: trace.axis === 2 ? "y2" : "y",
      line: {
        color: trace.color,
        width: 1.6,
        shape: trace.is_step ? "hv" : "linear",
        dash: trace.axis === 2 ? "3px,2px" : "solid",
        simplify: true,
      },
    };
  }

  // One trace with all change markers: cheaper than a shape each, and it can be hovered.
  markerTrace() {
    const x = this.markers.flatMap(({ time_s }) => [time_s, time_s, null]);
    const y = this.markers.flatMap(() => [0, 1, null]);
    const text = this.markers.flatMap((marker) => [marker.text, marker.text, ""]);
    return {
      type: "scatter",
      mode: "lines",
      name: CHART_MARKER_TRACE,
      x: x.length ? x : [null],
      y: y.length ? y : [null],
      text,
      yaxis: "y3",
      hovertemplate: "%{text}",
      line: { color: this.color("--hak-marker"), width: 1.4, dash: "2px,2px" },
    };
  }

  /** @param {string} name */
  color(name) {
    return getComputedStyle(this.element).getPropertyValue(name).trim() || "#888";
  }

  /** @param {Card} chart @param {Lines & { now: number }} frame */
  buildLayout(chart, frame) {
    const { description } = chart;
    const ink = this.color("--hak-ink-soft");
    const rule = this.color("--hak-rule");
    const hasRight = description.unit_right !== "";
    const font = { family: this.color("--hak-font"), size: 11, color: ink };
    const axis = { gridcolor: rule, zeroline: false, linecolor: rule, tickfont: font, automargin: false };
    const previous = chart.plot.layout;
    const first = this.spanSeconds ? Math.max(0, frame.now - this.spanSeconds) : 0;
    const range = chart.zoomX ?? /** @type {Range} */ ([first, Math.max(frame.now, first + 1)]);
    /** @type {{ [name: string]: any }} */
    const layout = {
      width: chart.width,
      height: chart.height,
      margin: { l: 46, r: hasRight ? 44 : 12, t: 6, b: 24 },
      showlegend: false,
      hovermode: "x unified",
      hoverlabel: { bgcolor: this.color("--hak-ground"), bordercolor: rule, font, namelength: 28 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font,
      dragmode: "zoom",
      uirevision: "keep",
      xaxis: { ...axis, range, autorange: false, ticksuffix: " s", nticks: 6, showgrid: false, ticks: "outside", ticklen: 3, tickcolor: rule },
      yaxis: { ...axis, ...this.valueAxis(chart, frame, 1, range) },
      yaxis3: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    };
    if (hasRight) {
      layout.yaxis2 = { ...axis, overlaying: "y", side: "right", showgrid: false, ...this.valueAxis(chart, frame, 2, range) };
    }
    if (chart.zoomY && previous) {
      for (const name of ["yaxis", "yaxis2"]) {
        if (layout[name] && previous[name]) Object.assign(layout[name], { range: previous[name].range, autorange: false });
      }
    }
    return layout;
  }

  /**
   * Range and ticks of the left (1) or right (2) axis. The range is held until values leave it or need
   * far less of it: a scale that moves with every frame cannot be read, and costs more to draw.
   * @param {Card} chart @param {Lines} frame @param {number} side @param {Range} range
   */
  valueAxis(chart, frame, side, range) {
    let low = 0;
    let high = 0;
    let isWhole = true;
    for (const { key, axis, is_step } of chart.description.traces) {
      if (axis !== side || chart.hidden.has(key)) continue;
      if (!is_step) isWhole = false;
      for (const drawn of [frame, this.baseline.get(chart.title)]) {
        drawn?.lines.get(key)?.forEach((value, row) => {
          if (drawn.x[row] < range[0] || drawn.x[row] > range[1]) return;
          if (value > high) high = value;
          if (value < low) low = value;
        });
      }
    }
    const held = chart.held[side];
    if (!held || high > held[1] || low < held[0] || high < held[1] * 0.55) {
      const top = high > 0 ? high * 1.12 : 1;
      chart.held[side] = [low < 0 ? low * 1.12 : 0, top];
    }
    const [bottom, top] = chart.held[side];
    const ticks = isWhole && top < 6 ? { tickmode: "linear", tick0: 0, dtick: 1 } : { tickmode: "auto", nticks: 5 };
    return { range: [bottom, top], autorange: false, tickformat: top >= 1000 ? "~s" : ".3~g", ...ticks };
  }

  /** @param {Card} chart @param {{ [name: string]: number }} change */
  noteZoom(chart, change) {
    const low = change["xaxis.range[0]"];
    const high = change["xaxis.range[1]"];
    if (low !== undefined && high !== undefined) chart.zoomX = [low, high];
    if (change["yaxis.range[0]"] !== undefined) chart.zoomY = true;
    this.report();
  }

  /** @param {Card} chart */
  resetZoom(chart) {
    chart.zoomX = null;
    chart.zoomY = false;
    if (chart.frame) this.draw(chart);
    this.report();
  }
}
