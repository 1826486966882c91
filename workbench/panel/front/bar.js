// bar.js: what runs: a workload with its parameters, or a program, under an allocator; or a process to attach to.

import { fillSelect, formatClock, make, makeButton, makeField, makeQuestion, setText } from "./dom.js";

/** @import { Allocator, Run, RunForm, ShownRun, Workload } from "messages" */
/** @import { Send, Shows } from "./dom.js" */

/** @type {["allocator", "trace", "command", "threads", "seed", "seconds"]} */
const FIELDS = ["allocator", "trace", "command", "threads", "seed", "seconds"]; // of a run, besides its workload

export class WorkloadBar {
  workloads = /** @type {Workload[]} */ ([]);
  allocators = /** @type {Allocator[]} */ ([]);
  parameters = /** @type {Map<string, HTMLInputElement>} */ (new Map());
  run = /** @type {Run} */ ({ state: "idle", is_pinned: false, can_pin: false, spec: null });
  shown = ""; // the workload whose parameters are shown
  shownNumber = 0; // the run that was shown last

  /** @param {Send} send */
  constructor(send) {
    this.send = send;
    this.workload = make("select", { onchange: () => this.showParameters() });
    this.allocator = make("select", { onchange: () => this.chooseAllocator() });
    this.threads = make("input", { type: "number", min: "1", value: "2", class: "hak-short" });
    this.seed = make("input", { type: "number", min: "0", value: "1", class: "hak-short" });
    this.seconds = make("input", { type: "number", min: "0", value: "0", class: "hak-short" });
    this.traces = make("datalist", { id: `hak-traces-${Math.random().toString(36).slice(2)}` });
    this.trace = make("input", { type: "text", list: this.traces.id, class: "hak-trace", placeholder: "dataset, or a file's path" });
    this.traceField = makeField("Trace", this.trace, "What is replayed: the name of a dataset, or the path of a recorded trace");
    this.programs = make("datalist", { id: `hak-programs-${Math.random().toString(36).slice(2)}` });
    this.command = make("input", { type: "text", list: this.programs.id, class: "hak-command", placeholder: "a command, or a plan's path" });
    this.commandField = makeField("Command", this.command, "A command as a shell splits it, or FILE.toml or FILE.toml#NAME: a work of a plan");
    this.threadsField = makeField("Threads", this.threads);
    this.seedField = makeField("Seed", this.seed);
    this.secondsField = makeField("Seconds", this.seconds, "Length of the run; 0: until Stop");
    this.parameterBox = make("div", { class: "hak-parameters" });
    this.hint = make("span", { class: "hak-hint" });
    this.start = makeButton("Start", "hak-primary", () => send({ type: "start", spec: this.readSpec() }));
    this.pause = makeButton("Pause", "", () => send({ type: this.run.state === "paused" ? "resume" : "pause" }));
    this.stop = makeButton("Stop", "", () => send({ type: "stop" }));
    const pinTitle = "Keep this run as a pale baseline behind the next";
    this.pin = makeButton("Pin", "", () => send({ type: this.run.is_pinned ? "unpin" : "pin" }), pinTitle);
    this.bar = make("progress", { class: "hak-progress", max: 1, value: 0, "aria-label": "Progress" });
    this.clock = make("span", { class: "hak-clock" }, "00:00");
    this.process = make("select", { "aria-label": "Running process" });
    this.attach = makeButton("Attach", "", () => send({ type: "attach", path: this.process.value }));
    this.detach = makeButton("Detach", "", () => (this.question.hidden = false));
    this.question = makeQuestion(
      "Detach",
      make("span", {}, "Give the process back the values it had when you attached?"),
      makeButton("Restore values", "hak-primary", () => this.letGo(true)),
      makeButton("Keep values", "", () => this.letGo(false)),
      makeButton("Cancel", "", () => (this.question.hidden = true)),
    );
    this.element = make(
      "div",
      { class: "hak-card hak-bar" },
      make(
        "div",
        { class: "hak-row" },
        makeField("Workload", this.workload),
        makeField("Allocator", this.allocator),
        this.traceField,
        this.traces,
        this.commandField,
        this.programs,
        this.threadsField,
        this.seedField,
        this.secondsField,
        make("span", { class: "hak-buttons" }, this.start, this.pause, this.stop, this.pin),
        make("span", { class: "hak-elapsed" }, this.bar, this.clock),
      ),
      make(
        "div",
        { class: "hak-row" },
        this.parameterBox,
        make("span", { class: "hak-attach" }, make("span", { class: "hak-or" }, "or a running process"), this.process, this.attach, this.detach),
      ),
      this.hint,
      this.question,
    );
  }

  /** @param {boolean} restore */
  letGo(restore) {
    this.question.hidden = true;
    this.send({ type: "detach", restore });
  }

  /** @type {Shows} */
  shows = {
    workloads: (workloads) => {
      this.workloads = workloads;
      const options = workloads.map(({ name, help }) => ({ value: name, label: name, title: help }));
      fillSelect(this.workload, options, this.shown || workloads.find((entry) => entry.is_first_choice)?.name);
      this.showParameters();
    },
    // The first of them stands there until another is chosen or typed.
    traces: (traces) => {
      this.traces.replaceChildren(...traces.map((entry) => make("option", { value: entry.value }, entry.label)));
      if (!this.trace.value && traces.length) this.trace.value = traces[0].value;
    },
    programs: (programs) => {
      this.programs.replaceChildren(...programs.map((entry) => make("option", { value: entry.value }, entry.label)));
    },
    allocators: (allocators) => {
      this.allocators = allocators;
      fillSelect(
        this.allocator,
        allocators.map(({ name, label, remedy, available }) => ({ value: name, label, title: remedy, disabled: !available })),
      );
      this.showHint();
    },
    processes: (processes) => {
      fillSelect(this.process, processes.length ? processes : [{ value: "", label: "none found" }]);
      this.showRun(this.run);
    },
    run: (run) => this.showRun(run),
    clock: (clock) => {
      setText(this.clock, formatClock(clock.elapsed_s) + (clock.total_s ? ` / ${formatClock(clock.total_s)}` : ""));
      if (clock.progress === null) this.bar.removeAttribute("value");
      else this.bar.value = clock.progress;
      this.bar.classList.toggle("hak-idle", !clock.is_moving);
    },
  };

  chooseAllocator() {
    this.showHint();
    this.send({ type: "choose_allocator", allocator: this.allocator.value });
  }

  findWorkload() {
    return this.workloads.find((entry) => entry.name === this.workload.value);
  }

  showHint() {
    const workload = this.findWorkload();
    const allocator = this.allocators.find((entry) => entry.name === this.allocator.value);
    setText(this.hint, [workload?.help, allocator?.note].filter(Boolean).join(" "));
  }

  showParameters() {
    const workload = this.findWorkload();
    if (!workload) return;
    // A trace says by itself how many threads there are, and nothing in it is random; a program says all by itself.
    this.traceField.hidden = !workload.needs_trace;
    this.commandField.hidden = !workload.needs_command;
    this.secondsField.hidden = workload.needs_command;
    this.threadsField.hidden = this.seedField.hidden = workload.needs_trace || workload.needs_command;
    if (this.shown !== workload.name) {
      this.shown = workload.name;
      this.threads.value = String(workload.threads);
      this.parameters.clear();
      this.parameterBox.replaceChildren(
        ...workload.parameters.map((parameter) => {
          const { name, minimum, maximum, help } = parameter;
          const limits = { min: String(minimum), max: String(maximum), value: String(parameter.default), step: "any" };
          const input = make("input", { type: "number", class: "hak-short", ...limits });
          this.parameters.set(name, input);
          const unit = parameter.unit ? `, ${parameter.unit}` : "";
          return makeField(parameter.unit === name ? name : name + unit, input, `${help} ${minimum} to ${maximum}${unit}.`);
        }),
      );
    }
    this.showHint();
  }

  /** @param {ShownRun | null} spec Shown once a run, so that what is typed for the next one stays. */
  showSpec(spec) {
    if (!spec || spec.number === this.shownNumber) return;
    this.shownNumber = spec.number;
    this.workload.value = spec.workload;
    this.showParameters();
    for (const name of FIELDS) if (spec[name] || !["trace", "command"].includes(name)) this[name].value = spec[name];
    for (const [name, value] of Object.entries(spec.parameters)) {
      const input = this.parameters.get(name);
      if (input) input.value = value;
    }
  }

  /** @returns {RunForm} */
  readSpec() {
    const asked = FIELDS.filter((name) => !this[name].closest("label")?.hidden);
    const fields = Object.fromEntries(asked.map((name) => [name, this[name].value]));
    const parameters = Object.fromEntries([...this.parameters].map(([name, input]) => [name, input.value]));
    return { workload: this.workload.value, ...fields, parameters };
  }

  /** @param {Run} run */
  showRun(run) {
    this.run = run;
    this.showSpec(run.spec);
    const isOurs = ["starting", "running", "paused"].includes(run.state);
    const isAttached = run.state === "attached";
    this.pause.disabled = !isOurs || run.state === "starting";
    setText(this.pause, run.state === "paused" ? "Resume" : "Pause");
    this.stop.disabled = !isOurs;
    this.pin.disabled = !run.can_pin && !run.is_pinned;
    setText(this.pin, run.is_pinned ? "Unpin" : "Pin");
    const form = [this.workload, ...FIELDS.map((name) => this[name]), ...this.parameters.values()];
    for (const input of [...form, this.start, this.process]) input.disabled = isOurs || isAttached;
    this.attach.hidden = isAttached;
    this.attach.disabled = isOurs || !this.process.value;
    this.detach.hidden = !isAttached;
    if (!isAttached) this.question.hidden = true;
  }
}
