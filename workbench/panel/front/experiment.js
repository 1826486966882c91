// experiment.js: a live experiment on what runs: two settings that take turns, their blocks, and the verdict.

import { fillSelect, formatClock, make, makeButton, makeField, setText } from "./dom.js";

/** @import { JudgedFigure, ShownExperiment, State, Tunable } from "messages" */
/** @import { Send, Shows } from "./dom.js" */

export class ExperimentCard {
  tunables = /** @type {Map<string, Tunable>} */ (new Map()); // those that a running process can try
  values = /** @type {NonNullable<State["values"]>} */ ({});
  known = ""; // what is drawn
  suggested = ""; // the figure that judges, unless somebody names another

  /** @param {Send} send */
  constructor(send) {
    this.rows = make("div", { class: "hak-experiment-settings" });
    this.tunable = make("select", { onchange: () => this.add(this.tunable.value) });
    this.names = make("datalist", { id: `hak-judged-${Math.random().toString(36).slice(2)}` });
    this.probe = make("input", { type: "text", list: this.names.id, class: "hak-command", placeholder: "a probe or metric, or NAME:UNIT=SOURCE" });
    this.blocks = make("input", { type: "number", min: "16", step: "2", value: "40", class: "hak-short" });
    this.length = make("input", { type: "number", min: "0", step: "any", value: "20", class: "hak-short" });
    this.washOut = make("input", { type: "number", min: "0", step: "any", value: "2", class: "hak-short" });
    this.period = make("input", { type: "number", min: "0.01", step: "any", value: "1", class: "hak-short" });
    this.looks = make("input", { type: "number", min: "1", step: "1", value: "1", class: "hak-short" });
    this.guards = make("input", { type: "text", class: "hak-command", placeholder: "none; for example process.resident<2e9" });
    this.pilotLength = make("input", { type: "number", min: "1", step: "any", value: "60", class: "hak-short" });
    this.fields = /** @type {Record<string, HTMLInputElement>} */ ({
      ...{ probes: this.probe, blocks: this.blocks, block_s: this.length, wash_out_s: this.washOut },
      ...{ period_s: this.period, looks: this.looks, guards: this.guards, pilot_s: this.pilotLength },
    });
    const begin = (/** @type {string} */ pilot) =>
      send({
        type: "experiment",
        a: this.readValues("A"),
        b: this.readValues("B"),
        probes: [this.probe.value.trim()].filter(Boolean),
        blocks: this.blocks.value,
        block_s: this.length.value,
        wash_out_s: this.washOut.value,
        period_s: this.period.value,
        looks: this.looks.value,
        guards: this.guards.value.split(",").map((guard) => guard.trim()).filter(Boolean),
        pilot_s: pilot,
      });
    this.start = makeButton("Start experiment", "hak-primary", () => begin("0"));
    this.pilot = makeButton("Pilot", "", () => begin(this.pilotLength.value), "Watch the figure for a while, change nothing, and say how long it takes to tell 2 %");
    this.refused = make("span", { class: "hak-experiment-refused", role: "alert", hidden: true });
    this.stop = makeButton("Stop experiment", "", () => send({ type: "stop_experiment" }), "A is restored, and what was measured is kept");
    this.bar = make("progress", { class: "hak-progress", max: 1, value: 0, "aria-label": "Progress of the experiment" });
    this.text = make("span", { class: "hak-experiment-text", role: "status" });
    this.lines = make("div", { class: "hak-experiment-lines" });
    this.found = make("div", { class: "hak-experiment-found", hidden: true });
    this.summaryText = make("span", { class: "hak-hint" });
    this.element = make(
      "details",
      { class: "hak-card hak-experiment" },
      make("summary", {}, make("span", { class: "hak-group-title" }, "Experiment"), this.summaryText),
      make("div", { class: "hak-row" }, makeField("Try another value of", this.tunable, "B differs from A in these tunables"), this.rows),
      make(
        "div",
        { class: "hak-row" },
        makeField("Judged by", this.probe, "The figure that tells whether B is better"),
        this.names,
        makeField("Blocks", this.blocks, "Half of them have A, half B, in an order that is drawn; at least 16"),
        makeField("Seconds a block", this.length, "Length of a block, with its wash-out"),
        makeField("Wash-out, s", this.washOut, "The first part of each block, which is not measured"),
        makeField("Reading every, s", this.period, "A block needs room for three readings behind its wash-out"),
        makeField("Looks", this.looks, "Number of analyses, the last one included; it ends once every verdict is decided"),
        makeField("Guards", this.guards, "PROBE<LIMIT or PROBE>LIMIT, with commas between: what does not hold any more ends the experiment at once"),
        makeField("Pilot, s", this.pilotLength, "How long a pilot watches"),
        make("span", { class: "hak-buttons" }, this.pilot, this.start, this.stop),
        make("span", { class: "hak-elapsed" }, this.bar, this.text),
      ),
      this.lines,
      this.found,
    );
  }

  /** @type {Shows} */
  shows = {
    controls: (groups) => {
      const all = groups.flatMap(({ controls }) => controls.map(({ tunable }) => tunable));
      this.tunables = new Map(all.filter(({ effect }) => effect !== "start").map((tunable) => [tunable.name, tunable]));
      for (const row of this.listRows()) if (!this.tunables.has(row.dataset.tunable ?? "")) row.remove();
      this.offer();
    },
    values: (values) => this.showValues(values),
    experiment: (experiment) => this.show(experiment),
  };

  /** @returns {HTMLElement[]} */
  listRows() {
    return [...this.rows.querySelectorAll("[data-tunable]")].map((row) => /** @type {HTMLElement} */ (row));
  }

  // The tunables that have no row yet.
  offer() {
    const taken = this.listRows().map((row) => row.dataset.tunable);
    const left = [...this.tunables.keys()].filter((name) => !taken.includes(name));
    fillSelect(this.tunable, [{ value: "", label: "choose a tunable" }, ...left.map((name) => ({ value: name, label: name }))], "");
  }

  /** @param {string} name */
  add(name) {
    if (!this.tunables.has(name)) return;
    const entry = (/** @type {string} */ arm) =>
      make("input", { type: "text", class: "hak-short", "aria-label": `${name}, ${arm}`, "data-arm": arm, "data-of": name, title: arm === "A" ? "Left empty: the value of now" : "What is tried" });
    const row = make("span", { class: "hak-experiment-setting", "data-tunable": name });
    const remove = makeButton("×", "hak-small", () => (row.remove(), this.offer()), "Leave it out");
    remove.setAttribute("aria-label", `${name}: leave out`);
    const b = entry("B");
    row.append(make("code", {}, name), "A", entry("A"), "B", b, remove);
    this.rows.append(row);
    this.offer();
    this.showValues(this.values);
    b.focus();
  }

  /** @param {NonNullable<State["values"]>} values */
  showValues(values) {
    this.values = values;
    if (["running", "stopping"].includes(this.element.dataset.state ?? "")) return; // the value of now may be B's
    for (const input of this.listEntries("A")) input.placeholder = String(values[input.dataset.of ?? ""]?.requested ?? "");
  }

  /** @param {string} arm @returns {NodeListOf<HTMLInputElement>} */
  listEntries(arm) {
    return this.rows.querySelectorAll(`[data-arm="${arm}"]`);
  }

  /** @param {string} arm */
  readValues(arm) {
    const filled = [...this.listEntries(arm)].filter((input) => input.value.trim());
    return Object.fromEntries(filled.map((input) => [input.dataset.of ?? "", input.value.trim()]));
  }

  /** @param {ShownExperiment} experiment */
  show(experiment) {
    const goesOn = experiment.state === "running" || experiment.state === "stopping";
    this.names.replaceChildren(...experiment.probes.map((name) => make("option", { value: name })));
    for (const input of [this.tunable, ...Object.values(this.fields)]) input.disabled = goesOn;
    this.start.disabled = this.pilot.disabled = goesOn || experiment.probes.length === 0;
    if (experiment.suggested && this.probe.value === this.suggested) this.probe.value = experiment.suggested;
    this.suggested = experiment.suggested;
    this.showRefusal(experiment);
    this.stop.disabled = experiment.state !== "running";
    this.bar.hidden = !goesOn;
    this.bar.value = experiment.progress;
    const left = goesOn && experiment.left_s ? `, ${formatClock(experiment.left_s)} left` : "";
    setText(this.text, experiment.text + left);
    this.text.title = experiment.path;
    this.element.dataset.state = experiment.state;
    const told = experiment.figures.map(({ name, verdict }) => `${name}: ${verdict}`).join("; ");
    setText(this.summaryText, experiment.state === "idle" ? "compare two settings on the process that runs, in alternation" : told);
    const kept = experiment.path && !goesOn && experiment.state === "ended" ? [`kept in ${experiment.path}`] : [];
    this.lines.replaceChildren(...[...experiment.lines, ...kept].map((line) => make("div", {}, line)));
    const known = JSON.stringify(experiment.figures);
    if (known === this.known) return;
    this.known = known;
    this.found.hidden = experiment.figures.every(({ points }) => points.length === 0);
    this.found.replaceChildren(...experiment.figures.map((figure) => this.drawFigure(figure)));
  }

  // Beside the field that is to blame, or beside the settings.
  /** @param {ShownExperiment} experiment */
  showRefusal({ refused, wrong }) {
    for (const [name, input] of Object.entries(this.fields)) input.ariaInvalid = String(name === wrong);
    const place = this.fields[wrong] ?? this.tunable;
    if (this.refused.parentElement !== place.parentElement) place.parentElement?.append(this.refused);
    this.refused.hidden = refused === "";
    setText(this.refused, refused);
  }

  /** @param {JudgedFigure} figure */
  drawFigure(figure) {
    const chart = make("div", { class: "hak-experiment-chart", role: "figure", "aria-label": `Blocks of ${figure.name}` });
    chart.innerHTML = this.draw(figure);
    const key = (/** @type {string} */ arm) => make("span", { class: `hak-key hak-arm-${arm}` }, arm);
    const title = make("div", { class: "hak-experiment-verdict" }, `${figure.name}: ${figure.verdict}`);
    return make("div", {}, title, chart, make("div", { class: "hak-legend" }, key("A"), key("B"), make("span", { class: "hak-hint" }, "each point is a block; lines: medians")));
  }

  /** @param {JudgedFigure} figure */
  draw({ points, unit }) {
    if (!points.length) return "";
    const width = 560, height = 150, left = 56, right = 10, top = 8, bottom = 24;
    const levels = points.map(([, , level]) => level);
    const low = Math.min(...levels), high = Math.max(...levels);
    const room = (high - low || Math.abs(high) || 1) * 0.1;
    const last = Math.max(...points.map(([, time]) => time));
    const x = (/** @type {number} */ time) => left + (time / last) * (width - left - right - 6);
    const y = (/** @type {number} */ level) => top + ((high + room - level) / (high - low + 2 * room)) * (height - top - bottom);
    const write = (/** @type {number} */ level) => Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 }).format(level);
    const medians = ["A", "B"].map((arm) => {
      const own = points.filter((point) => point[0] === arm).map((point) => point[2]).sort((one, other) => one - other);
      if (!own.length) return "";
      const at = y((own[(own.length - 1) >> 1] + own[own.length >> 1]) / 2);
      return `<line class="hak-experiment-median hak-arm-${arm}" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" />`;
    });
    const dots = points.map(
      ([arm, time, level]) => `<circle class="hak-arm-${arm}" cx="${x(time)}" cy="${y(level)}" r="3.4"><title>${arm}, ${time.toFixed(0)} s: ${write(level)}</title></circle>`,
    );
    const scale = (high > low ? [high, low] : [high]).map((level) => `<text x="${left - 6}" y="${y(level) + 4}" text-anchor="end">${write(level)}</text>`);
    const label = make("span", {}, unit).innerHTML; // a unit is what somebody typed
    return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
      <line class="hak-tuner-rule" x1="${left}" x2="${width - right}" y1="${height - bottom}" y2="${height - bottom}" />
      ${[...scale, ...medians, ...dots].join("")}
      <text x="${left}" y="${height - 8}">0 s</text>
      <text x="${width - right}" y="${height - 8}" text-anchor="end">${last.toFixed(0)} s</text>
      <text x="12" y="${(top + height - bottom) / 2}" text-anchor="middle" transform="rotate(-90 12 ${(top + height - bottom) / 2})">${label}</text>
    </svg>`;
  }
}
