// Controls of tunables: what is sent while a hand moves them, and what stays in them until it is answered.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { pass, useFreshPages } from "./page.js";
import { values, whole } from "./pond.js";

const page = useFreshPages();
const slider = () => page().named("pond.depth");
const entry = () => page().named("pond.depth, exact value");

beforeEach(() => {
  page().tell(whole);
  page().take();
});

const say = (changes) => page().tell({ values: values({ "pond.depth": { ...values()["pond.depth"], ...changes } }) });

test("a drag is one gesture, sent step by step, and the next drag is another", async () => {
  for (const value of ["5", "6", "7"]) page().enter(slider(), value, "input");
  assert.deepEqual(page().take(), []);
  await pass(60);
  const [first] = page().take();
  assert.deepEqual([first.type, first.name, first.value], ["set", "pond.depth", 7]);
  page().enter(slider(), "9", "input", "change");
  const [last, ...more] = page().take();
  assert.deepEqual([last.value, last.gesture, more], [9, first.gesture, []]);
  await pass(700);
  page().enter(slider(), "10", "input", "change");
  const [other] = page().take();
  assert.notEqual(other.gesture, first.gesture);
});

test("while a hand moves it a slider shows what the hand does", async () => {
  page().enter(slider(), "20", "input", "change");
  say({ requested: 12 });
  assert.equal(slider().value, "20");
  assert.equal(entry().value, "20");
  await pass(700);
  assert.equal(slider().value, "12");
  assert.equal(entry().value, "12");
});

test("a slider with stops sends the value of its stop, and shows the nearest", async () => {
  const area = page().named("pond.area");
  page().enter(area, "3", "input", "change");
  assert.equal(page().take()[0].value, 4096);
  await pass(700);
  page().tell({ values: values({ "pond.area": { ...values()["pond.area"], requested: 60 } }) });
  assert.deepEqual([area.value, page().named("pond.area, exact value").value], ["2", "60"]);
});

test("what was typed is sent as text, and stays until it is answered", () => {
  page().enter(entry(), "7 m", "input");
  say({ requested: 5 });
  assert.equal(entry().value, "7 m");
  page().press(entry(), "Enter");
  assert.deepEqual(page().take(), [{ type: "set", name: "pond.depth", value: "7 m" }]);
  say({ requested: 5, note: "a state that was on its way" });
  assert.equal(entry().value, "7 m");
  say({ requested: 7, answers: 1 });
  assert.equal(entry().value, "7");
});

test("what was refused stays with the reason until it is dropped", () => {
  page().enter(entry(), "70", "input", "change");
  say({ problem: "give 1 to 40 m", answers: 1 });
  assert.equal(entry().value, "70");
  assert.equal(entry().getAttribute("aria-invalid"), "true");
  assert.equal(page().find('[data-name="pond.depth"] .hak-problem').textContent, "give 1 to 40 m");
  say({ problem: "give 1 to 40 m", answers: 1, note: "another state" });
  assert.equal(entry().value, "70");
  page().take();
  page().press(entry(), "Escape");
  assert.equal(entry().value, "4");
  assert.deepEqual(page().take(), [{ type: "set", name: "pond.depth", value: 4 }]);
});

test("Escape without a problem sends nothing", () => {
  page().enter(entry(), "70", "input");
  page().press(entry(), "Escape");
  assert.equal(entry().value, "4");
  assert.deepEqual(page().take(), []);
});

test("a switch, a choice and Reset send what they are", () => {
  page().named("pond.frozen").click();
  page().enter(page().named("fish.colour"), "brown", "change");
  say({ requested: 7, is_default: false });
  page().named("Reset pond.depth").click();
  assert.deepEqual(page().take(), [
    { type: "set", name: "pond.frozen", value: true },
    { type: "set", name: "fish.colour", value: "brown" },
    { type: "reset", name: "pond.depth" },
  ]);
});

test("a fold tells how many of its tunables are changed, and stays open when the controls come anew", () => {
  say({ requested: 7, is_default: false });
  const [water, fish] = page().root.querySelectorAll(".hak-changed-count");
  assert.deepEqual([water.textContent, fish.textContent], ["1 changed", ""]);
  const folds = () => [...page().root.querySelectorAll(".hak-group")].map((fold) => fold.open);
  assert.deepEqual(folds(), [true, false]);
  page().root.querySelectorAll(".hak-group")[1].open = true;
  page().tell({ controls: whole.controls, values: values() });
  assert.deepEqual(folds(), [true, true]);
});

test("help is shown for the control that has the focus", () => {
  slider().dispatchEvent(new document.defaultView.Event("focusin", { bubbles: true }));
  assert.match(page().find(".hak-help").textContent, /^pond\.depth Some help\. its range, default its default/);
});
