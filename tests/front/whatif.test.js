// What thread caches of other capacities would do: curves, today's points, advice.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { useFreshPages } from "./page.js";
import { whole } from "./pond.js";

const page = useFreshPages();
const chart = {
  note: "what was foretold was off by 7 %",
  curves: [
    { label: "64 bytes", color: "#123456", points: [[1, 1000, 16], [10, 10, 128], [20, 0, 256]], today: [4, 200, 64] },
    { label: "1 KiB", color: "#654321", points: [[8, 50, 16]], today: [8, 50, 16] },
  ],
  rows: [["class", "advice"], ["64 bytes", "grow to 128"], ["1 KiB", "keep"]],
};

beforeEach(() => {
  page().tell(whole);
  page().take();
});

test("nothing is shown while ghosts do not count", () => {
  const card = page().find("section.hak-whatif");
  assert.equal(card.hidden, true);
  page().tell({ whatif: chart });
  assert.equal(card.hidden, false);
  page().tell({ whatif: { note: "", curves: [], rows: [] } });
  assert.equal(card.hidden, true);
});

test("a class is a curve with a point for today, and a row of advice", () => {
  page().tell({ whatif: chart });
  const card = page().find("section.hak-whatif");
  assert.equal(card.querySelectorAll("svg path").length, 2);
  const dots = [...card.querySelectorAll("svg circle")];
  const [today] = dots.filter((dot) => dot.querySelector("title").textContent.includes("(today)"));
  assert.match(today.textContent, /64 bytes, 64 slots \(today\): 200 exchanges\/s, 4\.00 KiB/);
  // More memory stands at the right, fewer exchanges below; none at all at the lower end.
  const place = (name) => dots.slice(0, 3).map((dot) => Number(dot.getAttribute(name)));
  const [x, y] = [place("cx"), place("cy")];
  assert.ok(x[0] < x[1] && x[1] < x[2]);
  assert.ok(y[0] < y[1] && y[1] < y[2]);
  const rows = [...card.querySelector("table").rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  assert.deepEqual(rows, chart.rows);
  assert.match(card.textContent, /off by 7 %/);
});
