// What runs, and what is asked to run.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { useFreshPages } from "./page.js";
import { whole } from "./pond.js";

const page = useFreshPages();
const field = (name) => page().named(name);

beforeEach(() => {
  page().tell(whole);
  page().take();
});

test("the form begins with the workload that the kernel tells, and asks for it as typed", () => {
  assert.equal(field("Workload").value, "phases");
  assert.equal(field("Trace").closest("label").hidden, true);
  page().enter(field("Seed"), "18446744073709551615");
  page().enter(field("burst, blocks"), "7");
  page().button("Start").click();
  const spec = {
    ...{ workload: "phases", allocator: "pond", threads: "1", seed: "18446744073709551615" },
    ...{ seconds: "0", parameters: { burst: "7" } },
  };
  assert.deepEqual(page().take(), [{ type: "start", spec }]);
});

test("each workload has its own parameters, and a replay has a trace", () => {
  page().enter(field("Workload"), "larson", "change");
  assert.equal(field("Threads").value, "4");
  assert.equal(page().root.querySelector('[aria-label="burst, blocks"]'), null);
  page().enter(field("Workload"), "replay", "change");
  assert.deepEqual([field("Trace").closest("label").hidden, field("Seed").closest("label").hidden], [false, true]);
  page().enter(field("Allocator"), "puddle", "change");
  assert.equal(page().find(".hak-bar .hak-hint").textContent, "A trace. puddle has no tunables.");
});

test("a program is a command or a work of a plan, and has none of the other fields", () => {
  const hidden = () => ["Command", "Threads", "Seed", "Seconds", "Trace"].map((name) => field(name).closest("label").hidden);
  assert.deepEqual(hidden(), [true, false, false, false, true]);
  page().enter(field("Workload"), "command", "change");
  assert.deepEqual(hidden(), [false, true, true, true, true]);
  const offered = [...page().root.querySelectorAll(`#${field("Command").getAttribute("list")} option`)];
  assert.deepEqual(offered.map(({ value }) => value), ["examples/mill.toml"]);
  page().enter(field("Command"), "mill 'two wheels'");
  page().button("Start").click();
  const spec = { workload: "command", allocator: "pond", command: "mill 'two wheels'", parameters: {} };
  assert.deepEqual(page().take(), [{ type: "start", spec }]);
  page().tell({ run: { ...whole.run, state: "starting" } });
  assert.deepEqual(["Start", "Pause", "Stop"].map((name) => page().button(name).disabled), [true, true, false]);
  assert.equal(field("Command").disabled, true);
});

test("a run is shown in the form once, so that what is typed for the next one stays", () => {
  const spec = {
    ...{ number: 1, workload: "phases", trace: "", command: "", allocator: "puddle", threads: "3", seed: "9", seconds: "2.5" },
    parameters: { burst: "8" },
  };
  const run = { ...whole.run, state: "ended", spec };
  page().tell({ run });
  assert.deepEqual(["Allocator", "Threads", "Seed", "Seconds", "burst, blocks"].map((name) => field(name).value), ["puddle", "3", "9", "2.5", "8"]);
  page().enter(field("Seed"), "10");
  page().tell({ run: { ...run, can_pin: true } });
  assert.equal(field("Seed").value, "10");
  page().tell({ run: { ...run, spec: { ...spec, number: 2 } } });
  assert.equal(field("Seed").value, "9");
});

test("what can be done follows from what runs", () => {
  const enabled = () => ["Start", "Pause", "Stop", "Pin"].filter((name) => !page().button(name).disabled);
  assert.deepEqual(enabled(), ["Start"]);
  page().tell({ run: { ...whole.run, state: "running", can_pin: true } });
  assert.deepEqual(enabled(), ["Pause", "Stop", "Pin"]);
  assert.equal(field("Workload").disabled, true);
  page().button("Pause").click();
  page().button("Pin").click();
  page().tell({ run: { ...whole.run, state: "paused", can_pin: true, is_pinned: true } });
  page().button("Resume").click();
  page().button("Unpin").click();
  page().button("Stop").click();
  assert.deepEqual(page().take().map(({ type }) => type), ["pause", "pin", "resume", "unpin", "stop"]);
});

test("a process is attached to, and let go of with or without its values", () => {
  assert.equal(page().button("Attach").disabled, true);
  page().tell({ processes: [{ value: "/shm/7.hakmem", label: "7 redis", title: "redis" }] });
  page().button("Attach").click();
  page().tell({ run: { ...whole.run, state: "attached" } });
  assert.equal(page().button("Attach").hidden, true);
  page().button("Detach").click();
  page().button("Keep values").click();
  assert.deepEqual(page().take(), [
    { type: "attach", path: "/shm/7.hakmem" },
    { type: "detach", restore: false },
  ]);
});

test("the clock and the progress are shown", () => {
  page().tell({ clock: { elapsed_s: 61.4, total_s: 3600, progress: 0.25, is_moving: true } });
  assert.equal(page().find(".hak-clock").textContent, "01:01 / 1:00:00");
  assert.equal(page().find(".hak-bar progress").value, 0.25);
  page().tell({ clock: { elapsed_s: 62, total_s: 0, progress: null, is_moving: true } });
  assert.equal(page().find(".hak-bar progress").hasAttribute("value"), false);
});
