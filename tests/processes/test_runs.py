"""A run is known by its content, however it was written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.allocators import get_allocator
from workbench.control import Value
from workbench.errors import BadParameter, OutOfRange, StartOnly, WorkbenchError
from workbench.experiments import Run, Step
from workbench.plain_values import canonical_json

LENGTHS = st.one_of(
    st.builds(lambda value: {"seconds": value}, st.floats(0.01, 100, allow_nan=False)),
    st.builds(lambda value: {"operations": value}, st.integers(1, 10**9)),
)
TUNABLES = st.fixed_dictionaries(
    {},
    optional={
        "tls.grow_percent": st.integers(50, 99),
        "tls.max_slots": st.integers(256, 2048),
        "ss.purge_delay_ms": st.integers(0, 5000),
    },
)
STEPS = st.lists(
    st.builds(Step, settings=TUNABLES.filter(bool), at_operations=st.integers(0, 10**6)), max_size=3
).map(lambda steps: tuple(sorted(steps, key=lambda step: step.at_operations or 0)))
TRIALS = st.builds(
    lambda length, **rest: Run("random_mixed", **rest, **length),
    length=LENGTHS,
    parameters=st.fixed_dictionaries({}, optional={"slots": st.integers(1, 5000), "min_size": st.just(16)}),
    threads=st.none() | st.integers(1, 4),
    seed=st.integers(0, 2**64 - 1),
    tunables=TUNABLES,
    schedule=STEPS,
    round=st.integers(0, 9),
    samples_latency=st.booleans(),
)


@given(TRIALS)
@settings(max_examples=60, deadline=None)
def test_it_survives_json(trial: Run) -> None:
    again = Run.from_json(trial.to_json())
    assert again == trial
    assert again.resolve().id == trial.resolve().id
    trial.check()


@given(TRIALS, st.randoms())
@settings(max_examples=60, deadline=None)
def test_order_and_number_types_do_not_matter(trial: Run, random: Any) -> None:
    def shuffle(values: Any) -> Any:
        pairs = list(values.items())
        random.shuffle(pairs)
        return {name: float(value) for name, value in pairs}

    content = trial.to_dict()
    for name in ("parameters", "tunables"):
        if name in content:
            content[name] = shuffle(content[name])
    assert Run.from_dict(content).resolve().id == trial.resolve().id


@given(TRIALS, TRIALS)
@settings(max_examples=60, deadline=None)
def test_other_content_has_another_id(one: Run, other: Run) -> None:
    assert (one.resolve().content == other.resolve().content) == (one.resolve().id == other.resolve().id)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Run("random_mixed"), Run("random_mixed", threads=1, seconds=10.0, parameters={"slots": 256})),
        (Run("random_mixed"), Run("random_mixed", tunables={"tls.grow_percent": 80})),
        (
            Run("random_mixed", tunables={"tls.grow_percent": "60 %"}),
            Run("random_mixed", tunables={"tls.grow_percent": 60.0}),
        ),
        (Run("random_mixed", seconds=1), Run("random_mixed", seconds=1.0)),
        (
            Run("phases", schedule=(Step({"tls.grow_percent": "60"}, at_s=1),)),
            Run("phases", schedule=(Step({"tls.grow_percent": 60}, at_s=1.0),)),
        ),
    ],
)
def test_defaults_and_spellings_are_the_same_content(one: Run, other: Run) -> None:
    assert one.resolve().id == other.resolve().id


def test_a_condition_is_the_content_without_seed_and_round() -> None:
    first = Run("random_mixed", seed=3, round=1)
    assert first.resolve().condition == Run("random_mixed", seed=4, round=2).resolve().condition
    assert first.resolve().condition != Run("random_mixed", allocator="glibc").resolve().condition


def test_results_of_earlier_revisions_are_found_by_the_same_ids() -> None:
    """Ids as revision ee990f1 made them. A new tunable changes those under hakmem, so they are left out."""
    by_operations = Run(
        "random_mixed",
        {"slots": 5000},
        threads=2,
        seed=2**64 - 1,
        allocator="glibc",
        operations=1000,
        round=3,
    )
    assert by_operations.resolve().id == "0e7cdd0b1e5bc49de9acc0f1cb489708"
    assert by_operations.resolve().condition == "a6b073757ced18cf56d217bd16339a14"
    assert Run("phases", allocator="glibc", seconds=1).resolve().id == "a23b4fa26081eb8c6d10f99ad25b152a"
    steps = (Step({"tls.grow_percent": "60"}, at_operations=5), Step({"tls.grow_percent": 70}, at_s=1))
    content = dict(Run("phases", schedule=steps, tunables={"tls.max_slots": "512"}).resolve().content)
    defaults = {name: tunable.default for name, tunable in get_allocator("hakmem").tunables.items()}
    assert content.pop("tunables") == defaults | {"tls.max_slots": 512}
    assert content.pop("schedule") == [
        {"at_operations": 5, "at_s": None, "settings": {"tls.grow_percent": 60}},
        {"at_operations": None, "at_s": 1.0, "settings": {"tls.grow_percent": 70}},
    ]


def test_files_of_a_command_are_known_by_their_content(tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "script.py", tmp_path / "b" / "script.py"
    for path in (one, other):
        path.parent.mkdir()
        path.write_text("print(1)")
    commands = [Run("script", command=("python3", "script.py"), inputs=(path,)) for path in (one, other)]
    assert commands[0].resolve().id == commands[1].resolve().id
    other.write_text("print(22)")
    assert commands[0].resolve().id != commands[1].resolve().id


def test_canonical_json_has_one_form_only() -> None:
    assert canonical_json({"b": -0.0, "a": (1, 2.5)}) == '{"a":[1,2.5],"b":0.0}'
    with pytest.raises(BadParameter, match="finite"):
        canonical_json({"a": float("nan")})


WRONG_TRIALS: list[tuple[dict[str, Any], str]] = [
    ({"workload": "larsen"}, "did you mean 'larson'"),
    ({"workload": 3}, "workload: 3 is not a text"),
    ({"parameters": {"slots": 0}}, "slots"),
    ({"parameters": {"slott": 1}}, "did you mean 'slots'"),
    ({"parameters": {"slots": "many"}}, "parameters.slots: 'many' is not a number"),
    ({"parameters": [1]}, "parameters: \\[1\\] is not a table"),
    ({"threads": 0}, "threads: 0 is not within"),
    ({"threads": 1.5}, "threads: 1.5 is not a whole number"),
    ({"threads": True}, "threads: True is not a whole number"),
    ({"seed": -1}, "seed: -1"),
    ({"seed": "x"}, "seed: 'x' is not a whole number"),
    ({"allocator": "ptmalloc"}, "ptmalloc"),
    ({"allocator": None}, "allocator: None is not a text"),
    ({"seconds": 0}, "seconds: 0 is not above 0"),
    ({"seconds": float("nan")}, "seconds: nan"),
    ({"seconds": "1 s"}, "seconds: '1 s' is not a number"),
    ({"operations": 0}, "operations: 0"),
    ({"operations": 10, "seconds": 1}, "by seconds or by operations"),
    ({"tunables": {"tls.grow_percent": 101}}, "tls.grow_percent = 101 is out of range: 50 to 99 %"),
    ({"tunables": {"tls.grow_procent": 60}}, "did you mean 'tls.grow_percent'"),
    ({"tunables": {"tls.grow_percent": []}}, "tunables.tls.grow_percent: \\[\\] is not a value"),
    (
        {"tunables": {"tls.grow_percent": 60}, "allocator": "glibc"},
        "unknown tunable 'tls.grow_percent': there is M_TRIM_THRESHOLD",
    ),
    ({"schedule": [{"settings": {"tls.grow_percent": 60}}]}, "give one of them"),
    ({"schedule": [{"settings": {}, "at_s": 1}]}, "sets nothing"),
    ({"schedule": [{"settings": {"tls.grow_percent": 600}, "at_s": 1}]}, "600 is out of range"),
    ({"schedule": [{"settings": {"tls.grow_percent": 60}, "at_s": -1}]}, "at_s: -1"),
    ({"schedule": [{"settings": {"tls.grow_percent": 60}, "at_operations": -1}]}, "-1"),
    ({"schedule": [{"at_s": 1}]}, "needs settings"),
    ({"schedule": ["soon"]}, "schedule\\[0\\]: 'soon' is not a table"),
    ({"command": ["no-such-program"]}, "no-such-program: no such program"),
    ({"command": "ls"}, "command: 'ls' is not a list"),
    ({"command": ["ls"], "threads": 2}, "which has no threads"),
    ({"command": ["ls"], "samples_latency": True}, "which has no samples_latency"),
    ({"command": ["ls"], "inputs": ["no/such/file"]}, "no/such/file: it cannot be read"),
    ({"inputs": [3]}, "inputs\\[0\\]: 3 is not a path"),
    ({"round": -1}, "round: -1 is not within 0"),
    ({"samples_latency": 1}, "samples_latency: 1 is not true or false"),
    ({"speed": 1}, "unknown field of a run 'speed': did you mean 'seed'"),
]


@pytest.mark.parametrize(("content", "said"), WRONG_TRIALS)
def test_what_is_wrong_is_named(content: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        Run.from_dict({"workload": "random_mixed", **content}).check()


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '"x"', "{}", "null"])
def test_what_is_no_run_is_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        Run.from_json(text)


def test_a_tunable_of_the_start_cannot_be_scheduled() -> None:
    name = next(
        name for name, tunable in get_allocator("hakmem").tunables.items() if tunable.effect == "start"
    )
    step = Step({name: get_allocator("hakmem").tunables[name].default}, at_s=1.0)
    with pytest.raises(StartOnly, match=name):
        Run("phases", schedule=(step,)).check()


def test_every_tunable_out_of_range_is_refused(subtests: Any) -> None:
    for name, tunable in get_allocator("hakmem").tunables.items():
        with subtests.test(name), pytest.raises(OutOfRange, match=name):
            wrong: Value = "no-such-choice" if tunable.type == "choice" else tunable.maximum * 2 + 1
            Run("phases", tunables={name: wrong}).check()


def test_json_is_plain() -> None:
    trial = Run("phases", schedule=(Step({"tls.grow_percent": 60}, at_s=1.0),))
    assert json.loads(trial.to_json()) == {
        "workload": "phases",
        "schedule": [{"at_s": 1.0, "settings": {"tls.grow_percent": 60}}],
    }


def test_a_run_cannot_be_changed() -> None:
    change: Callable[..., None] = setattr
    with pytest.raises(AttributeError):
        change(Run("phases"), "seed", 2)
