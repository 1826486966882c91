"""What a study searches: within the descriptors' ranges, and always in the constraints' order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.allocators import get_allocator
from workbench.control import Value
from workbench.errors import ConstraintBroken, OutOfRange, UnknownTunable, WorkbenchError, WrongPlan
from workbench.experiments import Run
from workbench.tuning import Bounds, make_space
from workbench.tuning.storage import make_sampler

ORDERED = (
    "tls.initial_slots", "tls.min_slots", "tls.max_slots", "tls.grow_percent", "tls.shrink_percent",
    "mid.ring_slots", "mid.ring_min_slots", "mid.ring_max_slots",
)  # fmt: skip


def ask(study: optuna.study.Study, seed: int) -> optuna.trial.Trial:
    trial = study.ask()
    study.sampler = make_sampler(seed, trial.number)
    return trial


@given(st.permutations(ORDERED), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_every_draw_keeps_every_constraint(names: list[str], seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = make_space({name: Bounds() for name in names})
    study = optuna.create_study(sampler=make_sampler(0, 0))
    for _ in range(3):
        drawn = space.suggest(ask(study, seed))
        assert list(drawn) == names
        Run("random_mixed", tunables=drawn).check()


@given(st.sampled_from(sorted(get_allocator("hakmem").tunables)), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_any_tunable_can_be_searched_over_its_whole_range(name: str, seed: int) -> None:
    study = optuna.create_study(sampler=make_sampler(0, 0))
    drawn = make_space({name: Bounds()}).suggest(ask(study, seed))
    Run("random_mixed", tunables=drawn).check()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_completed_keeps_what_was_given_and_every_constraint(data: st.DataObject) -> None:
    space = make_space({name: Bounds() for name in ORDERED})
    tunables = get_allocator("hakmem").tunables
    given_values = {
        name: data.draw(st.integers(int(tunables[name].minimum), int(tunables[name].maximum)), label=name)
        for name in data.draw(st.sets(st.sampled_from(ORDERED[:5]), max_size=3))
    }
    try:
        Run("random_mixed", tunables=given_values).check()
        goes_with_defaults = True
    except ConstraintBroken:
        goes_with_defaults = False
    try:
        whole = space.complete(given_values)
    except (ConstraintBroken, OutOfRange):
        assert not goes_with_defaults
        return
    assert whole.items() >= given_values.items()
    Run("random_mixed", tunables=whole).check()
    if goes_with_defaults:
        assert whole == {name: given_values.get(name, tunables[name].default) for name in ORDERED}


def test_ranges_and_scales_are_the_descriptors() -> None:
    space = make_space(
        {
            "tls.grow_percent": Bounds(),
            "tls.max_slots": Bounds(low=256),
            "big.load_factor": Bounds(),
            "tls.max_bytes": Bounds(),
            "tls.adaptive": Bounds(),
            "route.profile": ["full", "hot", "full"],
        }
    )
    told = {each.tunable.name: each.describe() for each in space.dimensions}
    assert told == {
        "tls.grow_percent": "50 % to 99 %",
        "tls.max_slots": "256 slots to 4096 slots, in factors",
        "big.load_factor": "0.25 entries/bucket to 4 entries/bucket",
        "tls.max_bytes": "1 byte to 1 GiB, in factors",
        "tls.adaptive": "off, on",
        "route.profile": "full, hot",
    }


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({}, "names no tunable"),
        ({"tls.grow_percnt": Bounds()}, "did you mean 'tls.grow_percent'"),
        ({"tls.grow_percent": Bounds(10, 60)}, "tls.grow_percent = 10 is out of range: 50 to 99 %"),
        ({"tls.grow_percent": Bounds(60, 60)}, "from 60 to 60 is nothing to search"),
        ({"tls.grow_percent": Bounds(70, 60)}, "from 70 to 60 is nothing to search"),
        ({"tls.grow_percent": Bounds(60.5, 70)}, "is not a whole number"),
        ({"tls.grow_percent": Bounds(math.nan, 70)}, "out of range"),
        ({"tls.grow_percent": []}, "there are no values"),
        ({"tls.grow_percent": [60, "x"]}, "tls.grow_percent"),
        ({"ss.purge_delay_ms": Bounds(0, 100, True)}, "cannot begin at 0"),
        ({"route.profile": Bounds(0, 1)}, "it has no range; list its values: conservative, hot"),
        ({"route.profile": ["cold"]}, "cold is none of"),
        ({"tls.max_slots": Bounds(1, 32)}, "tls.initial_slots <= tls.max_slots"),
        ({"tls.max_slots": [32, 256]}, "tls.max_slots = 32 breaks"),
        ({"tls.max_slots": [64, 256], "tls.min_slots": Bounds()}, "both are searched"),
    ],
)
def test_a_wrong_axis_is_named(axes: Mapping[str, Bounds | Sequence[Value]], said: str) -> None:
    with pytest.raises(WrongPlan) as caught:
        make_space(axes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"tls.min_slots": 16}, UnknownTunable, "tunable of this study"),
        ({"tls.grow_percent": 100}, OutOfRange, "out of range: 50 to 99"),
        ({"tls.grow_percent": 55}, OutOfRange, "55 % is not searched here: 60 % to 90 %"),
        ({"route.profile": "off"}, OutOfRange, "is not searched here: full, hot"),
        ({"mid.ring_min_slots": 100, "mid.ring_slots": 50}, ConstraintBroken, "mid.ring_min_slots"),
    ],
)
def test_wrong_settings_that_are_given_are_named(
    values: dict[str, Any], error: type[WorkbenchError], said: str
) -> None:
    space = make_space(
        {
            "tls.grow_percent": Bounds(60, 90),
            "route.profile": ["full", "hot"],
            "mid.ring_min_slots": Bounds(),
            "mid.ring_slots": Bounds(),
        }
    )
    with pytest.raises(error, match=said):
        space.complete(values)
