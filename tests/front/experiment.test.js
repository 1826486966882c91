// A live experiment: two settings are entered, its blocks are drawn, its verdict is told.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { useFreshPages } from "./page.js";
import { experiment, whole } from "./pond.js";

const page = useFreshPages();
const figure = {
  ...{ name: "catch", unit: "fish/s", verdict: "B / A 1.050 (1.040 to 1.060), better" },
  points: [["A", 10, 100], ["B", 30, 105], ["B", 50, 106], ["A", 70, 101]],
};

beforeEach(() => {
  page().tell(whole);
  page().take();
});

test("an experiment is begun with the values that were entered", () => {
  page().enter(page().named("Try another value of"), "pond.depth", "change");
  page().enter(page().named("Try another value of"), "pond.area", "change");
  assert.equal(page().named("pond.depth, A").placeholder, "4");
  page().enter(page().named("pond.depth, B"), "7 m");
  page().enter(page().named("pond.depth, A"), "5");
  page().named("pond.area: leave out").click();
  page().enter(page().named("Judged by"), "fish.count");
  page().button("Start experiment").click();
  assert.deepEqual(page().take(), [
    {
      ...{ type: "experiment", a: { "pond.depth": "5" }, b: { "pond.depth": "7 m" }, probes: ["fish.count"] },
      ...{ blocks: "40", block_s: "20", wash_out_s: "2", period_s: "1", looks: "1", guards: [], pilot_s: "0" },
    },
  ]);
});

test("guards and looks are sent, and a pilot is asked for with its length", () => {
  page().enter(page().named("Guards"), "errors<5, fish.count > 1,");
  page().enter(page().named("Looks"), "3");
  page().enter(page().named("Pilot, s"), "90");
  page().button("Pilot").click();
  const [{ guards, looks, pilot_s }] = page().take();
  assert.deepEqual([guards, looks, pilot_s], [["errors<5", "fish.count > 1"], "3", "90"]);
});

test("a refusal stands at its field, and the throughput of a workload is suggested", () => {
  page().tell({ experiment: { ...experiment, suggested: "fish.caught", refused: "blocks: give at least 16", wrong: "blocks" } });
  assert.equal(page().named("Judged by").value, "fish.caught");
  assert.equal(page().named("Blocks").ariaInvalid, "true");
  assert.match(page().named("Blocks").parentElement.textContent, /blocks: give at least 16$/);
  page().enter(page().named("Judged by"), "fish.count");
  page().tell({ experiment: { ...experiment, suggested: "fish.caught" } });
  assert.equal(page().named("Judged by").value, "fish.count");
  assert.equal(page().find(".hak-experiment-refused").hidden, true);
  assert.equal(page().named("Blocks").ariaInvalid, "false");
});

test("its blocks are points of two colours, with their medians", () => {
  page().tell({ experiment: { ...experiment, state: "running", text: "block 5 of 40 (A)", left_s: 75, figures: [figure] } });
  const drawn = page().find(".hak-experiment-found");
  assert.deepEqual([drawn.querySelectorAll("circle.hak-arm-A").length, drawn.querySelectorAll("circle.hak-arm-B").length], [2, 2]);
  assert.equal(drawn.querySelectorAll(".hak-experiment-median").length, 2);
  assert.match(page().find(".hak-experiment").textContent, /block 5 of 40 \(A\), 01:15 left/);
  assert.equal(page().button("Start experiment").disabled, true);
  page().button("Stop experiment").click();
  assert.deepEqual(page().take(), [{ type: "stop_experiment" }]);
});

test("its verdict and what it left behind are told in words", () => {
  page().tell({ experiment: { ...experiment, state: "ended", path: "experiments/a", figures: [figure], lines: ["A is restored"] } });
  assert.equal(page().find(".hak-experiment .hak-hint").textContent, "catch: B / A 1.050 (1.040 to 1.060), better");
  const lines = [...page().find(".hak-experiment-lines").children].map((line) => line.textContent);
  assert.deepEqual(lines, ["A is restored", "kept in experiments/a"]);
});

test("nothing that runs is nothing to try", () => {
  page().tell({ experiment: { ...experiment, probes: [] } });
  assert.equal(page().button("Start experiment").disabled, true);
});
