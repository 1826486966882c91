// Presets, undo, export and recording: nothing of them is known here that the kernel does not tell.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { pass, useFreshPages } from "./page.js";
import { whole } from "./pond.js";

const page = useFreshPages();

beforeEach(() => {
  page().tell(whole);
  page().take();
});

const submit = (form) => form.dispatchEvent(new document.defaultView.Event("submit", { cancelable: true }));

test("a preset is chosen, and one that is saved is deleted when the question is answered", () => {
  const deletion = page().named("Delete preset");
  const question = page().find(".hak-question[aria-label='Delete preset']");
  assert.equal(deletion.hidden, true);
  page().enter(page().named("Preset"), "mine", "change");
  page().tell({ presets: { ...whole.presets, current: "mine" } });
  assert.equal(deletion.hidden, false);
  deletion.click();
  assert.equal(question.hidden, false);
  assert.match(question.textContent, /“mine”/);
  question.querySelector("button").click();
  assert.equal(question.hidden, true);
  assert.deepEqual(page().take(), [
    { type: "choose_preset", name: "mine" },
    { type: "delete_preset", name: "mine" },
  ]);
});

test("an action is a button with its help, which tells what came of it and needs a process", () => {
  const button = () => page().named("Actions").querySelector("button");
  assert.equal(button().title, "Lets the water out.");
  button().focus();
  button().click();
  assert.deepEqual(page().take(), [{ type: "act", name: "drain" }]);
  const [{ action }] = whole.actions ?? [];
  page().tell({ actions: [{ action, can_act: true, note: "00:12.0: 9 MiB → 2 MiB resident" }] });
  assert.match(page().named("Actions").textContent, /drain.*00:12\.0: 9 MiB → 2 MiB resident/);
  assert.equal(document.activeElement, button());
  page().tell({ actions: [{ action, can_act: false, note: "" }] });
  assert.equal(button().disabled, true);
});

test("the question goes away when another preset holds", () => {
  page().tell({ presets: { ...whole.presets, current: "mine" } });
  page().named("Delete preset").click();
  page().tell({ presets: { ...whole.presets, current: "" } });
  assert.equal(page().find(".hak-question[aria-label='Delete preset']").hidden, true);
  assert.equal(page().named("Preset").value, "");
});

test("the values are saved under a name", () => {
  page().button("Save preset").click();
  page().enter(page().named("Preset name"), "deep");
  submit(page().find("form[aria-label='Save preset']"));
  assert.deepEqual(page().take(), [{ type: "save_preset", name: "deep" }]);
});

test("formats of export and names of their files are those that the kernel tells", () => {
  const format = page().named("Format");
  const file = page().named("File");
  const form = page().find("form[aria-label='Export']");
  assert.deepEqual([...format.options].map((option) => option.textContent), ["a leaf", "a stone"]);
  assert.equal(file.value, "pond.leaf");
  page().button("Export").click();
  assert.equal(form.hidden, false);
  page().enter(format, "stone", "change");
  assert.equal(file.value, "pond.stone");
  // Another allocator was chosen: its name stands in the suggestion.
  const formats = [["leaf", "a leaf"], ["stone", "a stone"]].map(([name, label]) => ({ name, label, file_name: `sea.${name}` }));
  page().tell({ formats });
  assert.equal(file.value, "sea.stone");
  page().enter(file, "mine.stone", "input");
  page().enter(format, "leaf", "change");
  assert.equal(file.value, "mine.stone");
  submit(form);
  assert.equal(form.hidden, true);
  assert.deepEqual(page().take(), [{ type: "export", format: "leaf", path: "mine.stone" }]);
});

test("undo and redo say what they would do", () => {
  const [undo, redo] = [page().button("Undo"), page().button("Redo")];
  assert.deepEqual([undo.disabled, redo.disabled], [true, true]);
  page().tell({ history: { undo: "pond.depth 4 → 7 m", redo: "" } });
  assert.deepEqual([undo.disabled, undo.title], [false, "Take back: pond.depth 4 → 7 m"]);
  undo.click();
  page().button("Reset").click();
  assert.deepEqual(page().take(), [{ type: "undo" }, { type: "reset_all" }]);
});

test("an error shows until it is dismissed", () => {
  page().tell({ error: "no such pond" });
  const error = page().find(".hak-error");
  assert.deepEqual([error.hidden, error.querySelector("span").textContent], [false, "no such pond"]);
  page().named("Dismiss").click();
  assert.deepEqual(page().take(), [{ type: "dismiss" }]);
  page().tell({ error: "" });
  assert.equal(error.hidden, true);
});

test("the switch of recording shows what was chosen until that is answered, or for a while", async () => {
  const { recording } = whole;
  const record = page().named("Record");
  record.click();
  assert.deepEqual(page().take(), [{ type: "record", on: false }]);
  page().tell({ recording: { ...recording, size: "10 KiB" } });
  assert.equal(record.checked, false);
  page().tell({ recording: { ...recording, switches: 1, is_on: false } });
  page().tell({ recording: { ...recording, switches: 1, is_on: true } });
  assert.equal(record.checked, true);
  record.click(); // this one is lost
  page().tell({ recording: { ...recording, switches: 1 } });
  assert.equal(record.checked, false);
  await pass(5001);
  page().tell({ recording: { ...recording, switches: 1, size: "20 KiB" } });
  assert.equal(record.checked, true);
});

test("a notebook can be saved once something was recorded", () => {
  const save = page().button("Save as notebook");
  assert.equal(save.disabled, true);
  const name = "today.session";
  page().tell({ recording: { ...whole.recording, can_save: true, name, size: "1 MiB" } });
  assert.equal(page().find(".hak-record-text").textContent, "1 MiB · today");
  save.click();
  assert.deepEqual(page().take(), [{ type: "save_notebook" }]);
  page().tell({ recording: { ...whole.recording, name, problem: "No space left" } });
  assert.equal(page().find(".hak-record-text").textContent, "ended early");
});
