// heap.js: which code holds the memory, by sampled stacks: an icicle chart, and what grew since a pin.

import { make, makeButton, setText } from "./dom.js";
import { fillTable } from "./table.js";

/** @import { HeapChart, Icicle, Sampling } from "messages" */
/** @import { Plot, Plotly } from "./plotly_loader.js" */
/** @import { Send, Shows } from "./dom.js" */

const LEVEL_PX = 20, MOST_LEVELS = 24;

export class HeapCard {
  /** @type {Plotly | undefined} */
  plotly;
  /** @type {Icicle | null} */
  icicle = null;
  /** @type {Icicle | null} */
  drawn = null;
  /** @type {Sampling} */
  sampling = { is_on: false, values: {} };

  /** @param {Send} send */
  constructor(send) {
    this.note = make("span", { class: "hak-hint", role: "note" });
    this.button = makeButton("Take samples", "hak-small", () => {
      for (const [name, value] of Object.entries(this.sampling.values)) send({ type: "set", name, value });
    });
    this.plot = /** @type {Plot} */ (/** @type {unknown} */ (make("div", { role: "figure", "aria-label": "Sampled stacks" })));
    this.growth = make("div", { class: "hak-hint" });
    this.table = make("table", { class: "hak-told-table", "aria-label": "What grew since the pin" });
    this.element = make(
      "section",
      { class: "hak-card hak-wide hak-heap", hidden: true, "aria-label": "Who holds it" },
      make("header", {}, make("h3", {}, "Who holds it"), this.note, this.button),
      make("div", { class: "hak-heap-found" }, this.plot, this.growth, this.table),
    );
  }

  /** @type {Shows} */
  shows = {
    sampling: (sampling) => {
      this.sampling = sampling;
      const set = Object.entries(sampling.values).map(([name, value]) => `${name}=${value}`).join(" ");
      setText(this.button, sampling.is_on ? "Take no more samples" : "Take samples");
      this.button.title = `Sets ${set}: only blocks that are allocated while samples are taken are seen`;
      this.button.hidden = set === "";
      this.hideIfEmpty();
    },
    heap: (heap) => this.show(heap),
  };

  /** @param {HeapChart} heap */
  show(heap) {
    this.icicle = heap.icicle;
    setText(this.note, heap.note);
    setText(this.growth, heap.growth);
    fillTable(this.table, heap.rows);
    this.hideIfEmpty();
    this.draw();
  }

  hideIfEmpty() {
    this.element.hidden = this.button.hidden && !this.icicle;
    this.plot.hidden = !this.icicle;
  }

  draw() {
    const { plotly, icicle } = this;
    if (!plotly || !icicle || icicle === this.drawn || this.element.hidden) return;
    const style = getComputedStyle(this.element);
    const ink = style.getPropertyValue("--hak-ink").trim() || "#222";
    const font = { family: style.getPropertyValue("--hak-font").trim() || "sans-serif", size: 11 };
    const traces = [
      {
        type: "icicle",
        ids: icicle.ids,
        labels: icicle.labels,
        parents: icicle.parents,
        values: icicle.bytes,
        text: icicle.texts,
        customdata: icicle.places,
        branchvalues: "total",
        hovertemplate: "%{label}<br>%{text}, %{percentRoot:.1%}<br>%{customdata}<extra></extra>",
        texttemplate: "%{label}  %{text}",
        tiling: { orientation: "v" },
        maxdepth: MOST_LEVELS, // the others show when a part is clicked
        marker: { colors: icicle.bytes, colorscale: [[0, "#dcebf0"], [1, "#2a6f86"]], line: { width: 0.5 } },
        pathbar: { textfont: { color: ink } },
      },
    ];
    const layout = {
      height: 30 + LEVEL_PX * Math.min(icicle.depth, MOST_LEVELS),
      margin: { l: 0, r: 0, t: 2, b: 2 },
      paper_bgcolor: "rgba(0,0,0,0)",
      uniformtext: { minsize: 9, mode: "hide" },
      uirevision: "keep", // a part that was clicked stays in front
      font,
    };
    if (this.drawn) plotly.react(this.plot, traces, layout);
    else plotly.newPlot(this.plot, traces, layout, { responsive: true, displayModeBar: false });
    this.drawn = icicle;
  }

  close() {
    if (this.drawn) this.plotly?.purge(this.plot);
  }
}
