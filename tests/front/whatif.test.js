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
  large: {
    ...{ title: "Big pond", points: [[4, 100, 50], [8, 0, 100]], today: [6, 40, 80], advice: "keep it" },
    rows: [["delay", ""], ["10 ms", ""], ["for ever", "today"]],
  },
};
const none = { title: "", points: [], today: [0, 0, 0], advice: "", rows: [] };

beforeEach(() => {
  page().tell(whole);
  page().take();
});

test("nothing is shown while ghosts do not count", () => {
  const card = page().find("section.hak-whatif");
  assert.equal(card.hidden, true);
  page().tell({ whatif: chart });
  assert.equal(card.hidden, false);
  page().tell({ whatif: { note: "", curves: [], rows: [], large: none } });
  assert.equal(card.hidden, true);
});

test("a class is a curve with a point for today, and a row of advice", () => {
  page().tell({ whatif: chart });
  const card = page().find("section.hak-whatif");
  const figure = card.querySelector('[aria-label="What if"]');
  assert.equal(figure.querySelectorAll("svg path").length, 2);
  const dots = [...figure.querySelectorAll("svg circle")];
  const [today] = dots.filter((dot) => dot.querySelector("title").textContent.includes("(today)"));
  assert.match(today.textContent, /64 bytes, 64 slots: 200 exchanges\/s, 4\.00 KiB \(today\)/);
  // More memory stands at the right, fewer exchanges below; none at all at the lower end.
  const place = (name) => dots.slice(0, 3).map((dot) => Number(dot.getAttribute(name)));
  const [x, y] = [place("cx"), place("cy")];
  assert.ok(x[0] < x[1] && x[1] < x[2]);
  assert.ok(y[0] < y[1] && y[1] < y[2]);
  const rows = [...card.querySelector("table").rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  assert.deepEqual(rows, chart.rows);
  assert.match(card.textContent, /off by 7 %/);
});

test("large blocks have a curve over sizes, a table over delays and a sentence", () => {
  page().tell({ whatif: chart });
  const figure = page().find('section.hak-whatif [aria-label="What if, large blocks"]');
  const told = [...figure.querySelectorAll("title")].map((title) => title.textContent);
  assert.deepEqual(told, [
    "Big pond, 4.00 MiB: 50.0 % hit, 100 map calls/s",
    "Big pond, 8.00 MiB: 100 % hit, 0.00 map calls/s",
    "Big pond, 6.00 MiB: 80.0 % hit, 40.0 map calls/s (today)",
  ]);
  assert.match(page().find("section.hak-whatif").textContent, /keep it/);
  assert.equal(page().find('[aria-label="Large blocks, by delay"]').rows.length, 3);
  page().tell({ whatif: { ...chart, large: none } });
  assert.equal(figure.parentElement.parentElement.hidden, true);
});
