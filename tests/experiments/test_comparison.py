"""A comparison: interleaved, paired, judged only where that was declared."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.experiments.results_fixture import MACHINE, SOFTWARE, make_result
from workbench.errors import MixedResults, OutOfRange, WorkbenchError, WrongPlan, WrongResults
from workbench.experiments import (
    ALL_WORKS,
    MEASURES,
    PEAK_RESIDENT,
    Cell,
    ComparisonPlan,
    Result,
    Results,
    Run,
    Variant,
    Work,
    conclude,
    run_comparison,
)
from workbench.experiments.comparison import list_warmup

SMALL = Work("small", Run("random_mixed", operations=2000))
LARGE = Work("large", Run("random_mixed", {"slots": 4096}, operations=2000))
GLIBC, OURS = Variant("glibc", "glibc"), Variant("hakmem")
TIGHT = Variant("tight", tunables={"tls.max_slots": 256})
PLAN = ComparisonPlan((SMALL, LARGE), (GLIBC, OURS, TIGHT), rounds=12)

Rate = Callable[[Cell], float]


def fill(plan: ComparisonPlan, rate: Rate, rounds: int | None = None) -> Results:
    """Made-up results of the first rounds."""
    results = Results(Path("unused"))
    for cell in plan.list_cells():
        if rounds is None or cell.round < rounds:
            results._by_id[cell.run.resolve().id] = make_result(cell.run, rate(cell))
    return results


def favour_ours(cell: Cell) -> float:
    return (1.0 + cell.round) * 1e6 * {"glibc": 1.0, "hakmem": 1.5, "tight": 0.8}[cell.variant]


def test_every_round_has_every_variant_of_every_work_once_in_an_order_of_its_own() -> None:
    orders = set()
    for number in range(PLAN.rounds):
        cells = PLAN.list_round(number)
        assert cells == PLAN.list_round(number)
        assert Counter((cell.work, cell.variant) for cell in cells) == {
            (work.name, variant.name): 1 for work in PLAN.works for variant in PLAN.variants
        }
        orders.add(tuple((cell.work, cell.variant) for cell in cells))
        # What is paired runs one after another.
        assert len({cell.work for cell in cells[:3]}) == len({cell.work for cell in cells[3:]}) == 1
        assert {cell.run.seed for cell in cells} == {1 + number}
    assert len(orders) > 3
    runs = [cell.run for cell in PLAN.list_cells()]
    assert len({run.resolve().id for run in runs}) == len(runs)


def test_another_seed_is_another_order() -> None:
    assert list(PLAN.list_cells()) != list(replace(PLAN, seed=2).list_cells())


def test_a_difference_is_told_and_what_all_works_say() -> None:
    found = conclude(PLAN, fill(PLAN, favour_ours))
    assert (found.rounds, found.is_judged, found.is_warm) == (12, True, True)
    for work in ("small", "large", ALL_WORKS):
        assert found.find(work, "hakmem").ratio.estimate == pytest.approx(1.5)
        assert found.find(work, "hakmem").ratio.verdict == "better"
        assert found.find(work, "tight").ratio.verdict == "worse"
        assert found.describe(found.find(work, "hakmem", PEAK_RESIDENT)) == "the same within 1 %"
    assert found.find("small", "hakmem").baseline_value == pytest.approx(6.5e6)
    with pytest.raises(KeyError):
        found.find("small", "nobody")


@given(st.integers(0, 11))
@settings(deadline=None, max_examples=12)
def test_between_two_looks_nothing_is_judged(rounds: int) -> None:
    plan = replace(PLAN, looks=3)
    found = conclude(plan, fill(plan, favour_ours, rounds))
    assert found.rounds == rounds
    assert found.is_judged == (rounds in (4, 8))
    if not found.is_judged:
        assert {finding.ratio.verdict for finding in found.findings} <= {"cannot tell"}
        finding = found.find("small", "hakmem")
        assert found.describe(finding) == "no verdict before the declared rounds"


def test_no_results_tell_nothing() -> None:
    found = conclude(PLAN, Results(Path("unused")))
    assert found.rounds == 0
    assert found.machine == ""
    assert found.find("small", "hakmem").ratio.pairs == 0


def test_failed_runs_leave_out_their_round_and_are_told() -> None:
    results = fill(PLAN, favour_ours)
    broken = [cell for cell in PLAN.list_cells() if cell.round < 3 and cell.variant == "hakmem"]
    for cell in broken:
        result = make_result(cell.run, 9e9, status="crashed", reason="ended by SIGSEGV")
        results._by_id[cell.run.resolve().id] = result
    found = conclude(PLAN, results)
    finding = found.find("small", "hakmem")
    assert (finding.failed, finding.ratio.pairs) == (3, 9)
    assert finding.ratio.estimate == pytest.approx(1.5)
    assert found.failures == {
        "small under hakmem: crashed: ended by SIGSEGV": 3,
        "large under hakmem: crashed: ended by SIGSEGV": 3,
    }


def test_results_of_two_machines_are_not_compared() -> None:
    results = fill(PLAN, favour_ours)
    cell = PLAN.list_round(3)[0]
    other = dataclasses.replace(MACHINE, id="f" * 16, description="another machine")
    results._by_id[cell.run.resolve().id] = make_result(cell.run, machine=other)
    with pytest.raises(MixedResults, match=r"2 machines cannot be compared.*another machine"):
        conclude(PLAN, results)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"allocator_checksum": "b" * 64}, "was built anew"), ({"runner_checksum": "s" * 64}, "the runner")],
)
def test_results_of_two_builds_are_not_compared(changed: dict[str, str], said: str) -> None:
    results = fill(PLAN, favour_ours)
    cell = PLAN.list_round(3)[0]
    results._by_id[cell.run.resolve().id] = make_result(
        cell.run, software=dataclasses.replace(SOFTWARE, **changed)
    )
    with pytest.raises(MixedResults, match=said):
        conclude(PLAN, results)


def test_one_allocator_can_be_compared_with_itself() -> None:
    plan = ComparisonPlan((SMALL,), (GLIBC, Variant("glibc again", "glibc")), rounds=9)
    assert len({cell.run.resolve().id for cell in plan.list_cells()}) == 18
    assert conclude(plan, fill(plan, lambda cell: 1e6)).find("small", "glibc again").ratio.is_same


def test_defaults_written_down_are_measured_for_themselves() -> None:
    """They are the same content as none, so only the number of the repeat keeps their runs apart."""
    written = Variant("written down", tunables={"tls.grow_percent": "80 %"})
    plan = ComparisonPlan((SMALL,), (OURS, written, TIGHT), rounds=9)
    assert len({cell.run.resolve().id for cell in plan.list_cells()}) == 27


WRONG: list[tuple[dict[str, object], type[WorkbenchError], str]] = [
    ({"works": ()}, WrongPlan, "needs a workload"),
    ({"variants": (OURS,)}, WrongPlan, "needs two variants"),
    ({"variants": (OURS, Variant("hakmem", "glibc"))}, WrongPlan, "variant 'hakmem' stands twice"),
    ({"works": (SMALL, SMALL)}, WrongPlan, "workload 'small' stands twice"),
    ({"rounds": 0}, OutOfRange, "rounds: 0"),
    ({"looks": 0}, OutOfRange, "looks: 0"),
    ({"looks": 13}, OutOfRange, "looks: 13 is not within 1 to the 12 rounds"),
    ({"variants": (GLIBC, Variant("x", "nomalloc"))}, WorkbenchError, "nomalloc"),
    ({"variants": (GLIBC, Variant("x", tunables={"tls.max_slots": 0}))}, OutOfRange, "tls.max_slots = 0"),
    ({"works": (Work("x", Run("no_work")),)}, WorkbenchError, "no_work"),
]


@pytest.mark.parametrize(("changed", "kind", "said"), WRONG)
def test_a_wrong_plan_is_named(changed: dict[str, object], kind: type[WorkbenchError], said: str) -> None:
    with pytest.raises(kind, match=said):
        replace(PLAN, **changed).check()


def test_it_runs_and_is_resumed_where_it_was(tmp_path: Path) -> None:
    plan = ComparisonPlan((SMALL,), (GLIBC, OURS), rounds=3, samples_latency=True)
    seen: list[Result] = []

    def interrupt(result: Result) -> None:
        seen.append(result)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_comparison(plan, Results.open(tmp_path), interrupt)
    kept = {result.id: result for result in Results.open(tmp_path)}
    assert len(kept) == 5
    assert conclude(plan, Results.open(tmp_path)).rounds == 1
    found = run_comparison(plan, Results.open(tmp_path))
    again = {result.id: result for result in Results.open(tmp_path)}
    assert again.items() >= kept.items()
    assert set(again) == {cell.run.resolve().id for cell in plan.list_cells()}
    assert found.rounds == 3
    others = ("cached", "processor time", "elapsed", "page faults")
    always = {measure for measure in MEASURES if measure.name not in others}
    assert {finding.measure for finding in found.findings} >= always
    with pytest.raises(WrongResults, match="another plan"):
        run_comparison(replace(plan, rounds=4, seed=2), Results.open(tmp_path))


def test_a_look_at_which_all_is_told_ends_it(tmp_path: Path) -> None:
    plan = ComparisonPlan((SMALL,), (GLIBC, OURS), rounds=40, looks=2)
    rates = {"glibc": 1e6, "hakmem": 2e6}

    def measure(run: Run, *, warm_bytes: int | None = None) -> Result:
        return make_result(run, rates[run.allocator])

    found = run_comparison(plan, Results.open(tmp_path), measure=measure)
    assert (found.rounds, found.is_judged) == (20, True)
    assert found.find("small", "hakmem").ratio.verdict == "better"
    assert len(Results.open(tmp_path)) == 40
    assert run_comparison(plan, Results.open(tmp_path)) == found


class Counting:
    """Measures at once, and keeps what it was asked to."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.broken: set[str] = set()

    def __call__(self, run: Run, *, warm_bytes: int | None = None) -> Result:
        self.runs.append(run)
        status = "failed" if run.allocator in self.broken else "completed"
        rate = {"glibc": 1e6, "hakmem": 2e6}[run.allocator] * (1 + len(self.runs) % 3 / 100)
        return make_result(run, rate, status=status)


def test_a_kept_comparison_goes_on_with_more_rounds_at_half_the_risk(tmp_path: Path) -> None:
    plan, measure = ComparisonPlan((SMALL,), (GLIBC, OURS), rounds=10), Counting()
    first = run_comparison(plan, Results.open(tmp_path), measure=measure)
    longer = replace(plan, rounds=18)
    assert longer.find_risk(10) is None
    found = run_comparison(longer, Results.open(tmp_path), measure=measure)
    assert len(measure.runs) == 2 * 18
    assert (found.rounds, found.is_judged, found.plan.looked) == (18, True, (10,))
    risks = [one.plan.find_risk(one.rounds) or 0 for one in (first, found)]
    assert risks[1] == risks[0] / 2
    assert run_comparison(longer, Results.open(tmp_path), measure=measure) == found
    more = run_comparison(replace(plan, rounds=20), Results.open(tmp_path), measure=measure)
    assert more.plan.looked == (10, 18)
    assert len(measure.runs) == 2 * 20
    with pytest.raises(WrongResults, match="it has 20 rounds; give as many, or more"):
        run_comparison(plan, Results.open(tmp_path), measure=measure)
    assert ComparisonPlan.from_dict(Results.open(tmp_path).declared) == more.plan


def test_one_that_was_interrupted_and_goes_on_longer_was_not_looked_at(tmp_path: Path) -> None:
    plan, measure = ComparisonPlan((SMALL,), (GLIBC, OURS), rounds=10), Counting()

    def interrupt(_: Result) -> None:
        if len(measure.runs) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_comparison(plan, Results.open(tmp_path), interrupt, measure=measure)
    found = run_comparison(replace(plan, rounds=12), Results.open(tmp_path), measure=measure)
    assert (found.rounds, found.plan.looked) == (12, ())
    assert len(measure.runs) == 24


def test_two_variants_that_are_the_same_cannot_go_on(tmp_path: Path) -> None:
    plan = ComparisonPlan((SMALL,), (GLIBC, Variant("glibc again", "glibc")), rounds=2)
    run_comparison(plan, Results.open(tmp_path), measure=Counting())
    with pytest.raises(WrongResults, match="two variants are the same"):
        run_comparison(replace(plan, rounds=3), Results.open(tmp_path), measure=Counting())


def test_what_failed_is_tried_again_and_warm_up_is_told(tmp_path: Path) -> None:
    plan, measure = ComparisonPlan((SMALL,), (GLIBC, OURS), rounds=3, warmup=2), Counting()
    measure.broken = {"hakmem"}
    told: list[Result] = []
    assert len(list_warmup(plan, Results.open(tmp_path))) == 4
    found = run_comparison(plan, Results.open(tmp_path), told.append, measure=measure)
    assert len(told) == len(measure.runs) == 4 + 6
    assert found.failures.keys() == {"small under hakmem: failed: "}
    measure.broken = set()
    found = run_comparison(plan, Results.open(tmp_path), told.append, measure=measure)
    assert len(told) == len(measure.runs) == 10 + 4 + 3
    assert found.failures == {}
    assert found.rounds == 3
    assert list_warmup(plan, Results.open(tmp_path)) == []
