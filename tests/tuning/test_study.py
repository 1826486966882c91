"""Studies with made-up measurements: what is found, what is not, and that nothing is lost."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.experiments.results_fixture import make_result
from tests.tuning.fakes import STUDY, FakeMeasurer, hidden_optimum, make_plan, same, trade, write_study
from workbench.control import Value
from workbench.errors import BadParameter, OutOfRange, WrongPlan, WrongResults
from workbench.experiments import Result, Run
from workbench.tuning import Candidate, Study, StudyStep, read_study
from workbench.tuning.racing import choose_front

SMALL = STUDY.replace("trials = 12", "trials = 5")
PARETO = SMALL.replace("seeds", 'objectives = ["throughput", "peak_memory"]\nseeds')


def open_study(folder: Path, measurer: FakeMeasurer, text: str = STUDY) -> Study:
    return Study.open(make_plan(folder, text), folder / "study.toml", measure=measurer)


def test_a_planted_better_setting_is_found_and_confirmed(tmp_path: Path) -> None:
    study = open_study(tmp_path, FakeMeasurer(hidden_optimum))
    study.run()
    best = study.best_settings()
    assert abs(float(best["tls.grow_percent"]) - 60) <= 6
    outcomes = Counter(one.outcome for one in study.list_candidates())
    assert outcomes["better"] >= 1
    assert outcomes["pruned"] >= 5
    assert sum(outcomes.values()) == 12
    held_out = study.compare_held_out()
    assert held_out is not None
    assert held_out.comparison.is_judged
    assert held_out.confirmed == (study.find_winners()[0].name,)
    assert held_out.findings[0].ratio.low > 1.1
    assert {result.run.seed for result in held_out.comparison.results} == set(range(100, 112))
    assert {result.run.workload for result in held_out.comparison.results} == {"random_mixed", "larson"}
    assert any("better than the defaults on what was held out" in line for line in held_out.describe())
    frame = study.to_frame()
    assert {"number", "outcome", "throughput_ratio", "tls.grow_percent"} <= set(frame.columns)
    assert len(frame) == 12


@pytest.mark.parametrize("objective", ["rate", "wait", "elapsed"])
def test_a_program_is_tuned_for_a_figure_of_its_own_whichever_way_is_better(
    tmp_path: Path, objective: str
) -> None:
    def measure(run: Run, *, warm_bytes: int | None = None) -> Result:
        result = FakeMeasurer(hidden_optimum)(run)
        rate = result.operations_per_s
        return dataclasses.replace(result, figures={"rate": rate, "wait": 1 / rate, "elapsed": 1 / rate})

    figures = """[
        { name = "rate", unit = "1/s", better = "higher", regex = "rate (.*)" },
        { name = "wait", unit = "s", regex = "wait (.*)" },
    ]"""
    work = f'[[works]]\nname = "mine"\ncommand = "true"\nfigures = {figures}\n'
    search = '[search]\n"tls.grow_percent" = { from = 55, to = 90 }\n'
    path = write_study(tmp_path, f"trials = 8\nrounds = 8\n{work}{search}")
    plan = read_study(path, [objective])
    study = Study.open(plan, path, measure=measure)
    study.run()
    assert abs(float(study.best_settings()["tls.grow_percent"]) - 60) <= 6
    held_out = study.compare_held_out()
    assert held_out is not None
    assert held_out.confirmed == (study.find_winners()[0].name,)
    assert {finding.measure.name for finding in held_out.findings} == {objective}
    assert objective in study.to_table().columns
    with pytest.raises(WrongPlan, match=f"unknown objective '{objective}s': did you mean '{objective}'"):
        read_study(path, [f"{objective}s"])


def test_where_nothing_makes_a_difference_nothing_is_found(tmp_path: Path) -> None:
    study = open_study(tmp_path, FakeMeasurer(same))
    study.run()
    assert study.best_settings() == {}
    assert study.find_winners() == []
    assert study.compare_held_out() is None
    assert study.read_held_out() is None


def test_a_winner_by_luck_is_found_out_on_what_was_held_out(tmp_path: Path) -> None:
    class Lucky(FakeMeasurer):
        """Settings help on the seeds of the search, and on no other."""

        def __call__(self, run: Run, *, warm_bytes: int | None = None) -> Result:
            self.rule = hidden_optimum if run.seed < 100 else same
            return super().__call__(run)

    study = open_study(tmp_path, Lucky(same), SMALL)
    study.run()
    assert study.best_settings()
    held_out = study.compare_held_out()
    assert held_out is not None
    assert held_out.confirmed == ()
    assert held_out.describe()[-1] == "nothing beats the defaults on what was held out: keep them"


def test_pairs_are_interleaved_and_all_of_one_seed(tmp_path: Path) -> None:
    measurer = FakeMeasurer(same)
    open_study(tmp_path, measurer, SMALL.replace("trials = 5", "trials = 1")).run()
    pairs = list(zip(measurer.runs[::2], measurer.runs[1::2], strict=True))
    assert 4 <= len(pairs) <= 8  # a race may be over before the last round
    for index, (first, second) in enumerate(pairs):
        assert first.seed == second.seed == (1, 2, 3)[index % 3]
        assert first.round == second.round
        assert sorted([bool(first.tunables), bool(second.tunables)]) == [False, True]
    assert {bool(first.tunables) for first, _ in pairs} == {False, True}  # in random order


class InterruptError(Exception):
    """In place of a kill."""


@pytest.mark.parametrize("text", [SMALL, PARETO], ids=["one", "pareto"])
def test_a_study_that_is_interrupted_anywhere_ends_as_if_it_was_not(tmp_path: Path, text: str) -> None:
    rule = hidden_optimum if text is SMALL else trade
    whole_folder, cut_folder = tmp_path / "whole", tmp_path / "cut"
    whole_folder.mkdir()
    cut_folder.mkdir()
    whole, measured = open_study(whole_folder, wanted := FakeMeasurer(rule), text), FakeMeasurer(rule)
    whole.run()
    for length in (1, 2, 3, 5, 8, 13, 1000):
        left = [length]

        def stop(step: StudyStep, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise InterruptError

        study = open_study(cut_folder, measured, text)
        try:
            study.run(on_step=stop)
        except InterruptError:
            assert any(one.outcome == "running" for one in study.list_candidates())
            continue
        break

    def strip(candidates: list[Candidate]) -> list[Candidate]:
        return [dataclasses.replace(one, owner="") for one in candidates]

    assert strip(study.list_candidates()) == strip(whole.list_candidates())
    ids = [run.resolve().id for run in measured.runs]
    assert len(set(ids)) == len(ids)  # nothing twice
    assert ids == [run.resolve().id for run in wanted.runs]  # nothing lost
    assert study.results.ids == set(ids)


def test_more_trials_can_be_asked_for(tmp_path: Path) -> None:
    study = open_study(tmp_path, FakeMeasurer(same), SMALL)
    study.run()
    study.run()  # there is nothing left
    assert len(study.list_candidates()) == 5
    study.run(7)
    assert [one.number for one in study.list_candidates()] == list(range(7))
    assert all(one.is_finished for one in study.list_candidates())
    with pytest.raises(OutOfRange, match="trials: -1"):
        study.run(-1)


def test_an_injected_candidate_is_the_next_and_may_win(tmp_path: Path) -> None:
    study = open_study(tmp_path, FakeMeasurer(hidden_optimum), SMALL)
    assert study.inject({"tls.grow_percent": 60}) == {"tls.grow_percent": 60, "tls.max_slots": 2048}
    assert [(one.outcome, one.is_injected) for one in study.list_candidates()] == [("queued", True)]
    study.run(1)
    first = study.list_candidates()[0]
    assert (first.outcome, first.settings["tls.grow_percent"]) == ("better", 60)
    study.inject({"tls.grow_percent": 60})
    study.inject({"tls.grow_percent": 80})
    study.run(1)  # what is queued is tried, whatever the goal
    told = [(one.outcome, one.reason) for one in study.list_candidates()]
    assert told[1:] == [
        ("repeated", "has the settings of trial 0"),
        ("repeated", "has the settings of defaults"),
    ]
    assert study.find_winners()[0].number == 0
    with pytest.raises(OutOfRange, match="8 slots is not searched here"):
        study.inject({"tls.max_slots": 8})


@pytest.mark.parametrize("status", ["crashed", "timed out", "out of memory"])
def test_a_candidate_that_fails_is_recorded_and_the_study_goes_on(tmp_path: Path, status: str) -> None:
    def fails(settings: Mapping[str, Value]) -> bool:
        return float(settings.get("tls.grow_percent", 80)) > 80

    class Fragile(FakeMeasurer):
        def __call__(self, run: Run, *, warm_bytes: int | None = None) -> Result:
            if fails(run.tunables):
                self.runs.append(run)
                return make_result(run, status=status, reason="it is said why")
            return super().__call__(run)

    study = open_study(tmp_path, Fragile(same))
    study.run()
    candidates = study.list_candidates()
    failed = [one for one in candidates if one.outcome == "failed"]
    assert failed == [one for one in candidates if fails(one.settings)] != []
    assert all(one.reason == f"random_mixed: {status}: it is said why" for one in failed)
    assert len(failed) < len(candidates) == 12
    # One failure is enough: its other rounds are not run.
    assert max(Counter(result.status == status for result in study.results).values()) > len(failed)
    assert sum(not result.is_measured for result in study.results) == len(failed)


def test_where_the_defaults_fail_nothing_is_better(tmp_path: Path) -> None:
    class Broken(FakeMeasurer):
        def __call__(self, run: Run, *, warm_bytes: int | None = None) -> Result:
            if not run.tunables:
                return make_result(run, status="crashed", reason="SIGSEGV")
            return super().__call__(run)

    study = open_study(tmp_path, Broken(same), SMALL.replace("trials = 5", "trials = 2"))
    study.run()
    assert [(one.outcome, one.reason) for one in study.list_candidates()] == [
        ("failed", "no pair counts: defaults failed in every round")
    ] * 2


def test_a_pair_of_two_builds_does_not_count(tmp_path: Path) -> None:
    class Rebuilt(FakeMeasurer):
        """The allocator is built anew in the middle of the second pair, and is much faster then."""

        def __call__(self, run: Run, *, warm_bytes: int | None = None) -> Result:
            result = super().__call__(run)
            if len(self.runs) <= 3:
                return result
            software = dataclasses.replace(result.software, allocator_checksum="another build")
            rate = 10 * result.operations_per_s
            return dataclasses.replace(result, software=software, operations_per_s=rate)

    study = open_study(tmp_path, Rebuilt(same, noise=0.001), SMALL.replace("trials = 5", "trials = 1"))
    study.run()
    (one,) = study.list_candidates()
    assert one.pairs == len(study.results) / 2 - 1
    assert one.values[0] == pytest.approx(1.0, abs=0.01)


def test_a_pareto_study_finds_a_front_and_stops_what_is_dominated(tmp_path: Path) -> None:
    def rule(settings: Mapping[str, Value]) -> tuple[float, float]:
        throughput, memory = trade(settings)
        # Away from the default only the memory grows.
        grow = float(settings.get("tls.grow_percent", 80))
        return throughput, memory * (1 + abs(grow - 80) / 20)

    text = PARETO.replace("trials = 5", "trials = 10")
    study = open_study(tmp_path, FakeMeasurer(rule, noise=0.01), text)
    study.inject({"tls.max_slots": 256})
    study.inject({"tls.max_slots": 4096})
    study.run()
    candidates = study.list_candidates()
    assert Counter(one.outcome for one in candidates)["dominated"] >= 2
    assert all(one.against == -1 for one in candidates)
    whole = [one for one in candidates if one.outcome in ("better", "not better")]
    on_front = choose_front([one.values for one in whole], study.plan.measures)
    front = {whole[index].number for index in on_front}
    assert {0, 1} <= front
    small, big = candidates[:2]
    assert small.values == pytest.approx((0.125**0.2, 0.125**0.3), rel=0.03)
    assert big.values == pytest.approx((2**0.2, 2**0.3), rel=0.03)
    assert study.best_settings() == candidates[0].settings  # more is gained than lost
    held_out = study.compare_held_out()
    assert held_out is not None
    assert "trial 0" in held_out.traded and set(held_out.traded) <= {f"trial {number}" for number in front}
    assert held_out.confirmed == ()
    assert "better in one objective, worse in another" in held_out.describe()[-1]


def test_tuning_for_memory_finds_what_is_smaller(tmp_path: Path) -> None:
    text = SMALL.replace("seeds", 'objectives = ["peak_memory"]\nseeds')
    study = open_study(tmp_path, FakeMeasurer(trade), text)
    study.run()
    best = study.best_settings()
    assert float(best["tls.max_slots"]) < 500
    held_out = study.compare_held_out()
    assert held_out is not None
    assert held_out.findings[0].ratio.high < 0.8
    assert held_out.confirmed


def test_two_machines_share_a_storage(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, SMALL)
    place, url = tmp_path / "study.toml", f"sqlite:///{tmp_path}/shared.db"
    one = Study.open(plan, place, storage=url, results=tmp_path / "one", measure=FakeMeasurer(same))
    other = Study.open(plan, place, storage=url, results=tmp_path / "other", measure=FakeMeasurer(same))

    def stop(step: StudyStep) -> None:
        raise InterruptError

    with pytest.raises(InterruptError):
        one.run(on_step=stop)
    other.run(3)  # leaves alone what the first was at
    assert [each.outcome == "running" for each in other.list_candidates()] == [True, False, False, False]
    one.run(4)
    assert all(each.is_finished for each in one.list_candidates())
    assert len(one.list_candidates()) == 4
    assert not one.results.ids & other.results.ids


def test_another_plan_is_refused_and_a_longer_one_is_not(tmp_path: Path) -> None:
    open_study(tmp_path, FakeMeasurer(same), SMALL.replace("trials = 5", "trials = 1")).run()
    open_study(tmp_path, FakeMeasurer(same), SMALL.replace("trials = 5", "trials = 2")).run()
    for changed in (SMALL.replace("rounds = 8", "rounds = 9"), SMALL.replace("4096", "2048"), PARETO):
        with pytest.raises(WrongResults, match="is of another plan; take back what was changed"):
            open_study(tmp_path, FakeMeasurer(same), changed)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "'nonsense' is no URL of a database"),
        ("mysql://user:secret@127.0.0.1/x", "the driver of this database is missing"),
        ("sqlite:////no/such/folder/x.db", "/no/such/folder/x.db: unable to open database file"),
        ("sqlite:///{folder}/text.db", "text.db: file is not a database"),
        ("sqlite:///{folder}", "unable to open database file"),
    ],
)
def test_a_storage_that_cannot_be_used_is_one_line(tmp_path: Path, url: str, said: str) -> None:
    (tmp_path / "text.db").write_text("no database " * 1000)
    with pytest.raises(WrongResults) as caught:
        Study.open(make_plan(tmp_path), tmp_path / "study.toml", storage=url.format(folder=tmp_path))
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    study = open_study(tmp_path, FakeMeasurer(same), SMALL)
    with pytest.raises(BadParameter, match="'many'"):
        study.inject({"tls.max_slots": "many"})
    assert study.list_candidates() == []


def test_values_are_carried_over_from_what_a_candidate_ran_against(tmp_path: Path) -> None:
    study = open_study(tmp_path, FakeMeasurer(hidden_optimum, noise=0.001), SMALL)
    study.inject({"tls.grow_percent": 70})
    study.inject({"tls.grow_percent": 60})
    study.run(2)
    first, second = study.list_candidates()
    assert (first.against, second.against) == (-1, 0)
    assert first.values[0] == pytest.approx(1.1, rel=0.01)
    assert second.ratios[0][0] == pytest.approx(1.2 / 1.1, rel=0.01)
    assert second.values[0] == pytest.approx(1.2, rel=0.01)
    assert math.isclose(second.values[0], second.ratios[0][0] * first.values[0])
