// chart.js: one live chart: its legend, its lines, its axes, and what of it a person zoomed or hid.
// Plotly draws SVG: its WebGL lines crawl without a graphics card.

import { make, setText } from "./dom.js";

/** @import { Chart, ChartLine } from "messages" */
/** @import { ChartGrid } from "./charts.js" */
/** @import { Plot } from "./plotly_loader.js" */

const PROBE = "probe."; // begins the names of its lines

/** @typedef {[number, number]} Range */
/** @typedef {{ x: Float64Array, lines: Map<string, Float64Array> }} Lines */
/** @typedef {Lines & { now: number }} Recent Lines up to a second of the run. */

/** @param {Float64Array[]} lines @returns {Float64Array} Their sums, row by row; a gap counts as nothing. */
function addUp(lines) {
  const sums = new Float64Array(lines[0]?.length ?? 0);
  for (const line of lines) line.forEach((value, row) => (sums[row] += value || 0));
  return sums;
}

export class LiveChart {
  isVisible = false;
  isDrawn = false;
  width = 0;
  height = 0;
  frame = /** @type {Recent | null} */ (null);
  zoomX = /** @type {Range | null} */ (null);
  zoomY = false;
  hidden = /** @type {Set<string>} */ (new Set()); // keys of lines
  held = /** @type {{ [side: number]: Range }} */ ({}); // ranges of the value axes

  /** @param {ChartGrid} grid @param {Chart} description */
  constructor(grid, description) {
    this.grid = grid;
    this.description = description;
    this.title = description.title;
    // Plotly makes of it what it calls a plot.
    this.plot = /** @type {Plot} */ (/** @type {HTMLElement} */ (make("div", { class: "hak-plot" })));
    this.legend = make("div", { class: "hak-legend" });
    this.unit = make("span", { class: "hak-hint" });
    this.unitRight = make("span", { class: "hak-hint hak-unit-right" });
    this.gap = make("div", { class: "hak-gap", role: "note" });
    this.element = make(
      "section",
      { class: "hak-card hak-chart", role: "figure", "aria-label": this.title },
      make("header", {}, make("h3", {}, this.title), this.unit, this.unitRight, this.makeTools()),
      this.legend,
      this.gap,
      this.plot,
    );
    this.seen = new IntersectionObserver((entries) => this.noteSeen(entries[entries.length - 1]), { threshold: 0.05 });
    this.seen.observe(this.element);
    this.sized = new ResizeObserver((entries) => this.resize(entries[entries.length - 1].contentRect));
    this.sized.observe(this.plot);
  }

  makeTools() {
    const { layout, send } = this.grid;
    const tool = (/** @type {string} */ sign, /** @type {string} */ title, /** @type {() => void} */ onclick) =>
      make("button", { type: "button", class: "hak-icon", title, "aria-label": `${this.title}: ${title}`, onclick }, sign);
    const probes = this.description.traces.filter(({ key }) => key.startsWith(PROBE));
    const remove = () => {
      for (const { key } of probes) send({ type: "remove_probe", name: key.slice(PROBE.length) });
    };
    const isProbe = probes.length === this.description.traces.length;
    return make(
      "span",
      { class: "hak-tools" },
      tool("‹", "move back", () => layout.move(this.title, -1, this.grid.titles)),
      tool("›", "move on", () => layout.move(this.title, 1, this.grid.titles)),
      tool("⤢", "large or small", () => layout.toggle(layout.large, this.title)),
      isProbe ? tool("✕", "remove the probe", remove) : tool("✕", "hide", () => layout.toggle(layout.hidden, this.title)),
    );
  }

  // A chart without any value is its title only, with the reason if there is one.
  fold() {
    const lines = [...(this.frame?.lines.values() ?? [])];
    this.element.classList.toggle("hak-folded", lines.every((line) => line.every(Number.isNaN)));
  }

  close() {
    this.seen.disconnect();
    this.sized.disconnect();
    if (this.isDrawn) this.grid.plotly?.purge(this.plot);
    this.element.remove();
  }

  /** @param {Chart} description It may have other lines than before. */
  describe(description) {
    this.description = description;
    this.frame = null;
    this.held = {};
    setText(this.unit, description.unit);
    setText(this.unitRight, description.unit_right);
    this.showGap();
    this.legend.replaceChildren(...description.traces.map((trace) => this.makeKey(trace)));
  }

  showGap() {
    setText(this.gap, this.grid.gaps[this.title] ?? "");
  }

  /** @param {ChartLine} trace */
  makeKey({ key, label, unit, axis, color, help }) {
    const button = make(
      "button",
      {
        class: `hak-key${axis === 2 ? " hak-key-right" : ""}`,
        type: "button",
        title: `${key}, ${unit}${help ? `: ${help}` : ""}`,
        "aria-pressed": String(!this.hidden.has(key)),
        onclick: () => {
          if (!this.hidden.delete(key)) this.hidden.add(key);
          button.setAttribute("aria-pressed", String(!this.hidden.has(key)));
          this.draw();
        },
      },
      label,
    );
    button.style.setProperty("--hak-key", color);
    return button;
  }

  /** @param {DOMRectReadOnly} size */
  resize({ width, height }) {
    this.width = Math.round(width);
    this.height = Math.round(height);
    if (this.isDrawn && this.width > 0) this.draw();
    this.grid.report();
  }

  /** @param {IntersectionObserverEntry} entry */
  noteSeen({ isIntersecting }) {
    this.isVisible = isIntersecting;
    this.grid.report();
  }

  async draw() {
    const { plotly } = this.grid;
    if (!plotly || !this.frame || this.width < 40 || this.height < 40) return;
    const traces = this.buildTraces(this.frame);
    const layout = this.buildLayout(this.frame);
    if (this.isDrawn) {
      await plotly.react(this.plot, traces, layout);
      return;
    }
    this.isDrawn = true;
    await plotly.newPlot(this.plot, traces, layout, { displayModeBar: false, doubleClick: false, scrollZoom: false });
    this.plot.on("plotly_relayout", (change) => this.noteZoom(change));
    this.plot.on("plotly_doubleclick", () => {
      this.follow();
      this.draw();
      this.grid.report();
    });
  }

  // Shows the newest again, whatever was zoomed.
  follow() {
    this.zoomX = null;
    this.zoomY = false;
  }

  /** @param {{ [name: string]: number }} change */
  noteZoom(change) {
    const low = change["xaxis.range[0]"];
    const high = change["xaxis.range[1]"];
    if (low !== undefined && high !== undefined) this.zoomX = [low, high];
    if (change["yaxis.range[0]"] !== undefined) this.zoomY = true;
    this.grid.report();
  }

  /** @param {Lines} frame */
  buildTraces(frame) {
    const pinned = this.grid.baseline.get(this.title);
    const pale = this.description.traces.flatMap((trace) => {
      const values = pinned?.lines.get(trace.key);
      if (!pinned || !values || this.hidden.has(trace.key)) return [];
      return [{ ...this.lineOf(trace, pinned.x, values, "pale"), opacity: 0.32, hoverinfo: "skip", name: "pinned" }];
    });
    const lines = this.description.traces.map((trace) => ({
      ...this.lineOf(trace, frame.x, frame.lines.get(trace.key)),
      visible: !this.hidden.has(trace.key),
      hovertemplate: `%{y:,.4~r} ${trace.unit}`,
    }));
    return [...pale, ...lines, this.markerTrace()];
  }

  /** @param {ChartLine} trace @param {Float64Array} x @param {Float64Array | undefined} y @param {string} group */
  lineOf({ label, axis, color, is_step }, x, y, group = "parts") {
    const [yaxis, dash] = axis === 2 ? ["y2", "3px,2px"] : ["y", "solid"];
    const { is_stacked } = this.description;
    const line = { color, width: is_stacked ? 0.5 : 1.6, shape: is_step ? "hv" : "linear", dash, simplify: true };
    return { type: "scatter", mode: "lines", name: label, x, y, yaxis, line, ...(is_stacked && { stackgroup: group }) };
  }

  // One trace with all change markers: cheaper than a shape each, and it can be hovered.
  markerTrace() {
    const { markers } = this.grid;
    return {
      type: "scatter",
      mode: "lines",
      name: "changes",
      x: markers.length ? markers.flatMap(({ time_s }) => [time_s, time_s, null]) : [null],
      y: markers.length ? markers.flatMap(() => [0, 1, null]) : [null],
      text: markers.flatMap(({ text }) => [text, text, ""]),
      yaxis: "y3",
      hovertemplate: "%{text}",
      line: { color: this.color("--hak-marker"), width: 1.4, dash: "2px,2px" },
    };
  }

  /** @param {string} name */
  color(name) {
    return getComputedStyle(this.element).getPropertyValue(name).trim() || "#888";
  }

  /** @param {Recent} frame */
  buildLayout(frame) {
    const ink = this.color("--hak-ink-soft");
    const rule = this.color("--hak-rule");
    const hasRight = this.description.unit_right !== "";
    const font = { family: this.color("--hak-font"), size: 11, color: ink };
    const axis = { gridcolor: rule, zeroline: false, linecolor: rule, tickfont: font, automargin: false };
    const previous = this.plot.layout;
    const span = this.grid.spanSeconds;
    const first = span ? Math.max(0, frame.now - span) : 0;
    const range = this.zoomX ?? /** @type {Range} */ ([first, Math.max(frame.now, first + 1)]);
    /** @type {{ [name: string]: any }} */
    const layout = {
      width: this.width,
      height: this.height,
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
      yaxis: { ...axis, ...this.valueAxis(frame, 1, range) },
      yaxis3: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    };
    if (hasRight) {
      layout.yaxis2 = { ...axis, overlaying: "y", side: "right", showgrid: false, ...this.valueAxis(frame, 2, range) };
    }
    if (this.zoomY && previous) {
      for (const name of ["yaxis", "yaxis2"]) {
        if (layout[name] && previous[name]) Object.assign(layout[name], { range: previous[name].range, autorange: false });
      }
    }
    return layout;
  }

  /**
   * Range and ticks of the left (1) or right (2) axis. The range is held until values leave it or need
   * far less of it: a scale that moves with every frame cannot be read, and costs more to draw.
   * @param {Lines} frame @param {number} side @param {Range} range
   */
  valueAxis(frame, side, range) {
    const traces = this.description.traces.filter(({ axis, key }) => axis === side && !this.hidden.has(key));
    let low = 0;
    let high = 0;
    for (const drawn of [frame, this.grid.baseline.get(this.title)]) {
      const lines = traces.flatMap(({ key }) => drawn?.lines.get(key) ?? []);
      for (const line of this.description.is_stacked ? [addUp(lines)] : lines) {
        line.forEach((value, row) => {
          if (!drawn || drawn.x[row] < range[0] || drawn.x[row] > range[1]) return;
          if (value > high) high = value;
          if (value < low) low = value;
        });
      }
    }
    const held = this.held[side];
    if (!held || high > held[1] || low < held[0] || high < held[1] * 0.55) {
      this.held[side] = [low < 0 ? low * 1.12 : 0, high > 0 ? high * 1.12 : 1];
    }
    const top = this.held[side][1];
    const isWhole = traces.every(({ is_step }) => is_step);
    const ticks = isWhole && top < 6 ? { tickmode: "linear", tick0: 0, dtick: 1 } : { tickmode: "auto", nticks: 5 };
    return { range: this.held[side], autorange: false, tickformat: top >= 1000 ? "~s" : ".3~g", ...ticks };
  }
}
