// Charts: numbers of a message, what is drawn and what is not, what the kernel is told of it.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { pack, pass, useFreshPages } from "./page.js";
import { chart, whole } from "./pond.js";
import { readCharts } from "../../workbench/panel/front/charts.js";

const page = useFreshPages();
const PARTS = [
  { title: "Catch", keys: ["caught"], rows: 2, offset: 0 },
  { title: "Stock", keys: ["young", "old"], rows: 1, offset: 4 },
];
const NUMBERS = [0, 1, 10, 11, 0.5, 20, 30];

beforeEach(async () => {
  page().tell({ ...whole, run: { ...whole.run, state: "running" } });
  await page().load();
});

async function send(number = 1) {
  page().deliver({ type: "frame", number, now: 200, charts: PARTS }, pack(NUMBERS));
  await pass(16);
}

test("numbers are read wherever they begin in their message", () => {
  for (const offset of [0, 1, 5, 8]) {
    const charts = readCharts(PARTS, pack(NUMBERS, offset));
    assert.deepEqual([...charts.get("Catch").x], [0, 1]);
    assert.deepEqual([...charts.get("Stock").lines.get("old")], [30]);
  }
  assert.deepEqual([...readCharts(PARTS, new Float64Array(NUMBERS).buffer).get("Stock").x], [0.5]);
  assert.equal(readCharts([], undefined).size, 0);
});

test("only charts in view are drawn, and the others when they come into view again", async () => {
  await page().show("Stock");
  assert.deepEqual(page().take("report").at(-1).visible, ["Stock"]);
  await send();
  assert.deepEqual(page().plotly.drawn, ["Stock"]);
  await page().show("Catch", "Stock");
  await send(2);
  assert.deepEqual(new Set(page().plotly.drawn), new Set(["Stock", "Catch"]));
  assert.equal(page().root.dataset.charts, "3");
});

test("lines of a chart that has become another are not drawn", async () => {
  page().tell({ charts: [chart("Catch", "caught", "freed")] });
  await page().show("Catch");
  await send();
  assert.deepEqual(page().plotly.drawn, []);
  assert.deepEqual(page().take("ack"), [{ type: "ack", frame: 1 }]);
});

test("a pinned run stands pale behind, changes are marked, a line can be hidden", async () => {
  await page().show("Stock");
  await send();
  page().deliver({ type: "baseline", charts: [{ ...PARTS[1], offset: 0 }] }, pack([0.5, 21, 31]));
  page().tell({ markers: [{ time_s: 3, text: "pond.depth 4 → 7 m" }] });
  const drawn = () => page().plotly.traces.get("Stock").map(({ name }) => name);
  assert.deepEqual(drawn(), ["pinned", "pinned", "young", "old", "changes"]);
  assert.deepEqual(page().plotly.traces.get("Stock").at(-1).x, [3, 3, null]);
  const [, old] = page().named("Stock").querySelectorAll(".hak-key");
  old.click();
  assert.deepEqual(drawn(), ["pinned", "young", "old", "changes"]);
  assert.equal(page().plotly.traces.get("Stock")[2].visible, false);
  page().deliver({ type: "baseline", charts: [] });
  assert.deepEqual(drawn(), ["young", "old", "changes"]);
});

test("a zoom and the span shown are told to the kernel", async () => {
  await page().show("Catch");
  await send();
  page().named("Catch").querySelector(".hak-plot").plotly_relayout({ "xaxis.range[0]": 3, "xaxis.range[1]": 5 });
  await pass(50);
  assert.deepEqual(page().take("report").at(-1).zooms, [["Catch", 3, 5]]);
  page().enter(page().named("Time shown"), "600", "change");
  await pass(50);
  const report = page().take("report").at(-1);
  assert.deepEqual([report.span, report.zooms], [600, []]);
});

test("a run whose frames stop coming is asked for them", async () => {
  await page().show("Catch");
  await send();
  await pass(2000);
  page().take();
  await pass(2000);
  assert.deepEqual(page().take("report").length, 1);
});

test("a chart that is gone is taken away", () => {
  page().tell({ charts: [chart("Catch", "caught")] });
  assert.equal(page().root.querySelectorAll(".hak-chart").length, 1);
  page().tell({ charts: [] });
  assert.equal(page().find(".hak-empty").hidden, false);
});

const order = () => [...page().root.querySelectorAll(".hak-chart:not([hidden]) h3")].map((title) => title.textContent);
const use = (name, title) => page().named(`${name}: ${title}`).click();

test("charts are moved, hidden and enlarged, and a page that is loaded again has them so", () => {
  assert.deepEqual(order(), ["Catch", "Stock"]);
  use("Stock", "move back");
  use("Stock", "large or small");
  assert.deepEqual(order(), ["Stock", "Catch"]);
  use("Catch", "hide");
  assert.deepEqual(order(), ["Stock"]);
  page().tell({ charts: [chart("Depth", "depth"), chart("Catch", "caught"), chart("Stock", "young", "old")] });
  assert.deepEqual(order(), ["Depth", "Stock"]);
  const again = page().open();
  again.tell(whole);
  assert.deepEqual([...again.root.querySelectorAll(".hak-chart:not([hidden]) h3")].map((one) => one.textContent), ["Stock"]);
  assert.ok(again.named("Stock").classList.contains("hak-large"));
  again.close();
  page().enter(page().named("Hidden charts"), "Catch", "change");
  assert.deepEqual(order(), ["Depth", "Stock", "Catch"]);
  assert.equal(page().named("Hidden charts").hidden, true);
});

test("a probe is asked for, its gap is told, and its chart can be taken away", async () => {
  page().enter(page().named("Probe"), "queue:jobs=echo 1");
  page().press(page().named("Probe"), "Enter");
  assert.deepEqual(page().take("add_probe"), [{ type: "add_probe", probe: "queue:jobs=echo 1" }]);
  page().tell({ charts: [chart("queue", "probe.queue")], gaps: { queue: "it has not answered for 5 s" } });
  assert.equal(page().named("queue").querySelector(".hak-gap").textContent, "it has not answered for 5 s");
  await page().show("queue");
  page().deliver({ type: "frame", number: 1, now: 1, charts: [{ title: "queue", keys: ["probe.queue"], rows: 1, offset: 0 }] }, pack([1, NaN]));
  await pass(16);
  assert.ok(page().named("queue").classList.contains("hak-folded"));
  page().deliver({ type: "frame", number: 2, now: 2, charts: [{ title: "queue", keys: ["probe.queue"], rows: 1, offset: 0 }] }, pack([2, 7]));
  await pass(16);
  assert.ok(!page().named("queue").classList.contains("hak-folded"));
  use("queue", "remove the probe");
  assert.deepEqual(page().take("remove_probe"), [{ type: "remove_probe", name: "queue" }]);
});

test("a note is put at Enter, and nothing without a text", () => {
  const note = page().named("Note");
  page().press(note, "Enter");
  page().enter(note, " load doubled ");
  page().press(note, "Enter");
  assert.deepEqual(page().take("add_note"), [{ type: "add_note", text: "load doubled" }]);
  assert.equal(note.value, "");
});
