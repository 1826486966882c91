// A study: begun, watched, gone on with.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { useFreshPages } from "./page.js";
import { tuning, whole } from "./pond.js";

const page = useFreshPages();
const running = {
  ...tuning,
  ...{ state: "running", text: "trial 2", path: "studies/a.toml", objectives: ["peak_memory", "throughput"] },
  ...{ done: 3, left: 1, left_s: 75, best: "trial 2: × 0.800", has_best: true, lines: ["a line"] },
  points: [[0, "better", 0.9, 0.9], [1, "pruned", 1.3, 0.9], [2, "better", 0.8, 0.8]],
  rows: [
    { number: 2, outcome: "better", ratios: [0.8, 1.1], settings: "pond.depth 7 m" },
    { number: 1, outcome: "failed", ratios: [], settings: "it froze" },
  ],
};

beforeEach(() => {
  page().tell(whole);
  page().take();
});

test("a study is begun on the workload of the form", () => {
  page().enter(page().named("Trials"), "7");
  page().button("Tune").click();
  const [{ type, spec, ...rest }] = page().take();
  assert.deepEqual([type, spec.workload], ["tune", "phases"]);
  assert.deepEqual(rest, { objective: "throughput", group: "Water", trials: "7", seconds: "0.5" });
});

test("its latest trials stand in a table, with a ratio for each objective", () => {
  page().tell({ tuning: running });
  const rows = [...page().find(".hak-tuner-table").rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  assert.deepEqual(rows, [
    ["trial", "outcome", "peak memory ×", "throughput ×", "settings that are not the default"],
    ["2", "better", "0.800", "1.100", "pond.depth 7 m"],
    ["1", "failed", "", "", "it froze"],
  ]);
  assert.equal(page().find(".hak-tuner-text").textContent, "trial 2, about 01:15 left");
  assert.equal(page().find(".hak-tuner-best").textContent, "Best so far: trial 2: × 0.800");
  assert.equal(page().find(".hak-tuner progress").value, 0.75);
});

test("every trial is a dot, and the line goes by the best so far", () => {
  page().tell({ tuning: running });
  const [first, second, third] = page().root.querySelectorAll(".hak-tuner-chart circle");
  const place = (dot) => ` H ${dot.getAttribute("cx")} V ${dot.getAttribute("cy")}`;
  const aside = ` H ${second.getAttribute("cx")} V ${first.getAttribute("cy")}`;
  const line = page().find(".hak-tuner-line").getAttribute("d");
  assert.ok(line.includes(place(first) + aside + place(third)));
});

test("what can be done follows from how the study stands", () => {
  const names = ["Tune", "Stop tuning", "Try these values", "Apply best"];
  const enabled = () => names.filter((name) => !page().button(name).disabled);
  assert.deepEqual(enabled(), ["Tune"]);
  page().tell({ tuning: running });
  assert.deepEqual(enabled(), ["Stop tuning", "Try these values", "Apply best"]);
  page().button("Stop tuning").click();
  page().button("Try these values").click();
  page().button("Apply best").click();
  page().tell({ tuning: { ...running, state: "stopped" } });
  page().button("Go on").click();
  assert.deepEqual(page().take(), [
    { type: "stop_tuning" },
    { type: "try_values" },
    { type: "apply_best" },
    { type: "resume_tuning", path: "studies/a.toml" },
  ]);
});
