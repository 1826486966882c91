// charts.js: the grid of live charts. One frame brings all lines of the charts that changed; a chart
// that is out of sight is not drawn. Plotly draws SVG: its WebGL lines crawl without a graphics card.

import { fillSelect, make, setText } from "./dom.js";

const CHART_MARKER_TRACE = "changes";
const SPANS_S = [
  [30, "30 s"],
  [120, "2 min"],
  [600, "10 min"],
  [0, "all"],
];

export class ChartGrid {
  constructor(report) {
    this.report = report; // called with nothing when what is in view, its width or zoom changed
    this.charts = new Map();
    this.markers = [];
    this.baseline = new Map();
    this.plotly = null;
    this.framesDrawn = 0;
    this.chartsDrawn = 0;
    this.span = make("select", { "aria-label": "Time shown", onchange: () => this.changeSpan() });
    fillSelect(this.span, SPANS_S.map(([value, label]) => ({ value: String(value), label })), "120");
    this.grid = make("div", { class: "hak-charts" });
    this.grid.hakGrid = this;
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
    for (const chart of this.charts.values()) if (chart.drawn) this.plotly.purge(chart.plot);
    this.charts.clear();
  }

  get spanSeconds() {
    return Number(this.span.value);
  }

  // What Python needs to choose rows: charts in view, their width in pixels, zoomed spans.
  describe() {
    const visible = document.hidden ? [] : [...this.charts.values()].filter((chart) => chart.visible);
    return {
      visible: visible.map((chart) => chart.title),
      width: Math.max(0, ...visible.map((chart) => chart.width)),
      span: this.spanSeconds,
      zooms: visible.filter((chart) => chart.zoomX).map((chart) => [chart.title, ...chart.zoomX]),
    };
  }

  changeSpan() {
    for (const chart of this.charts.values()) {
      chart.zoomX = null;
      chart.zoomY = false;
    }
    this.report();
  }

  // Makes, reuses or removes cards so that they are those of the description, in its order.
  setCharts(descriptions) {
    const titles = new Set(descriptions.map((description) => description.title));
    for (const [title, chart] of this.charts) {
      if (titles.has(title)) continue;
      this.seen.unobserve(chart.card);
      this.sized.unobserve(chart.plot);
      if (chart.drawn) this.plotly.purge(chart.plot);
      chart.card.remove();
      this.charts.delete(title);
    }
    for (const description of descriptions) {
      let chart = this.charts.get(description.title);
      if (!chart) chart = this.addChart(description.title);
      chart.description = description;
      chart.frame = null;
      chart.held = {};
      this.fillLegend(chart);
      this.grid.append(chart.card);
    }
    this.empty.hidden = descriptions.length > 0;
    this.report();
  }

  addChart(title) {
    const plot = make("div", { class: "hak-plot" });
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
    const chart = { title, card, plot, legend, unit, unitRight, visible: false, width: 0, height: 0, zoomX: null, zoomY: false };
    chart.hidden = new Set();
    chart.drawn = false;
    this.charts.set(title, chart);
    card.hakChart = chart;
    plot.hakChart = chart;
    this.grid.append(card);
    this.seen.observe(card);
    this.sized.observe(plot);
    return chart;
  }

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

  noteSeen(entries) {
    for (const entry of entries) entry.target.hakChart.visible = entry.isIntersecting;
    this.report();
  }

  noteSized(entries) {
    for (const entry of entries) {
      const chart = entry.target.hakChart;
      chart.width = Math.round(entry.contentRect.width);
      chart.height = Math.round(entry.contentRect.height);
      if (chart.drawn && chart.width > 0) this.draw(chart);
    }
    this.report();
  }

  setMarkers(markers) {
    this.markers = markers;
    this.restyle();
  }

  setBaseline(baseline) {
    this.baseline = baseline;
    this.restyle();
  }

  restyle() {
    for (const chart of this.charts.values()) if (chart.drawn && chart.visible) this.draw(chart);
  }

  // Draws the charts of one frame; resolves when they are on the screen.
  async drawFrame(parts) {
    if (!this.plotly) return 0;
    let count = 0;
    for (const { part, numbers, now } of parts) {
      const chart = this.charts.get(part.title);
      if (!chart || part.keys.length !== chart.description.traces.length) continue;
      const lines = [];
      for (let index = 0; index <= part.keys.length; index += 1) {
        const start = part.offset + index * part.rows;
        lines.push(numbers.subarray(start, start + part.rows));
      }
      chart.frame = { x: lines[0], lines: lines.slice(1), now };
      if (chart.visible && chart.width > 0) {
        await this.draw(chart);
        count += 1;
      }
    }
    if (count) this.framesDrawn += 1;
    this.chartsDrawn += count;
    return count;
  }

  async draw(chart) {
    if (!this.plotly || !chart.frame || chart.width < 40 || chart.height < 40) return;
    const traces = this.buildTraces(chart);
    const layout = this.buildLayout(chart);
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

  buildTraces(chart) {
    const { traces } = chart.description;
    const result = [];
    const pinned = this.baseline.get(chart.title);
    traces.forEach((trace, index) => {
      const values = pinned && pinned.lines.get(trace.key);
      if (!values || chart.hidden.has(trace.key)) return;
      result.push({ ...this.lineOf(trace, pinned.x, values), opacity: 0.32, hoverinfo: "skip", name: "pinned" });
    });
    traces.forEach((trace, index) => {
      const line = this.lineOf(trace, chart.frame.x, chart.frame.lines[index]);
      line.visible = !chart.hidden.has(trace.key);
      line.hovertemplate = `%{y:,.4~r} ${trace.unit}`;
      result.push(line);
    });
    result.push(this.markerTrace());
    return result;
  }

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
        shape: trace.step ? "hv" : "linear",
        dash: trace.axis === 2 ? "3px,2px" : "solid",
        simplify: true,
      },
    };
  }

  // One trace with all change markers: cheaper than a shape each, and it can be hovered.
  markerTrace() {
    const x = [];
    const y = [];
    const text = [];
    for (const marker of this.markers) {
      x.push(marker.time, marker.time, null);
      y.push(0, 1, null);
      text.push(marker.text, marker.text, "");
    }
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

  color(name) {
    return getComputedStyle(this.element).getPropertyValue(name).trim() || "#888";
  }

  buildLayout(chart) {
    const { description, frame } = chart;
    const ink = this.color("--hak-ink-soft");
    const rule = this.color("--hak-rule");
    const hasRight = description.unit_right !== "";
    const font = { family: this.color("--hak-font"), size: 11, color: ink };
    const axis = { gridcolor: rule, zeroline: false, linecolor: rule, tickfont: font, automargin: false };
    const previous = chart.plot.layout;
    const first = this.spanSeconds ? Math.max(0, frame.now - this.spanSeconds) : 0;
    const range = chart.zoomX || [first, Math.max(frame.now, first + 1)];
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
      yaxis: { ...axis, ...this.valueAxis(chart, 1, range) },
      yaxis3: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    };
    if (hasRight) {
      layout.yaxis2 = { ...axis, overlaying: "y", side: "right", showgrid: false, ...this.valueAxis(chart, 2, range) };
    }
    if (chart.zoomY && previous) {
      for (const name of ["yaxis", "yaxis2"]) {
        if (layout[name] && previous[name]) Object.assign(layout[name], { range: previous[name].range, autorange: false });
      }
    }
    return layout;
  }

  // Range and ticks of the left (1) or right (2) axis. The range is held until values leave it or need
  // far less of it: a scale that moves with every frame cannot be read, and costs more to draw.
  valueAxis(chart, side, range) {
    let low = 0;
    let high = 0;
    let isWhole = true;
    chart.description.traces.forEach((trace, index) => {
      if (trace.axis !== side || chart.hidden.has(trace.key)) return;
      if (!trace.step) isWhole = false;
      const pinned = this.baseline.get(chart.title);
      const pale = pinned && pinned.lines.get(trace.key);
      for (const [x, values] of [[chart.frame.x, chart.frame.lines[index]], [pinned && pinned.x, pale]]) {
        for (let row = 0; values && row < values.length; row += 1) {
          if (x[row] < range[0] || x[row] > range[1]) continue;
          if (values[row] > high) high = values[row];
          if (values[row] < low) low = values[row];
        }
      }
    });
    chart.held = chart.held || {};
    const held = chart.held[side];
    if (!held || high > held[1] || low < held[0] || high < held[1] * 0.55) {
      const top = high > 0 ? high * 1.12 : 1;
      chart.held[side] = [low < 0 ? low * 1.12 : 0, top];
    }
    const [bottom, top] = chart.held[side];
    const ticks = isWhole && top < 6 ? { tickmode: "linear", tick0: 0, dtick: 1 } : { tickmode: "auto", nticks: 5 };
    return { range: [bottom, top], autorange: false, tickformat: top >= 1000 ? "~s" : ".3~g", ...ticks };
  }

  noteZoom(chart, change) {
    const low = change["xaxis.range[0]"];
    const high = change["xaxis.range[1]"];
    if (low !== undefined && high !== undefined) chart.zoomX = [low, high];
    if (change["yaxis.range[0]"] !== undefined) chart.zoomY = true;
    this.report();
  }

  resetZoom(chart) {
    chart.zoomX = null;
    chart.zoomY = false;
    if (chart.frame) this.draw(chart);
    this.report();
  }
}
