// main.js: one view of the panel. A view says hello, gets the whole state and then what changes.
// Frames are drawn one after the other and acknowledged, so that the kernel never runs ahead.

import { Actions } from "./actions.js";
import { WorkloadBar } from "./bar.js";
import { ChartGrid } from "./charts.js";
import { ControlList } from "./controls.js";
import { make } from "./dom.js";
import { Journal } from "./journal.js";
import { receivePlotly, requestPlotly } from "./plotly_loader.js";
import { RecordStrip } from "./record.js";
import { TunerCard } from "./tuner.js";
import { hearDirectly, Watch } from "./watch.js";

// The script of the charts is large: on a slow connection it is on its way for some time.
const PLOTLY_PATIENCE_MS = 5000;
const LOOKS_UNTIL_TOLD = 3;

class PanelView {
  constructor(model, root) {
    this.model = model;
    this.id = Math.random().toString(36).slice(2, 10);
    this.pending = new Map(); // newest data of each chart that waits to be drawn, by title
    this.isDrawing = false;
    this.hasState = false; // whether all of the state came; a part of it may have been meant for another view
    this.unanswered = 0;
    this.hasFrame = false; // whether a frame came since the last look
    const send = (content) => this.send(content);
    this.bar = new WorkloadBar(send);
    this.journal = new Journal(send);
    this.record = new RecordStrip(send);
    this.tuner = new TunerCard(send, () => this.bar.readSpec());
    this.charts = new ChartGrid(() => this.reportSoon());
    this.helpText = make("div", { class: "hak-help", id: `hak-help-${this.id}` });
    this.controls = new ControlList(send, (tunable) => this.showHelp(tunable));
    this.actions = new Actions(send);
    this.charts.span.classList.add("hak-span");
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
          this.helpText,
        ),
        make(
          "div",
          { class: "hak-right" },
          this.charts.element,
          make("div", { class: "hak-foot" }, make("span", { class: "hak-hint" }, "Drag over a chart to zoom, double-click to follow again."), make("label", { class: "hak-field hak-inline" }, make("span", {}, "Shown"), this.charts.span)),
        ),
      ),
      this.tuner.element,
      this.journal.log,
    );
    // Keys belong to the control that has the focus, not to the notebook's shortcuts.
    this.root.addEventListener("keydown", (event) => event.stopPropagation());
    root.append(this.root);
    this.onMessage = (content, buffers) => this.receive(content, buffers);
    model.on("msg:custom", this.onMessage);
    this.send({ type: "hello" });
    this.loadPlotly();
    this.watch = new Watch(() => this.askAgain());
  }

  close() {
    this.watch.close();
    this.model.off("msg:custom", this.onMessage);
    clearTimeout(this.reporting);
    this.charts.close();
    this.pending.clear();
    this.send({ type: "bye" });
    this.isClosed = true;
    this.root.remove();
  }

  send(content) {
    if (this.isClosed) return;
    try {
      this.model.send({ ...content, view: this.id });
    } catch (error) {
      this.journal.setError(`The kernel cannot be reached: ${error}`);
    }
  }

  loadPlotly() {
    this.plotlyAsked = performance.now();
    requestPlotly((content) => this.send(content)).then(
      (plotly) => {
        if (this.charts.plotly) return;
        this.charts.plotly = plotly;
        this.report();
      },
      (error) => this.journal.setError(`The charts' script did not load: ${error}`),
    );
  }

  // Asks again for what did not come; returns whether anything is missing.
  askAgain() {
    const { hasFrame } = this;
    this.hasFrame = false;
    if (!this.hasState) {
      this.unanswered += 1;
      if (this.unanswered === LOOKS_UNTIL_TOLD) {
        this.journal.setStatus({ text: "no answer from the kernel yet: it is busy with a cell, or the panel's cell must be run again" });
      }
      hearDirectly(this.model).catch((error) => console.warn(`The panel's model was not found: ${error}`));
      this.send({ type: "hello" });
    }
    if (!this.charts.plotly) {
      if (performance.now() - this.plotlyAsked > PLOTLY_PATIENCE_MS) this.loadPlotly();
      return true;
    }
    const isMoving = ["running", "attached"].includes(this.root.dataset.state);
    const lacksFrames = isMoving && !hasFrame && this.charts.describe().visible.length > 0;
    if (lacksFrames) this.report();
    return lacksFrames || !this.hasState;
  }

  showHelp(tunable) {
    if (this.helpFor === tunable.name) return;
    this.helpFor = tunable.name;
    this.helpText.replaceChildren(
      make("b", {}, tunable.name),
      ` ${tunable.help} `,
      make("span", { class: "hak-hint" }, `${tunable.range_text}, default ${tunable.default_text}, takes effect ${tunable.effect_text}.`),
    );
  }

  reportSoon() {
    if (this.reporting) return;
    this.reporting = setTimeout(() => this.report(), 50);
  }

  report() {
    clearTimeout(this.reporting);
    this.reporting = null;
    if (this.charts.plotly) this.send({ type: "view", ...this.charts.describe() });
  }

  receive(content, buffers) {
    if (content.type === "state") this.applyState(content);
    else if (content.type === "frame") this.queueFrame(content, buffers[0]);
    else if (content.type === "baseline") this.charts.setBaseline(this.readBaseline(content, buffers[0]));
    else if (content.type === "plotly") receivePlotly(buffers[0]);
    else if (content.type === "who") {
      this.send({ type: "hello" });
      this.report();
    }
  }

  // Each state tells what changed since the one before it: if that was lost, all of it is asked for.
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

  applyState(state) {
    this.noteNumber(state);
    if (state.catalogue) this.bar.setCatalogue(state.catalogue);
    if (state.traces) this.bar.setTraces(state.traces);
    if (state.allocators) this.bar.setAllocators(state.allocators);
    if (state.processes) this.bar.setProcesses(state.processes);
    if (state.run) {
      this.bar.showRun(state.run);
      this.actions.showRun(state.run);
      this.root.dataset.state = state.run.state;
    }
    if (state.clock) this.bar.setClock(state.clock);
    if (state.recording) this.record.setRecording(state.recording);
    if (state.tuning) this.tuner.setTuning(state.tuning);
    if (state.status) this.journal.setStatus(state.status);
    if (state.error !== undefined) this.journal.setError(state.error);
    if (state.controls) this.controls.setControls(state.controls);
    if (state.values) this.controls.setValues(state.values);
    if (state.read_only !== undefined) this.controls.setReadOnly(state.read_only);
    if (state.presets) this.actions.setPresets(state.presets);
    if (state.history) this.actions.setHistory(state.history);
    if (state.message) this.actions.setMessage(state.message);
    if (state.charts) this.charts.setCharts(state.charts);
    if (state.markers) this.charts.setMarkers(state.markers);
    if (state.log_restart) this.journal.clearLog();
    if (state.log) this.journal.addEntries(state.log);
    if (state.closed) {
      this.root.classList.add("hak-closed");
      this.watch.close();
    }
  }

  readBaseline(content, buffer) {
    const result = new Map();
    if (!buffer) return result;
    const numbers = readNumbers(buffer);
    for (const part of content.charts) {
      const lines = new Map();
      part.keys.forEach((key, index) => {
        const start = part.offset + (index + 1) * part.rows;
        lines.set(key, numbers.subarray(start, start + part.rows));
      });
      result.set(part.title, { x: numbers.subarray(part.offset, part.offset + part.rows), lines });
    }
    return result;
  }

  // Of frames that come faster than they are drawn, only the newest data of each chart is kept. A hidden
  // page, whose timers hardly run, keeps none: it gets all charts anew when it is looked at again.
  queueFrame(frame, buffer) {
    this.hasFrame = true;
    if (document.hidden) {
      this.pending.clear();
      this.send({ type: "ack", frame: frame.number });
      return;
    }
    const numbers = readNumbers(buffer);
    for (const part of frame.charts) this.pending.set(part.title, { part, numbers, now: frame.now });
    this.newest = frame.number;
    if (!this.isDrawing) this.drawFrames();
  }

  async drawFrames() {
    this.isDrawing = true;
    while (this.pending.size) {
      const parts = [...this.pending.values()];
      const number = this.newest;
      this.pending.clear();
      try {
        await this.charts.drawFrame(parts);
      } catch (error) {
        this.journal.setError(`A chart could not be drawn: ${error}`);
      }
      // The browser paints between two frames; a hidden page does not, and a frame must not wait for it.
      await new Promise((resolve) => {
        const late = setTimeout(resolve, 100);
        requestAnimationFrame(() => {
          clearTimeout(late);
          resolve();
        });
      });
      this.root.dataset.frames = String(this.charts.framesDrawn);
      this.root.dataset.charts = String(this.charts.chartsDrawn);
      this.send({ type: "ack", frame: number });
    }
    this.isDrawing = false;
  }
}

// A buffer may begin anywhere in its message; numbers of 8 bytes must not.
function readNumbers(buffer) {
  if (buffer instanceof ArrayBuffer) return new Float64Array(buffer);
  const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  return new Float64Array(bytes.slice().buffer);
}

export default {
  render({ model, el }) {
    const view = new PanelView(model, el);
    return () => view.close();
  },
};
