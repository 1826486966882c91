"""What the workloads are for: under default settings each makes its capacities move, and is seen to.

The allocator's clock counts operations (clock.mode), so that what takes seconds on a chart takes a
moment here and is the same every time; parameters and thresholds are the defaults.
"""

from __future__ import annotations

from collections import defaultdict

from workbench.control import Event, Value
from workbench.processes import Run, Worker

CAP_S = 300.0
BY_OPERATIONS: dict[str, Value] = {"clock.mode": "operations"}


def run_and_watch(spec: Run, *kinds: str) -> list[Event]:
    """Run it to the end; the events of some kinds."""
    with Worker.start(spec) as worker:
        block = worker.allocator_block
        assert block is not None
        events: list[Event] = []
        cursor = 0
        outcome = None
        while outcome is None:
            outcome = worker.await_end(0.01)
            batch = block.events(cursor)
            assert batch.lost == 0
            cursor = batch.cursor
            events += batch.select(*kinds)
    assert (outcome.status, outcome.message) == ("completed", "")
    return events


def read_steps(events: list[Event]) -> list[tuple[float, float]]:
    return [(event.old_value, event.new_value) for event in events]


def test_phases_grows_the_hot_class_and_shrinks_the_cold() -> None:
    # Eight phases of 3 million operations, so that each size is hot once, and half a phase more.
    spec = Run("phases", operations=25_500_000, tunables=BY_OPERATIONS)
    events = run_and_watch(spec, "TLS_GROW", "TLS_SHRINK")
    capacities: dict[str, list[float]] = defaultdict(list)
    for event in events:
        capacities[event.item].append(event.new_value)
    for size in ("8 B", "16 B", "32 B", "64 B", "128 B", "256 B", "512 B", "1024 B"):
        assert max(capacities[size]) >= 512, size
        assert min(capacities[size]) <= 32, size


def test_site_churn_doubles_the_buckets_twice() -> None:
    spec = Run("site_churn", {"phase_ms": 3.0}, operations=12_000, tunables=BY_OPERATIONS)
    assert read_steps(run_and_watch(spec, "BIG_RESIZE")) == [(256, 512), (512, 1024)]


def test_mid_churn_doubles_the_shards() -> None:
    # The clock is each thread's own count of allocations: eight threads need eight times as many. The
    # window is the shortest, so that 250,000 a thread will do.
    tunables: dict[str, Value] = {**BY_OPERATIONS, "l25.window_ms": 100}
    spec = Run("mid_churn", operations=4_000_000, tunables=tunables)
    assert read_steps(run_and_watch(spec, "L25_EXPAND"))[:2] == [(64, 128), (128, 256)]


def test_a_single_thread_makes_the_same_events_every_time() -> None:
    spec = Run("phases", {"phase_ms": 200.0}, operations=3_000_000, tunables=BY_OPERATIONS)

    def run_once() -> list[tuple[object, ...]]:
        events = run_and_watch(spec, "TLS_GROW", "TLS_SHRINK", "TLS_KEEP", "SS_EXPAND", "SS_FREE")
        return [(event.kind, event.operation, event.item, event.new_value) for event in events]

    first = run_once()
    assert len(first) > 10
    assert run_once() == first
