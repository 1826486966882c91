// The whole state of a panel, small and made up: an allocator called pond, with a tunable of every kind.

/** @import { Chart, Control, ShownExperiment, State, Tunable, Tuning } from "messages" */

/** @type {Omit<Tunable, "name" | "type" | "default">} */
const plain = {
  ...{ group: "", unit: "", help: "Some help.", choices: [], scale: "linear", effect: "live", minimum: 0, maximum: 1 },
  ...{ environment: "", is_write_only: false },
};

/** @type {Tunable} */
export const depth = { ...plain, name: "pond.depth", type: "int", unit: "m", default: 4, minimum: 1, maximum: 40 };
/** @type {Tunable} */
export const area = { ...plain, name: "pond.area", type: "int", default: 64, minimum: 0, maximum: 4096 };
/** @type {Tunable} */
export const frozen = { ...plain, name: "pond.frozen", type: "bool", default: false };
/** @type {Tunable} */
export const colour = { ...plain, name: "fish.colour", type: "choice", default: "blue", choices: ["blue", "brown"] };

/** @param {Tunable} tunable @param {Control["stops"]} stops @returns {Control} */
const control = (tunable, stops = null) => ({
  ...{ tunable, effect_text: "at once", default_text: "its default", range_text: "its range", step: 1, stops },
});

/** @param {State["values"]} changes */
export function values(changes = {}) {
  const state = { note: "", is_pending: false, is_default: true, problem: "", answers: 0 };
  return {
    ...Object.fromEntries([depth, area, frozen, colour].map((one) => [one.name, { ...state, requested: one.default }])),
    ...changes,
  };
}

/** @type {Tuning} */
export const tuning = {
  ...{ state: "idle", text: "", path: "", objectives: [], done: 0, left: 0, left_s: 0 },
  ...{ points: [], rows: [], best: "", lines: [], has_best: false, groups: ["Water"], goals: ["throughput", "both"] },
};

/** @type {ShownExperiment} */
export const experiment = {
  ...{ state: "idle", text: "", path: "", progress: 0, left_s: 0, figures: [], lines: [], probes: ["fish.count"] },
  ...{ suggested: "", refused: "", wrong: "" },
};

/** @param {string} title @param {...string} keys @returns {Chart} */
export function chart(title, ...keys) {
  const traces = keys.map((key) => ({ key, label: key, unit: "fish", axis: 1, is_step: true, color: "red", divisor: 1, help: "" }));
  return { title, unit: "fish", unit_right: "", traces, is_stacked: false };
}

/** @type {Omit<State, "type" | "number">} */
export const whole = {
  log_restart: true,
  log: [{ number: 1, time: "00:00.0", text: "began", kind: "note" }],
  workloads: [
    { name: "larson", help: "A server.", threads: 4, needs_trace: false, needs_command: false, is_first_choice: false, parameters: [] },
    {
      ...{ name: "phases", help: "Bursts.", threads: 1, needs_trace: false, needs_command: false, is_first_choice: true },
      parameters: [{ name: "burst", unit: "blocks", minimum: 1, maximum: 9, default: 5, help: "Size of a burst." }],
    },
    { name: "replay", help: "A trace.", threads: 1, needs_trace: true, needs_command: false, is_first_choice: false, parameters: [] },
    { name: "command", help: "A program.", threads: 1, needs_trace: false, needs_command: true, is_first_choice: false, parameters: [] },
  ],
  allocators: [
    { name: "pond", label: "pond 1.0", available: true, remedy: "", note: "" },
    { name: "puddle", label: "puddle", available: true, remedy: "", note: "puddle has no tunables." },
  ],
  formats: [
    { name: "leaf", label: "a leaf", file_name: "pond.leaf" },
    { name: "stone", label: "a stone", file_name: "pond.stone" },
  ],
  controls: [
    { title: "Water", controls: [control(depth), control(area, [0, 1, 64, 4096]), control(frozen)] },
    { title: "Fish", controls: [control(colour)] },
  ],
  charts: [chart("Catch", "caught"), chart("Stock", "young", "old")],
  processes: [],
  traces: [{ value: "gcc", label: "a compiler", title: "" }],
  programs: [{ value: "examples/mill.toml", label: "mill --wheels 2", title: "" }],
  actions: [{ action: { name: "drain", group: "Water", help: "Lets the water out." }, can_act: true, note: "" }],
  values: values(),
  presets: {
    names: [
      { name: "default", help: "Every tunable at its default.", is_saved: false, values: {} },
      { name: "mine", help: "", is_saved: true, values: {} },
    ],
    current: "default",
  },
  history: { undo: "", redo: "" },
  run: { state: "idle", is_pinned: false, can_pin: false, spec: null },
  recording: {
    ...{ is_on: true, switches: 0, is_possible: true, is_recording: false },
    ...{ name: "", path: "sessions", size: "", problem: "", can_save: false },
  },
  tuning,
  experiment,
  clock: { elapsed_s: 0, total_s: 0, progress: 0, is_moving: false },
  status: { text: "ready", state: "idle" },
  error: "",
  gaps: {},
  probes: [],
  markers: [],
  message: "",
};
