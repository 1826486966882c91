"""Plans of sweeps: what they consist of, and that whatever is wrong in one is named before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError, WrongPlan
from workbench.experiments import Plan, Run, Span, read_comparison_plan, read_sweep_plan
from workbench.experiments.plan import Axis

BASE = Run("random_mixed", operations=1000)

SWEEP = """
workloads = ["random_mixed"]
operations = 1000
rounds = 2
[axes]
"tls.grow_percent" = [60, "80 %"]
"tls.max_slots" = { from = 256, to = 2048, steps = 4 }
threads = [1, 2]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return path


def test_a_grid_has_every_combination_once() -> None:
    axes: dict[str, Axis] = {"tls.grow_percent": [60, 70], "parameter.slots": [100, 200], "threads": [1, 2]}
    plan = Plan.from_grid([BASE, Run("phases", operations=10)], {"threads": [1, 2]})
    assert len(plan) == 4
    plan = Plan.from_grid(BASE, axes, rounds=3)
    assert len({run.resolve().id for run in plan.runs}) == len(plan) == 24
    assert {run.round for run in plan.runs} == {0, 1, 2}
    assert {run.seed for run in plan.runs} == {1, 2, 3}
    assert {run.parameters["slots"] for run in plan.runs} == {100, 200}


@given(st.permutations(["tls.grow_percent", "threads", "parameter.slots"]))
@settings(deadline=None, max_examples=6)
def test_the_order_of_axes_does_not_matter(names: list[str]) -> None:
    values: dict[str, Axis] = {"tls.grow_percent": [60, 70], "threads": [1, 2], "parameter.slots": [9, 10]}
    expected = {run.resolve().id for run in Plan.from_grid(BASE, values).runs}
    assert {
        run.resolve().id for run in Plan.from_grid(BASE, {name: values[name] for name in names}).runs
    } == expected


def test_a_span_goes_as_its_descriptor_has_it() -> None:
    def take(name: str, axis: Axis) -> list[Any]:
        return [run.tunables[name] for run in Plan.from_grid(BASE, {name: axis}).runs]

    assert take("tls.max_slots", Span(256, 2048, 4)) == [256, 512, 1024, 2048]
    assert take("tls.max_slots", Span(256, 2048, 3, is_log=False)) == [256, 1152, 2048]
    assert take("tls.grow_percent", Span(60, 90, 4)) == [60, 70, 80, 90]
    assert take("tls.grow_percent", Span(60, 61, 9)) == [60, 61]
    assert take("tls.grow_percent", Span(60, 60, 1)) == [60]


@given(st.integers(1, 20), st.integers(0, 2**32))
@settings(deadline=None, max_examples=15)
def test_a_random_plan_keeps_to_ranges_and_is_the_same_for_the_same_seed(count: int, seed: int) -> None:
    axes: dict[str, Axis] = {
        "tls.grow_percent": Span(60, 90),
        "tls.max_slots": Span(256, 2048),
        "threads": [1, 2],
    }
    plan = Plan.from_random(BASE, axes, count, seed)
    assert plan == Plan.from_random(BASE, axes, count, seed)
    assert 1 <= len(plan) <= count
    for run in plan.runs:
        assert 60 <= run.tunables["tls.grow_percent"] <= 90  # type: ignore[operator]
        assert 256 <= run.tunables["tls.max_slots"] <= 2048  # type: ignore[operator]


def test_a_random_plan_draws_what_keeps_the_constraints() -> None:
    axes: dict[str, Axis] = {"tls.min_slots": Span(16, 2048), "tls.max_slots": Span(256, 2048)}
    for run in Plan.from_random(BASE, axes, 30).runs:
        assert run.tunables["tls.min_slots"] <= run.tunables["tls.max_slots"]  # type: ignore[operator]


def test_a_frame_is_a_plan_row_by_row() -> None:
    frame = pd.DataFrame(
        {
            "workload": ["random_mixed", "phases"],
            "threads": [1, 2],
            "operations": [100, 200],
            "tls.grow_percent": [60, None],
            "parameter.slots": [None, None],
        }
    )
    plan = Plan.from_frame(frame)
    assert plan.runs == (
        Run("random_mixed", threads=1, operations=100, tunables={"tls.grow_percent": 60}),
        Run("phases", threads=2, operations=200),
    )
    assert Plan.from_frame(frame.drop(columns="workload"), BASE).runs[0].workload == "random_mixed"


def test_peers_have_no_tunables_and_are_there_once() -> None:
    axes: dict[str, Axis] = {"allocator": ["hakmem", "glibc"], "tls.grow_percent": [60, 70]}
    plan = Plan.from_grid(BASE, axes)
    assert [run.allocator for run in plan.runs].count("glibc") == 1
    assert len(plan) == 3


def test_a_file_is_the_same_plan(tmp_path: Path) -> None:
    plan = read_sweep_plan(write(tmp_path, SWEEP))
    assert len(plan) == 2 * 4 * 2 * 2
    assert {run.operations for run in plan.runs} == {1000}
    drawn = read_sweep_plan(write(tmp_path, SWEEP + "[random]\ncount = 5\nseed = 3\n"))
    assert len(drawn) <= 10


def test_works_of_a_file_have_their_own_lengths_and_inputs(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("print(1)")
    plan = read_comparison_plan(
        write(
            tmp_path,
            """
            seconds = 0.5
            rounds = 4
            allocators = ["hakmem", "glibc"]
            [[variants]]
            name = "tight"
            tunables = { "tls.max_slots" = 256 }
            [[works]]
            name = "few"
            workload = "random_mixed"
            parameters = { slots = 10 }
            [[works]]
            workload = "phases"
            operations = 100
            [[works]]
            name = "script"
            command = ["python3", "script.py"]
            inputs = ["script.py"]
            """,
        )
    )
    plan.check()
    few, phases, script = (work.run for work in plan.works)
    assert [work.name for work in plan.works] == ["few", "phases", "script"]
    assert (few.seconds, few.parameters) == (0.5, {"slots": 10})
    assert (phases.seconds, phases.operations) == (None, 100)
    assert (script.seconds, script.inputs) == (None, (tmp_path / "script.py",))
    assert [variant.name for variant in plan.variants] == ["hakmem", "glibc", "tight"]


WRONG_AXES: list[tuple[Mapping[str, Axis], str]] = [
    ({"tls.grow_procent": [60]}, "unknown axis 'tls.grow_procent': did you mean 'tls.grow_percent'"),
    ({"tls.grow_percent": [60, 101, 7]}, "= 101 is out of range: 50 to 99 %.*= 7 is out of range"),
    ({"tls.grow_percent": [60.5]}, "60.5 is not a whole number"),
    ({"tls.grow_percent": ["fast"]}, "'fast' is not a number"),
    ({"tls.grow_percent": []}, "there are no values"),
    ({"tls.grow_percent": Span(40, 90)}, "= 40 is out of range: 50 to 99 %"),
    ({"tls.grow_percent": Span(90, 60)}, "from 90 to 60 is empty"),
    ({"tls.grow_percent": Span(60, 90, 0)}, "0 steps"),
    ({"tls.max_slots": Span(0, 90, 2, is_log=True)}, "cannot begin at 0"),
    ({"tls.adaptive": Span(0, 1)}, "has no span of values"),
    ({"allocator": ["nomalloc"]}, "nomalloc"),
    ({"allocator": [3]}, "allocator = 3 is not a name"),
    ({"workload": ["larsen"]}, "larsen"),
    ({"threads": [0]}, "threads: 0"),
    ({"threads": [1.5]}, "threads = 1.5 is not a whole number"),
    ({"threads": ["many"]}, "threads = many is not a number"),
    ({"seed": [-1]}, "seed: -1"),
    ({"seconds": [float("inf")]}, "seconds = inf is not a number"),
    ({"operations": [0]}, "operations: 0"),
    ({"parameter.slots": [0]}, "parameter.slots = 0 is out of range: 1 to 1000000 slots"),
    ({"parameter.slotz": [1]}, "did you mean 'slots'"),
    ({"parameter.slots": [True]}, "True is not a number"),
    ({"tls.min_slots": [2048], "tls.max_slots": [256]}, "tls.min_slots"),
    ({"seed": Span(1, 400, 400), "threads": Span(1, 300, 300)}, "a plan of 120000 runs"),
]


@pytest.mark.parametrize(("axes", "said"), WRONG_AXES)
def test_every_wrong_value_of_an_axis_is_named(axes: Mapping[str, Axis], said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        Plan.from_grid(BASE, axes)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"threads": [1]}), "needs a column 'workload'"),
        (pd.DataFrame({"workload": ["phases"], "speed": [1]}), "unknown axis 'speed'"),
        (pd.DataFrame({"workload": ["phases", "x"]}), "run 2: .*'x'"),
        (pd.DataFrame({"workload": ["phases"], "tls.grow_percent": [1]}), "out of range: 50 to 99 %"),
        (pd.DataFrame({"workload": []}), "0 runs"),
        (pd.DataFrame({"workload": [None]}), "unknown workload ''"),
    ],
)
def test_every_wrong_row_of_a_frame_is_named(frame: pd.DataFrame, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        Plan.from_frame(frame)


WRONG_FILES = [
    ("", "names no workload"),
    ("workloads = [", "no TOML file"),
    ("a = " + "[" * 100_000, "no TOML file"),
    ("workloads = 3", "workloads: 3 is not a list"),
    ("workloads = [3]", "workloads\\[0\\]: 3 is not a text"),
    ('workloads = ["phases"]\nspeed = 1', "unknown field of the plan 'speed'"),
    ('workloads = ["phases"]\nrounds = "two"', "rounds: 'two' is not a whole number"),
    ('workloads = ["phases"]\nrounds = true', "rounds: True is not a whole number"),
    ('workloads = ["phases"]\nrounds = 0', "rounds: 0 is not 1 or more"),
    ('workloads = ["phases"]\nrounds = 100001', "a plan of 100001 runs"),
    ('workloads = ["phases"]\nseconds = "long"', "seconds: 'long' is not a number"),
    ('workloads = ["phases"]\nseconds = 1979-05-27', "is not a number"),
    ('workloads = ["phases"]\nseconds = nan', "seconds: nan"),
    ('workloads = ["phases"]\noperations = 1' + "0" * 400, "401 digits"),
    ('workloads = ["phases"]\noperations = 1' + "0" * 5000, "no TOML file"),
    ('workloads = ["phases"]\nthreads = 0', "threads: 0"),
    ('workloads = ["phases"]\nallocator = 3', "allocator: 3 is not a text"),
    ('workloads = ["phases"]\n[tunables]\n"tls.grow_percent" = 9', "tls.grow_percent = 9 is out of range"),
    ('workloads = ["phases"]\n[axes]\n"tls.grow_percent" = {from = 60}', "a span needs from and to"),
    (
        'workloads = ["phases"]\n[axes]\n"tls.grow_percent" = {from = "a", to = 1}',
        "axes.tls.grow_percent.from: 'a' is not a number",
    ),
    (
        'workloads = ["phases"]\n[axes]\n"tls.grow_percent" = {from = 1' + "0" * 400 + ", to = 1}",
        "401 digits",
    ),
    ('workloads = ["phases"]\n[axes]\n"tls.grow_percent" = [1' + "0" * 400 + "]", "401 digits"),
    ('workloads = ["phases"]\n[axes]\nthreads = [1' + "0" * 400 + "]", "401 digits"),
    (
        'workloads = ["phases"]\n[axes]\n"tls.grow_percent" = {from = 60, to = nan}',
        "axes.tls.grow_percent.to: nan is not",
    ),
    ('workloads = ["phases"]\n[axes]\n"tls.grow_percent" = {from = 60, to = 70, scale = "x"}', "scale 'x'"),
    (
        'workloads = ["phases"]\n[axes]\n"tls.grow_percent" = {from = 60, by = 2}',
        "unknown field of axes.tls.grow_percent 'by'",
    ),
    ('workloads = ["phases"]\n[axes]\n"tls.grow_percent" = [[60]]', "is not a value"),
    ('workloads = ["phases"]\naxes = 3', "axes: 3 is not a table"),
    ('workloads = ["phases"]\n[random]\nseed = 3', "random needs count"),
    ('workloads = ["phases"]\n[random]\ncount = 0', "count: 0"),
    ("works = [3]", "works\\[0\\]: 3 is not a table"),
    ("[[works]]\nthreads = 1", "a work needs a workload"),
    ('[[works]]\nworkload = "phases"\nparameters = 3', "phases: parameters: 3 is not a table"),
    ('[[works]]\nworkload = "phases"\nround = 3', "unknown field of a work 'round'"),
    ('[[works]]\nworkload = "phases"\ninputs = 3', "inputs: 3 is not a list"),
]


@pytest.mark.parametrize(("text", "said"), WRONG_FILES)
def test_a_hostile_file_is_a_clear_error(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        read_sweep_plan(write(tmp_path, text))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WrongPlan, match="no TOML file"):
        read_sweep_plan(path)
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(WrongPlan, match="at most 1048576 bytes"):
        read_sweep_plan(path)
    with pytest.raises(WrongPlan, match="cannot be read"):
        read_sweep_plan(tmp_path / "none.toml")
    with pytest.raises(WrongPlan, match="cannot be read"):
        read_sweep_plan(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('workloads = ["phases"]\nvariants = [3]', "variants\\[0\\]: 3 is not a table"),
        ('workloads = ["phases"]\n[[variants]]\nallocator = "glibc"', "variants\\[0\\] needs name"),
        ('workloads = ["phases"]\n[[variants]]\nname = 3', "variants\\[0\\].name: 3 is not a text"),
        (
            'workloads = ["phases"]\n[[variants]]\nname = "x"\nspeed = 3',
            "unknown field of variants\\[0\\] 'speed'",
        ),
        ('workloads = ["phases"]\nlooks = "x"', "looks: 'x' is not a whole number"),
        ('workloads = ["phases"]\nsamples_latency = 1', "samples_latency: 1 is not true or false"),
        ('workloads = ["phases"]\nallocators = [1]', "allocators\\[0\\]: 1 is not a text"),
        ('workloads = ["phases"]\nallocators = ["glibc"]', "needs two variants"),
    ],
)
def test_a_wrong_comparison_file_is_a_clear_error(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        read_comparison_plan(write(tmp_path, text)).check()
