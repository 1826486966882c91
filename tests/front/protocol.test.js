// Messages of a view: it says hello, notices what it missed, and answers every frame.

import assert from "node:assert/strict";
import { test } from "node:test";

import { pack, pass, useFreshPages } from "./page.js";
import { whole } from "./pond.js";

const page = useFreshPages();

test("a view says hello, asks for the charts' script, and says by whom", () => {
  const [hello, plotly] = page().sent;
  assert.equal(hello.type, "hello");
  assert.equal(plotly.type, "ask_plotly");
  assert.ok(hello.view);
  assert.equal(plotly.view, hello.view);
});

test("the whole state is shown", () => {
  page().tell(whole);
  assert.equal(page().find(".hak-status").textContent, "ready");
  assert.deepEqual([...page().root.querySelectorAll(".hak-name")].length, 4);
  assert.equal(page().find(".hak-lines").childElementCount, 1);
  assert.equal(page().root.dataset.state, "idle");
});

test("a state that was lost is noticed by its number, and all is asked for once", () => {
  page().tell(whole);
  page().take();
  page().tell({ message: "first" });
  assert.deepEqual(page().take(), []);
  page().number += 1; // it is lost
  page().tell({ message: "third" });
  page().tell({ message: "fourth" });
  assert.deepEqual(page().take(), [{ type: "hello" }]);
  page().tell({ ...whole, message: "all" });
  page().tell({ message: "next" });
  assert.deepEqual(page().take(), []);
  assert.equal(page().find(".hak-message").textContent, "next");
});

test("a kernel that does not answer is asked again, and that is said", async () => {
  page().take();
  await pass(2000);
  await pass(4000);
  assert.deepEqual(page().take("hello"), [{ type: "hello" }, { type: "hello" }]);
  assert.match(page().find(".hak-status").textContent, /connecting/);
  await pass(8000);
  assert.match(page().find(".hak-status").textContent, /no answer from the kernel yet/);
  page().tell(whole);
  await page().load();
  page().take();
  await pass(60_000);
  assert.deepEqual(page().take("hello", "ask_plotly"), []);
});

test("whoever was forgotten says hello and what it shows", async () => {
  page().tell(whole);
  await page().load();
  await page().show("Catch");
  page().take();
  page().deliver({ type: "who" });
  assert.deepEqual(page().take(), [
    { type: "hello" },
    { type: "report", visible: ["Catch"], width: 300, span: 120, zooms: [] },
  ]);
});

test("a frame is answered when it is drawn, and of those that come meanwhile the newest only", async () => {
  page().tell(whole);
  await page().load();
  await page().show("Catch");
  page().take();
  for (const number of [1, 2, 3]) {
    const charts = [{ title: "Catch", keys: ["caught"], rows: 2, offset: 0 }];
    page().deliver({ type: "frame", number, now: 1, charts }, pack([0, 1, number, number]));
  }
  await pass(16);
  await pass(16);
  assert.deepEqual(page().take(), [
    { type: "ack", frame: 1 },
    { type: "ack", frame: 3 },
  ]);
  assert.equal(page().root.dataset.frames, "2");
  assert.deepEqual([...page().plotly.traces.get("Catch")[0].y], [3, 3]);
});

test("a hidden page answers at once and draws nothing", async (context) => {
  page().tell(whole);
  await page().load();
  await page().show("Catch");
  page().take();
  context.mock.getter(document, "hidden", () => true);
  const charts = [{ title: "Catch", keys: ["caught"], rows: 1, offset: 0 }];
  page().deliver({ type: "frame", number: 7, now: 1, charts }, pack([0, 1]));
  assert.deepEqual(page().take(), [{ type: "ack", frame: 7 }]);
  assert.deepEqual(page().plotly.drawn, []);
});

test("a view that is closed says goodbye and nothing more", async () => {
  page().tell(whole);
  page().take();
  page().close();
  page().deliver({ type: "who" });
  await pass(60_000);
  assert.deepEqual(page().take(), [{ type: "bye" }]);
});

test("a panel that was closed asks nothing any more", async () => {
  page().tell(whole);
  page().deliver({ type: "state", number: 0, closed: true, status: { text: "closed", state: "idle" } });
  page().take();
  await pass(60_000);
  assert.deepEqual(page().take(), []);
  assert.ok(page().root.classList.contains("hak-closed"));
});
