"""Changes at counts of operations: repeated exactly, checked before the run, and made live at a count."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from workbench.control import ControlBlock, EventBatch
from workbench.errors import BadParameter, ConstraintBroken, OutOfRange, StartOnly, UnknownTunable
from workbench.processes import InProcessRun, Run, Step, Worker, set_between_operations

CAP_S = 180.0
OPERATIONS = 1_500_000
CHANGES: tuple[Step, ...] = (
    Step({"tls.grow_percent": 60, "tls.adapt_refills": 4}, 300_000),
    Step({"tls.max_slots": 128}, 700_001),
    Step({"tls.max_slots": 512}, 700_001),
)


def exact_spec(schedule: tuple[Step, ...] = CHANGES, seed: int = 3) -> Run:
    return Run(
        "phases",
        threads=1,
        seed=seed,
        operations=OPERATIONS,
        tunables={"clock.mode": "operations"},
        schedule=schedule,
    )


def read_events(batch: EventBatch) -> list[tuple[object, ...]]:
    assert batch.lost == 0
    return [(e.kind, e.cause, e.item, e.operation, e.old_value, e.new_value) for e in batch]


def run_to_events(spec: Run) -> list[tuple[object, ...]]:
    with Worker.start(spec) as worker:
        outcome = worker.await_end(CAP_S)
        assert outcome is not None
        assert outcome.status == "completed", outcome
        assert worker.allocator_block is not None
        return read_events(worker.allocator_block.events(0))


def test_a_schedule_is_carried_out_event_for_event() -> None:
    first = run_to_events(exact_spec())
    assert first == run_to_events(exact_spec())
    sets = [event for event in first if event[0] == "TUNABLE_SET"]
    # Two sets at the same count are two generations, seen by the thread as one.
    assert [(event[4], event[5]) for event in sets] == [(1, 2), (2, 4)]
    assert first != run_to_events(exact_spec(schedule=()))


def await_operations(block: ControlBlock, least: int) -> None:
    deadline = time.monotonic() + CAP_S
    while block.snapshot().fold("workload.operations") < least:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_live_change_repeats_at_the_count_it_was_made_at() -> None:
    made: list[Step] = []
    spec = exact_spec(schedule=())
    with Worker.start(replace(spec, operations=40_000_000)) as worker:
        assert worker.allocator_block is not None
        for values in ({"tls.grow_percent": 60}, {"tls.max_slots": 128}):
            await_operations(worker.workload_block, (made[-1].at_operations or 0 if made else 0) + 200_000)
            point = set_between_operations(worker.workload_block, worker.allocator_block, values)
            assert point.is_exact
            assert point.operations is not None
            made.append(Step({**values}, point.operations))
        await_operations(worker.workload_block, (made[-1].at_operations or 0) + 50_000)
        worker.stop()
        outcome = worker.await_end(CAP_S)
        assert outcome is not None
        original = read_events(worker.allocator_block.events(0))
    assert len([event for event in original if event[0] == "TUNABLE_ADOPT"]) == 2
    repeated = replace(spec, operations=outcome.operations, schedule=tuple(made))
    assert run_to_events(repeated) == original


@pytest.mark.parametrize(
    ("schedule", "error", "told"),
    [
        ((Step({"no.such": 1}, 5),), UnknownTunable, "at 5 operations"),
        ((Step({"tls.grow_percent": 1}, 5),), OutOfRange, "50 to 99"),
        ((Step({"tls.max_slots": 8}, 5),), ConstraintBroken, "tls.max_slots"),
        ((Step({"big.initial_buckets": 512}, 5),), StartOnly, "at start only"),
        ((Step({"tls.max_slots": 128}, 5), Step({"tls.max_slots": 64}, 4)), BadParameter, "in order"),
        ((Step({"tls.max_slots": 128}, -1),), OutOfRange, "at_operations: -1 is not within 0"),
        (tuple(Step({"tls.max_slots": 128}, i) for i in range(4097)), BadParameter, "4096"),
    ],
)
def test_what_cannot_be_set_is_refused_before_the_run(
    schedule: tuple[Step, ...], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        exact_spec(schedule).check()


def test_others_have_no_such_schedule() -> None:
    schedule: tuple[Step, ...] = (Step({"tls.max_slots": 128}, 5),)
    with pytest.raises(UnknownTunable, match="schedule, at 5 operations: unknown tunable"):
        Run("larson", allocator="glibc", schedule=schedule).check()
    with pytest.raises(BadParameter, match="use a worker"):
        InProcessRun.start(exact_spec())


def test_more_threads_set_at_a_share_of_the_count() -> None:
    spec = Run("larson", threads=2, operations=400_000, schedule=(Step({"tls.grow_percent": 70}, 200_000),))
    with Worker.start(spec) as worker:
        outcome = worker.await_end(CAP_S)
        assert outcome is not None
        assert outcome.status == "completed", outcome
        assert worker.allocator_block is not None
        assert worker.allocator_block.requested().values["tls.grow_percent"] == 70


def test_a_lane_that_changes_threads_is_repeatable_too() -> None:
    """Each thread of a single lane waits until the one before it has given its caches back."""
    spec = Run("larson", threads=1, seed=2, operations=2_000_000, tunables={"clock.mode": "operations"})
    first = run_to_events(spec)
    assert len([event for event in first if event[0] == "THREAD_EXIT"]) >= 2
    assert run_to_events(spec) == first
