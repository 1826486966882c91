"""Published claims put to the test: experiments make sense, and what they say follows from the figures."""

from __future__ import annotations

import math
import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.experiments.results_fixture import make_result
from workbench.commands import comparison_report
from workbench.commands.compare import compare
from workbench.experiments import Results, Trial, Variant, Work, run_trial, try_claim
from workbench.experiments.claim_findings import ClaimFinding, DesignClaim, Expectation, Quantity
from workbench.experiments.design_claims import PEAK_RESIDENT, SURVIVAL, THROUGHPUT, list_claims

ROUNDS = 16
HITS = Quantity(
    "hits",
    "share",
    lambda result: result.telemetry.get("hits", math.nan),
    is_higher_better=True,
    is_share=True,
)
CLAIM = DesignClaim(
    "made up",
    "A made-up claim",
    "It is better.",
    (Work("phases", Trial("phases", threads=1, seconds=0.5)),),
    (Variant("hakmem"), Variant("other", tunables={"tls.grow_percent": 60})),
    (("other", "hakmem"),),
    (
        Expectation(THROUGHPUT, (3.0, 10.0)),
        Expectation(HITS, (10.0, 20.0)),
        Expectation(PEAK_RESIDENT, (-50.0, -30.0)),
    ),
)


def try_made_up(
    folder: Path,
    speed: float = 1.0,
    hits: float = 0.0,
    memory: float = 1.0,
    noise: float = 0.005,
    fails: Callable[[int], bool] = lambda number: False,
    claim: DesignClaim = CLAIM,
    rounds: int = ROUNDS,
) -> list[ClaimFinding]:
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
            results.add(make_result(cell.trial, 1e6 * (speed if is_other else 1.0) * wobble[2], **fields))
    return list(try_claim(claim, rounds, Results.open(folder)).findings)


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
    assert [one.describe() for one in try_made_up(tmp_path / "results", **given)] == found


def test_effects_are_percent_or_points_with_their_intervals(tmp_path: Path) -> None:
    speed, hits, memory = try_made_up(tmp_path / "results", speed=1.05, hits=0.15, memory=0.6)
    for one, effect in ((speed, 5.0), (hits, 15.0), (memory, -40.0)):
        assert one.low < one.effect < one.high
        assert abs(one.effect - effect) < 1.0
        assert one.high - one.low < 2.0
        assert one.pairs == ROUNDS
    assert [one.effect_unit for one in (speed, hits, memory)] == ["%", "points", "%"]


def test_too_few_rounds_are_no_interval(tmp_path: Path) -> None:
    found = try_made_up(tmp_path / "results", speed=1.05, rounds=2)
    assert {one.verdict for one in found} == {"cannot tell"}
    assert all(math.isinf(one.low) and math.isinf(one.high) for one in found)


def test_runs_that_fail_are_counted_where_the_claim_is_about_them(tmp_path: Path) -> None:
    claim = DesignClaim(
        *(CLAIM.name, CLAIM.title, CLAIM.says, CLAIM.works, CLAIM.variants),
        (("hakmem", "other"),),
        (Expectation(SURVIVAL), Expectation(THROUGHPUT)),
    )
    survival, speed = try_made_up(tmp_path / "all", fails=lambda number: True, claim=claim)
    assert (survival.value, survival.against_value, survival.effect, survival.verdict) == (
        1,
        0,
        100,
        "better",
    )
    assert 50 < survival.low < survival.high <= 100
    assert speed.pairs == 0
    assert speed.describe() == "cannot tell"
    some, _ = try_made_up(tmp_path / "some", fails=lambda number: number == 3, claim=claim)
    assert some.verdict == "cannot tell"
    assert some.low < 0 < some.effect < some.high


def test_reasons_are_told_once_whatever_numbers_stand_in_them(tmp_path: Path) -> None:
    try_made_up(tmp_path / "results", fails=lambda number: number < 5)
    test = try_claim(CLAIM, ROUNDS, Results.open(tmp_path / "results"))
    assert test.failures == {"phases under other: failed: out of memory after … operations": 5}
    assert "failed 5 times" in test.describe()
    assert "A made-up claim, 16 rounds on a machine, 2 cores" in test.describe()
    frame = test.to_frame()
    assert list(frame["quantity"]) == ["throughput", "hits", "peak resident"]
    assert frame["published"][0] == "+3 to +10 %"


# --- the claims of the design ---


def test_each_experiment_can_be_run_here() -> None:
    claims = list_claims(0.05)
    names = [claim.name for claim in claims]
    assert names == ["adaptive", "big cache", "shards", "tiers", "routes", "pre-warm", "linked chunks"]
    for claim in claims:
        claim.plan(2).check()
        known = {variant.name for variant in claim.variants}
        assert {name for pair in claim.pairs for name in pair} <= known
        assert {work for one in claim.expectations for work in one.works} <= {
            work.name for work in claim.works
        }
        assert claim.variants[0].tunables == {}


@pytest.mark.parametrize("claim", list_claims(0.05), ids=lambda claim: claim.name)
def test_its_commands_are_the_same_comparisons(claim: DesignClaim) -> None:
    commands = claim.list_commands(9)
    assert len(commands) == len(claim.works)
    for command, work in zip(commands, claim.works, strict=True):
        words = shlex.split(command)
        assert words[:2] == ["workbench", "compare"]
        given = compare.make_context("compare", words[2:]).params
        variants = comparison_report.read_variants(None, given["variant_texts"], None, ())
        plan = comparison_report.make_plan(
            given["workload_names"],
            (),
            given["parameters"],
            variants,
            given["threads"],
            given["seconds"],
            None,
        )
        assert given["rounds"] == 9
        same = claim.plan(1)
        wanted = {cell.trial.id for cell in same.list_cells() if cell.work == work.name}
        assert {cell.trial.id for cell in plan.list_cells() if cell.round == 0} == wanted


def test_what_the_allocator_tells_comes_with_the_result(tmp_path: Path) -> None:
    result = run_trial(Trial("random_mixed", {"slots": 5000}, threads=1, operations=200_000))
    assert result.telemetry["tls.allocations"] > 50_000
    assert 0 < result.telemetry["tls.misses"] <= result.telemetry["tls.refills"] + 1
    assert result.telemetry["registry.entries"] >= 1
    assert all(math.isfinite(value) for value in result.telemetry.values())
    results = Results.open(tmp_path / "results")
    with results.writing():
        results.add(result)
        results.compact()
    assert next(iter(Results.open(tmp_path / "results"))) == result
    assert run_trial(Trial("random_mixed", operations=1000, allocator="glibc")).telemetry == {}


def test_results_of_before_there_was_telemetry_can_be_read() -> None:
    result = make_result(Trial("random_mixed", operations=1000))
    row = result.to_row()
    del row["telemetry"]
    assert type(result).from_row(row) == result
    assert type(result).from_row(row | {"telemetry": None}) == result
