// Which code holds the memory: the switch of sampling, the icicle chart, what grew since a pin.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { useFreshPages } from "./page.js";
import { whole } from "./pond.js";

const page = useFreshPages();
const icicle = {
  ...{ ids: ["0", "1", "2"], labels: ["all", "main", "read"], parents: ["", "0", "1"], bytes: [100, 100, 60] },
  ...{ texts: ["100 bytes", "100 bytes", "60 bytes"], places: ["", "main.c:3", "libc.so.6"], depth: 3 },
};
const heap = { note: "process 7: 100 bytes ± 3 bytes in use", icicle, growth: "since the pin: 20 bytes more", rows: [["bytes", "by"], ["20 bytes", "read < main"]] };
const nothing = { note: "process 7 has no samples yet", icicle: null, growth: "", rows: [] };

beforeEach(async () => {
  await page().load();
  page().tell(whole);
  page().take();
});

test("an allocator that takes no samples has no such chart", () => {
  page().tell({ sampling: { is_on: false, values: {} }, heap: nothing });
  assert.equal(page().named("Who holds it").hidden, true);
});

test("a button switches sampling, and says with which tunable", () => {
  page().tell({ sampling: { is_on: false, values: { "pond.area": 512 } }, heap: nothing });
  const card = page().named("Who holds it");
  assert.equal(card.hidden, false);
  assert.match(card.textContent, /no samples yet/);
  const button = page().button("Take samples");
  assert.match(button.title, /pond\.area=512/);
  button.click();
  assert.deepEqual(page().take(), [{ type: "set", name: "pond.area", value: 512 }]);
  page().tell({ sampling: { is_on: true, values: { "pond.area": 64 } } });
  page().button("Take no more samples").click();
  assert.deepEqual(page().take(), [{ type: "set", name: "pond.area", value: 64 }]);
});

test("stacks are an icicle chart, and what grew is a table", () => {
  page().tell({ sampling: { is_on: true, values: { "pond.area": 64 } }, heap });
  const [trace] = page().plotly.traces.get("Who holds it");
  assert.equal(trace.type, "icicle");
  assert.deepEqual(trace.parents, icicle.parents);
  assert.deepEqual(trace.values, icicle.bytes);
  const card = page().named("Who holds it");
  assert.match(card.textContent, /since the pin: 20 bytes more/);
  const rows = [...card.querySelector("table").rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  assert.deepEqual(rows, heap.rows);
  // The process has ended: what was drawn stays, and there is nothing to switch.
  page().tell({ sampling: { is_on: false, values: {} } });
  assert.equal(card.hidden, false);
});
