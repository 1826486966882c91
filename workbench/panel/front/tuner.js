// tuner.js: a study on the workload that is chosen: begun, watched, stopped, its best applied.

import { fillSelect, formatClock, make, makeButton, makeField, setText } from "./dom.js";

/** @import { RunForm, Tuning } from "messages" */
/** @import { Send, Shows } from "./dom.js" */

/** @type {{ [outcome: string]: string }} */
const TUNER_COLORS = { better: "var(--hak-good)", pruned: "var(--hak-warn)", dominated: "var(--hak-warn)", failed: "var(--hak-bad)" };

export class TunerCard {
  /** @param {Send} send @param {() => RunForm} readSpec The run as the form above has it. */
  constructor(send, readSpec) {
    this.path = "";
    this.known = ""; // what is drawn
    this.goal = make("select", {});
    this.group = make("select", {});
    this.trials = make("input", { type: "number", min: "1", value: "20", class: "hak-short" });
    this.seconds = make("input", { type: "number", min: "0", step: "any", value: "0.5", class: "hak-short" });
    this.start = makeButton("Tune", "hak-primary", () =>
      send({
        type: "tune",
        spec: readSpec(),
        objective: this.goal.value,
        group: this.group.value,
        trials: this.trials.value,
        seconds: this.seconds.value,
      }),
    );
    this.stop = makeButton("Stop tuning", "", () => send({ type: "stop_tuning" }));
    this.goOn = makeButton("Go on", "", () => send({ type: "resume_tuning", path: this.path }), "Go on with the study that was stopped");
    this.inject = makeButton("Try these values", "", () => send({ type: "try_values" }), "The values of the sliders are the next trial, as far as the study searches them");
    this.apply = makeButton("Apply best", "", () => send({ type: "apply_best" }));
    this.bar = make("progress", { class: "hak-progress", max: 1, value: 0, "aria-label": "Progress of the study" });
    this.text = make("span", { class: "hak-tuner-text", role: "status" });
    this.chart = make("div", { class: "hak-tuner-chart", role: "figure", "aria-label": "Best so far" });
    this.best = make("div", { class: "hak-tuner-best" });
    this.table = make("table", { class: "hak-tuner-table", "aria-label": "Latest trials" });
    this.lines = make("div", { class: "hak-tuner-lines" });
    this.found = make(
      "div",
      { class: "hak-tuner-found", hidden: true },
      this.chart,
      make("div", { class: "hak-tuner-told" }, this.best, this.lines, this.table),
    );
    this.summaryText = make("span", { class: "hak-hint" });
    this.element = make(
      "details",
      { class: "hak-card hak-tuner" },
      make("summary", {}, make("span", { class: "hak-group-title" }, "Autotune"), this.summaryText),
      make(
        "div",
        { class: "hak-row" },
        makeField("Better in", this.goal, "What is tuned for"),
        makeField("Tunables of", this.group, "The component whose tunables are searched, over their whole ranges"),
        makeField("Trials", this.trials, "How many settings are tried"),
        makeField("Seconds a run", this.seconds, "Each trial is some pairs of such runs"),
        make("span", { class: "hak-buttons" }, this.start, this.stop, this.goOn, this.inject, this.apply),
        make("span", { class: "hak-elapsed" }, this.bar, this.text),
      ),
      this.found,
    );
  }

  /** @type {Shows} */
  shows = { tuning: (tuning) => this.showTuning(tuning) };

  /** @param {Tuning} tuning */
  showTuning(tuning) {
    fillSelect(this.goal, tuning.goals);
    fillSelect(this.group, tuning.groups);
    const goesOn = tuning.state === "running" || tuning.state === "stopping";
    for (const input of [this.goal, this.group, this.trials, this.seconds, this.start]) input.disabled = goesOn;
    this.stop.disabled = this.inject.disabled = tuning.state !== "running";
    this.path = tuning.path;
    this.goOn.hidden = tuning.state !== "stopped";
    this.apply.disabled = !tuning.has_best;
    this.bar.hidden = !goesOn;
    this.bar.value = tuning.done / Math.max(1, tuning.done + tuning.left);
    const left = goesOn && tuning.left_s ? `, about ${formatClock(tuning.left_s)} left` : "";
    setText(this.text, tuning.text + left);
    this.text.title = tuning.path;
    this.element.dataset.state = tuning.state;
    setText(this.summaryText, tuning.state === "idle" ? "search settings that beat the defaults on this workload" : tuning.best || "nothing beats the defaults so far");
    this.found.hidden = tuning.rows.length === 0;
    this.showFound(tuning);
  }

  /** @param {Tuning} tuning */
  showFound(tuning) {
    const known = JSON.stringify([tuning.points, tuning.rows, tuning.best, tuning.lines]);
    if (known === this.known) return;
    this.known = known;
    setText(this.best, tuning.best ? `Best so far: ${tuning.best}` : "Nothing beats the defaults so far.");
    this.lines.replaceChildren(...tuning.lines.map((line) => make("div", {}, line)));
    const names = tuning.objectives.map((name) => `${name.replace("_", " ")} ×`);
    const heads = ["trial", "outcome", ...names, "settings that are not the default"].map((name) => make("th", { scope: "col" }, name));
    const rows = tuning.rows.map(({ number, outcome, ratios, settings }) => {
      const cells = [String(number), outcome, ...names.map((_, index) => ratios[index]?.toFixed(3) ?? "")];
      const last = make("td", { class: "hak-tuner-settings", title: settings }, settings);
      return make("tr", { "data-outcome": outcome }, ...cells.map((cell) => make("td", {}, cell)), last);
    });
    this.table.replaceChildren(make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
    this.chart.innerHTML = this.draw(tuning);
  }

  /** @param {Tuning} tuning Drawn is the ratio to the defaults, trial by trial, and as a line the best so far. */
  draw({ points }) {
    const width = 330, height = 170, left = 44, right = 10, top = 10, bottom = 26;
    const ratios = points.map(([, , ratio]) => ratio);
    const low = Math.min(1, ...ratios), high = Math.max(1, ...ratios);
    const room = Math.max((high - low) * 0.1, 0.01);
    const last = Math.max(1, ...points.map(([number]) => number));
    const x = (/** @type {number} */ number) => left + (number / last) * (width - left - right);
    const y = (/** @type {number} */ ratio) => top + ((high + room - ratio) / (high - low + 2 * room)) * (height - top - bottom);
    const scale = [1, ...[high, low].filter((ratio) => Math.abs(y(ratio) - y(1)) >= 12)];
    const steps = points.map(([number, , , best]) => ` H ${x(number)} V ${y(best)}`);
    const dots = points.map(([number, outcome, ratio]) => {
      const color = TUNER_COLORS[outcome] || "var(--hak-ink-soft)";
      return `<circle cx="${x(number)}" cy="${y(ratio)}" r="3.2" style="fill: ${color}">
        <title>trial ${number}: ${ratio.toFixed(3)}, ${outcome}</title></circle>`;
    });
    return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
      <line class="hak-tuner-rule" x1="${left}" x2="${width - right}" y1="${y(1)}" y2="${y(1)}" />
      ${scale.map((ratio) => `<text x="${left - 6}" y="${y(ratio) + 4}" text-anchor="end">${ratio.toFixed(2)}</text>`).join("")}
      <text x="${left}" y="${height - 8}">0</text>
      <text x="${width - right}" y="${height - 8}" text-anchor="end">trial ${last}</text>
      <path class="hak-tuner-line" d="M ${x(0)} ${y(1)}${steps.join("")} H ${x(last)}" />
      ${dots.join("")}
    </svg>`;
  }
}
