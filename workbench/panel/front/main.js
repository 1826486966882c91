// main.js: one view of the panel. A view says hello, gets the whole state and then what changes.
// Frames are drawn one after the other and acknowledged, so that the kernel never runs ahead.

import { Actions } from "./actions.js";
import { WorkloadBar } from "./bar.js";
import { ChartGrid, readCharts } from "./charts.js";
import { ControlList } from "./controls.js";
import { make } from "./dom.js";
import { ExperimentCard } from "./experiment.js";
import { HeapCard } from "./heap.js";
import { Journal } from "./journal.js";
import { hearDirectly } from "./model.js";
import { receivePlotly, requestPlotly } from "./plotly_loader.js";
import { RecordStrip } from "./record.js";
import { TunerCard } from "./tuner.js";
import { WhatIfCard } from "./whatif.js";

/** @import { Frame, FromKernel, Request, State } from "messages" */
/** @import { Recent } from "./chart.js" */
/** @import { Model } from "./model.js" */

// The script of the charts is large: on a slow connection it is on its way for some time.
const PLOTLY_PATIENCE_MS = 5000;
const LOOKS_UNTIL_TOLD = 3;
const FIRST_LOOK_MS = 2000;
const LAST_LOOK_MS = 30000;

class PanelView {
  id = Math.random().toString(36).slice(2, 10);
  pending = /** @type {Map<string, Recent>} */ (new Map()); // newest data of each chart that waits to be drawn, by title
  newest = 0; // number of the newest frame
  stateNumber = 0;
  plotlyAsked = 0;
  reporting = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  isClosed = false;
  isDrawing = false;
  hasState = false; // whether all of the state came; a part of it may have been meant for another view
  unanswered = 0;
  hasFrame = false; // whether a frame came since the last look

  /** @param {Model} model @param {HTMLElement} root */
  constructor(model, root) {
    this.model = model;
    const send = (/** @type {Request} */ message) => this.send(message);
    this.bar = new WorkloadBar(send);
    this.journal = new Journal(send);
    this.record = new RecordStrip(send);
    this.tuner = new TunerCard(send, () => this.bar.readSpec());
    this.charts = new ChartGrid(() => this.reportSoon(), send);
    this.controls = new ControlList(send);
    this.actions = new Actions(send);
    this.whatif = new WhatIfCard();
    this.heap = new HeapCard(send);
    this.experiment = new ExperimentCard(send);
    /** @type {{ shows: { [name: string]: any } }[]} */
    this.parts = [this.bar, this.record, this.tuner, this.journal, this.controls, this.actions, this.charts, this.whatif, this.heap, this.experiment];
    this.root = make(
      "div",
      { class: "hak-panel", "data-lm-suppress-shortcuts": "true" },
      this.bar.element,
      make("div", { class: "hak-status-row" }, this.journal.status, this.record.element),
      this.journal.error,
      make(
        "div",
        { class: "hak-body" },
        make(
          "section",
          { class: "hak-card hak-tunables", "aria-label": "Tunables" },
          make("header", {}, make("h3", {}, "Tunables")),
          this.actions.element,
          this.controls.element,
          this.controls.help,
        ),
        this.charts.element,
      ),
      this.whatif.element,
      this.heap.element,
      this.experiment.element,
      this.tuner.element,
      this.journal.log,
    );
    // Keys belong to the control that has the focus, not to the notebook's shortcuts.
    this.root.addEventListener("keydown", (event) => event.stopPropagation());
    root.append(this.root);
    /** @param {FromKernel} message @param {ArrayBufferView<ArrayBuffer>[]} buffers */
    this.onMessage = (message, buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.onMessage);
    this.send({ type: "hello" });
    this.loadPlotly();
    this.watch(FIRST_LOOK_MS);
  }

  close() {
    clearTimeout(this.watching);
    this.model.off("msg:custom", this.onMessage);
    clearTimeout(this.reporting);
    this.charts.close();
    this.heap.close();
    this.pending.clear();
    this.send({ type: "bye" });
    this.isClosed = true;
    this.root.remove();
  }

  /** @param {Request} message */
  send(message) {
    if (this.isClosed) return;
    try {
      this.model.send({ ...message, view: this.id });
    } catch (error) {
      this.journal.setError(`The kernel cannot be reached: ${error}`);
    }
  }

  loadPlotly() {
    this.plotlyAsked = performance.now();
    requestPlotly((message) => this.send(message)).then(
      (plotly) => {
        if (this.charts.plotly) return;
        this.charts.plotly = this.heap.plotly = plotly;
        this.heap.draw();
        this.report();
      },
      (error) => this.journal.setError(`The charts' script did not load: ${error}`),
    );
  }

  /**
   * What a view waits for and does not get it asks for again, ever more rarely: a message can be lost while
   * a page, its connection or a thread of the kernel is set up. A panel that answers is asked nothing.
   * @param {number} wait
   */
  watch(wait) {
    this.watching = setTimeout(() => this.watch(this.askAgain() ? Math.min(2 * wait, LAST_LOOK_MS) : FIRST_LOOK_MS), wait);
  }

  // Returns whether anything is missing.
  askAgain() {
    const { hasFrame } = this;
    this.hasFrame = false;
    if (!this.hasState) {
      this.unanswered += 1;
      if (this.unanswered === LOOKS_UNTIL_TOLD) {
        const text = "no answer from the kernel yet: it is busy with a cell, or the panel's cell must be run again";
        this.journal.setStatus({ text, state: "idle" });
      }
      hearDirectly(this.model).catch((error) => console.warn(`The panel's model was not found: ${error}`));
      this.send({ type: "hello" });
    }
    if (!this.charts.plotly) {
      if (performance.now() - this.plotlyAsked > PLOTLY_PATIENCE_MS) this.loadPlotly();
      return true;
    }
    const isMoving = ["running", "attached"].includes(this.root.dataset.state ?? "");
    const lacksFrames = isMoving && !hasFrame && this.charts.describe().visible.length > 0;
    if (lacksFrames) this.report();
    return lacksFrames || !this.hasState;
  }

  reportSoon() {
    this.reporting ??= setTimeout(() => this.report(), 50);
  }

  report() {
    clearTimeout(this.reporting);
    this.reporting = undefined;
    if (this.charts.plotly) this.send(this.charts.describe());
  }

  /** @param {FromKernel} message @param {ArrayBufferView<ArrayBuffer>[]} buffers */
  receive(message, buffers) {
    if (message.type === "state") this.applyState(message);
    else if (message.type === "frame") this.queueFrame(message, buffers[0]);
    else if (message.type === "baseline") this.charts.setBaseline(readCharts(message.charts, buffers[0]));
    else if (message.type === "plotly") receivePlotly(buffers[0]);
    else if (message.type === "who") {
      this.send({ type: "hello" });
      this.report();
    }
  }

  /** @param {State} state It tells what changed since the one before: if that was lost, all is asked for. */
  noteNumber(state) {
    const isNext = state.number === this.stateNumber + 1;
    this.stateNumber = state.number;
    if (state.log_restart) {
      this.hasState = true;
      this.unanswered = 0;
    } else if (this.hasState && !isNext && !state.closed) {
      this.hasState = false;
      this.send({ type: "hello" });
    }
  }

  /** @param {State} state */
  applyState(state) {
    this.noteNumber(state);
    const told = /** @type {{ [name: string]: any }} */ (state);
    for (const { shows } of this.parts) {
      for (const [name, show] of Object.entries(shows)) if (told[name] !== undefined) show(told[name]);
    }
    if (state.run) this.root.dataset.state = state.run.state;
    if (state.closed) {
      this.root.classList.add("hak-closed");
      clearTimeout(this.watching);
    }
  }

  /**
   * Of frames that come faster than they are drawn, only the newest data of each chart is kept. A hidden
   * page, whose timers hardly run, keeps none: it gets all charts anew when it is looked at again.
   * @param {Frame} frame @param {ArrayBufferView} buffer
   */
  queueFrame(frame, buffer) {
    this.hasFrame = true;
    if (document.hidden) {
      this.pending.clear();
      this.send({ type: "ack", frame: frame.number });
      return;
    }
    for (const [title, lines] of readCharts(frame.charts, buffer)) this.pending.set(title, { ...lines, now: frame.now });
    this.newest = frame.number;
    if (!this.isDrawing) this.drawFrames();
  }

  async drawFrames() {
    this.isDrawing = true;
    while (this.pending.size) {
      const waiting = this.pending;
      const number = this.newest;
      this.pending = new Map();
      try {
        await this.charts.drawFrame(waiting);
      } catch (error) {
        this.journal.setError(`A chart could not be drawn: ${error}`);
      }
      // The browser paints between two frames; a hidden page does not, and a frame must not wait for it.
      await new Promise((resolve) => {
        const late = setTimeout(resolve, 100);
        requestAnimationFrame(() => {
          clearTimeout(late);
          resolve(undefined);
        });
      });
      this.root.dataset.frames = String(this.charts.framesDrawn);
      this.root.dataset.charts = String(this.charts.chartsDrawn);
      this.send({ type: "ack", frame: number });
    }
    this.isDrawing = false;
  }
}

export default {
  /** @param {{ model: Model, el: HTMLElement }} context */
  render({ model, el }) {
    const view = new PanelView(model, el);
    return () => view.close();
  },
};
