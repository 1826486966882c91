"""Published claims put to the test: experiments make sense, and what they say follows from the figures."""

from __future__ import annotations

import math
import random
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from notebooks.design_claims import QUANTITIES, SURVIVAL, Claim, Quantity, draw_claim, list_claims, try_claim
from tests.experiments.results_fixture import make_result
from workbench.commands import comparison_report
from workbench.commands.compare import compare
from workbench.experiments import Results, Run, Work

ROUNDS = 16
CLAIM = Claim(
    "A made-up claim",
    "It is better.",
    (Work("phases", Run("phases", threads=1, seconds=0.5)),),
    {"hakmem": {}, "other": {"tls.grow_percent": 60}},
    (("other", "hakmem"),),
    {"throughput": (3.0, 10.0), "hits": (10.0, 20.0), "peak resident": (-50.0, -30.0)},
)


@pytest.fixture(autouse=True)
def hits(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = Quantity("share", lambda result: result.telemetry.get("hits", math.nan), is_higher_better=True)
    monkeypatch.setitem(QUANTITIES, "hits", made_up)


def try_made_up(
    folder: Path,
    speed: float = 1.0,
    hits: float = 0.0,
    memory: float = 1.0,
    noise: float = 0.005,
    fails: Callable[[int], bool] = lambda number: False,
    claim: Claim = CLAIM,
    rounds: int = ROUNDS,
) -> pd.DataFrame:
    """What is found if the other one is so much faster, hits so much more often, takes so much memory."""
    order = random.Random(1)
    results = Results.open(folder)
    plan = claim.plan(rounds)
    with results.writing():
        results.declare(plan.to_dict())
        for cell in plan.list_cells():
            is_other = cell.variant == "other"
            wobble = [1 + noise * order.uniform(-1, 1) for _ in range(3)]
            fields: dict[str, Any] = {
                "peak_resident_bytes": 1e7 * (memory if is_other else 1.0) * wobble[0],
                "telemetry": {"hits": (0.5 + (hits if is_other else 0.0)) * wobble[1]},
            }
            if is_other and fails(cell.round):
                fields = {"status": "failed", "reason": f"out of memory after {cell.round} operations"}
            results.add(make_result(cell.run, 1e6 * (speed if is_other else 1.0) * wobble[2], **fields))
    return try_claim(claim, rounds, str(folder))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"speed": 1.05, "hits": 0.15, "memory": 0.6}, ["as published"] * 3),
        ({"speed": 1.3, "hits": 0.4, "memory": 0.2}, ["more than published"] * 3),
        ({"speed": 1.018, "hits": 0.04, "memory": 0.9}, ["less than published"] * 3),
        ({}, ["not so: the same"] * 3),
        ({"speed": 0.8, "hits": -0.2, "memory": 1.5}, ["the contrary: worse"] * 3),
        ({"speed": 1.05, "hits": 0.1, "memory": 0.97, "noise": 0.9}, ["cannot tell"] * 3),
    ],
)
def test_what_is_found_is_held_against_what_was_published(
    tmp_path: Path, given: dict[str, Any], found: list[str]
) -> None:
    assert list(try_made_up(tmp_path / "results", **given)["found"]) == found


def test_effects_are_percent_or_points_and_are_drawn_beside_what_was_published(tmp_path: Path) -> None:
    frame = try_made_up(tmp_path / "results", speed=1.05, hits=0.15, memory=0.6)
    assert list(frame["effect unit"]) == ["%", "points", "%"]
    assert (frame["pairs"] == ROUNDS).all()
    assert ((frame["low"] < frame["effect"]) & (frame["effect"] < frame["high"])).all()
    assert (frame["high"] - frame["low"] < 2.0).all()
    assert list(frame["effect"]) == pytest.approx([5.0, 15.0, -40.0], abs=1.0)
    figure = draw_claim(frame)
    assert [(*trace.x,) for trace in figure.data if trace.mode == "lines"] == [(3, 10), (10, 20), (-50, -30)]
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert [trace.x[0] for trace in points] == list(frame["effect"])
    assert points[0].error_x.array[0] == frame["high"][0] - frame["effect"][0]
    assert figure.layout.annotations[1].text == "hits: difference in points, higher is better"
    assert sum(trace.showlegend for trace in figure.data) == 2  # better, published


def test_too_few_rounds_are_no_interval(tmp_path: Path) -> None:
    frame = try_made_up(tmp_path / "results", speed=1.05, rounds=2)
    assert set(frame["verdict"]) == {"cannot tell"}
    assert set(frame["low"]) == {-math.inf}
    assert set(frame["high"]) == {math.inf}
    assert {trace.error_x.array for trace in draw_claim(frame).data if trace.mode == "markers"} == {None}


def test_runs_that_fail_are_counted_where_the_claim_is_about_them(tmp_path: Path) -> None:
    claim = replace(CLAIM, pairs=(("hakmem", "other"),), quantities={SURVIVAL: None, "throughput": None})
    frame = try_made_up(tmp_path / "all", fails=lambda number: True, claim=claim)
    survival, speed = frame.to_dict("records")
    assert (survival["value"], survival["against"], survival["effect"]) == (1, 0, 100)
    assert survival["verdict"] == "better"
    assert 50 < survival["low"] < survival["high"] <= 100
    assert (speed["pairs"], speed["found"]) == (0, "cannot tell")
    assert len(draw_claim(frame).data) == 1
    some = try_made_up(tmp_path / "some", fails=lambda number: number == 3, claim=claim).iloc[0]
    assert some["verdict"] == "cannot tell"
    assert some["low"] < 0 < some["effect"] < some["high"]


def test_reasons_are_told_once_whatever_numbers_stand_in_them(tmp_path: Path) -> None:
    frame = try_made_up(tmp_path / "results", fails=lambda number: number < 5)
    assert frame.attrs == {
        "title": "A made-up claim, 16 rounds on a machine, 2 cores",
        "failures": {"phases under other: failed: out of memory after … operations": 5},
    }
    assert frame["published"][0] == "+3.0 to +10.0"


# --- the claims of the design ---

CLAIMS = list_claims(0.05)


def test_each_experiment_can_be_run_here() -> None:
    assert list(CLAIMS) == ["adaptive", "big cache", "shards", "tiers", "routes", "pre-warm", "linked chunks"]
    for claim in CLAIMS.values():
        claim.plan(2).check()
        assert {name for pair in claim.pairs for name in pair} <= set(claim.variants)
        assert set(claim.quantities) <= set(QUANTITIES)
        assert next(iter(claim.variants.items())) == ("hakmem", {})


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_its_commands_are_the_same_comparisons(claim: Claim) -> None:
    commands = claim.list_commands(9)
    assert len(commands) == len(claim.works)
    for command, work in zip(commands, claim.works, strict=True):
        words = shlex.split(command)
        assert words[:2] == ["workbench", "compare"]
        given = compare.make_context("compare", words[2:]).params
        named = ("workload_names", "variant_texts", "parameters", "threads", "seconds")
        plan = comparison_report.make_plan(**{name: given[name] for name in named})
        assert given["rounds"] == 9
        same = claim.plan(1)
        wanted = {cell.run.resolve().id for cell in same.list_cells() if cell.work == work.name}
        assert {cell.run.resolve().id for cell in plan.list_cells() if cell.round == 0} == wanted
