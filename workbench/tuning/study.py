"""A study: candidates are asked for, measured in pairs with the incumbent, and told; resumable at any moment.

Two things are kept: what is asked and told, in Optuna's storage, and every measured run, in a set of
results. A candidate that was being measured when the process ended is still "running" in the storage; who
opens the study again with the same results goes on with it, and finds its runs done.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import optuna
from optuna.trial import TrialState

from workbench.control import Value
from workbench.display import Displayed
from workbench.errors import OutOfRange
from workbench.experiments import (
    ComparisonPlan,
    Result,
    Results,
    describe_machine,
    measure_run,
)
from workbench.experiments.execution import Measurer
from workbench.experiments.inference import FloatArray
from workbench.table import Table
from workbench.tuning import candidate as kept
from workbench.tuning.candidate import (
    DEFAULTS,
    Candidate,
    name_candidate,
    read_candidate,
    tabulate_candidates,
    write_ratios,
)
from workbench.tuning.held_out import HeldOut, conclude_held_out, run_held_out
from workbench.tuning.objective import benefit, direction
from workbench.tuning.pair_runner import PairRunner
from workbench.tuning.plan import MOST_TRIALS, StudyPlan
from workbench.tuning.racing import Standing, choose_front, judge_candidate, stack_rounds
from workbench.tuning.storage import (
    describe_url,
    make_sampler,
    open_study,
    require_study,
    sqlite_url,
    tell_storage,
)

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_WINNERS = 3
_SHOWN_CANDIDATES = 12
_OWNER_CHARACTERS = 16


@dataclass(frozen=True)
class StudyStep:
    """A measured run, and where the study stands after it.

    Parameters
    ----------
    result : Result
    number, round : int
        Number of the candidate, and the round of its pair.
    finished, goal : int
        Candidates.
    runs, runs_left : int
        Since `Study.run` began, and about how many there will be.
    """

    result: Result
    number: int
    round: int
    finished: int
    goal: int
    runs: int
    runs_left: int


#: Told of each new run; what it raises ends the study, which goes on from there when it is run again.
StepListener = Callable[[StudyStep], object]
#: Told of each candidate that is finished.
CandidateListener = Callable[[Candidate], object]


class Study(Displayed):
    """Made by `open`."""

    def __init__(
        self, plan: StudyPlan, study: optuna.study.Study, url: str, folder: Path, measure: Measurer
    ) -> None:
        self._plan = plan
        self._study = study
        self._url = url
        self._folder = folder
        self._results = Results.open(folder)
        self._measure = measure
        self._pairs = PairRunner(plan, self._results, measure, self._note)
        self._owner = _name_owner(folder)
        self._listener: StepListener | None = None
        self._goal = self._finished = 0
        self._runs = self._runs_of_finished = self._finished_here = 0

    @classmethod
    def open(
        cls,
        plan: StudyPlan,
        place: str | os.PathLike[str],
        *,
        storage: str | None = None,
        results: str | os.PathLike[str] | None = None,
        measure: Measurer = measure_run,
        must_exist: bool = False,
    ) -> Self:
        """Open a study, or begin it.

        Parameters
        ----------
        plan : StudyPlan
            Checked.
        place : path
            Path of the study file. Beside it are NAME.db, unless the plan or `storage` names a database, and
            NAME.results with every run.
        storage : str, optional
            URL of a database for Optuna, in place of the plan's.
        results : path, optional
            Another folder for the runs; each machine that works on a study has its own.
        measure : callable
            Measures a run; another one than `measure_run` is for trying out a study without measuring.
        must_exist : bool
            Whether to begin none, and to make no database.

        Raises
        ------
        WrongResults
            If the database or the folder cannot be used, or holds another study; or none, if it must.
        """
        base = Path(place)
        url = storage or plan.storage or sqlite_url(base.with_suffix(".db"))
        folder = Path(results) if results is not None else base.with_suffix(".results")
        directions = [direction(each) for each in plan.measures]
        if must_exist:
            require_study(url, plan.name)
        return cls(plan, open_study(url, plan.name, directions, plan.to_dict()), url, folder, measure)

    @property
    def plan(self) -> StudyPlan:
        """As it was declared."""
        return self._plan

    @property
    def results(self) -> Results:
        """Every run of the search."""
        return self._results

    @property
    def storage(self) -> str:
        """Where it is kept, without a password."""
        return describe_url(self._url)

    @property
    def is_running(self) -> bool:
        """Whether a process measures for it on this machine, with these results."""
        return self._results.is_held

    def list_candidates(self) -> list[Candidate]:
        """All so far, in their order."""
        with tell_storage(self._url):
            return [read_candidate(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def to_frame(self) -> pd.DataFrame:
        """A row a candidate: number, outcome, pairs, ratios to the defaults, settings, reason."""
        import pandas as pd

        rows = []
        for one in self.list_candidates():
            row: dict[str, object] = {"number": one.number, "outcome": one.outcome}
            row |= {"against": name_candidate(one.against), "pairs": one.pairs}
            for index, name in enumerate(self._plan.objectives):
                row[f"{name}_ratio"] = one.values[index] if one.values else math.nan
            rows.append(row | dict(one.settings) | {"reason": one.reason})
        return pd.DataFrame(rows)

    def to_table(self) -> Table:
        """How it stands: a row for each of the latest candidates."""
        candidates = self.list_candidates()
        caption = f"{self._summarise(candidates)}; kept in {self.storage} and {self._results.path}"
        return tabulate_candidates(
            candidates[-_SHOWN_CANDIDATES:], self._plan.objectives, self._plan.allocator, caption
        )

    def __repr__(self) -> str:
        return f"<Study {self._summarise(self.list_candidates())}>"

    def _summarise(self, candidates: Sequence[Candidate]) -> str:
        finished = sum(one.is_finished for one in candidates)
        counts = Counter(sorted(one.outcome for one in candidates))
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        return f"{self._plan.name}: {finished} trials finished of {self._plan.trials}" + f" ({told})" * bool(
            told
        )

    # --- what came of it so far ---

    def find_winners(self) -> list[Candidate]:
        """What the search has come to, the best first.

        With one objective, the incumbent, if anything took the defaults' place; with several, up to three on
        the front, of which the search told that they are better than the defaults in something.
        """
        better = [one for one in self.list_candidates() if one.outcome == "better"]
        if len(self._plan.measures) == 1:
            return sorted(better, key=self._gain)[-1:]
        members = [
            better[index] for index in choose_front([one.values for one in better], self._plan.measures)
        ]
        chosen = {one.number: one for one in sorted(members, key=self._gain)[-1:]}
        for index, measure in enumerate(self._plan.measures):
            best = sorted(members, key=lambda one: benefit(measure, one.values[index]))[-1:]
            chosen |= {one.number: one for one in best}
        return list(chosen.values())[:_SHOWN_WINNERS]

    def find_front(self) -> list[Candidate]:
        """Find the candidates with all their rounds that nothing else beats, with several objectives."""
        whole = [one for one in self.list_candidates() if one.outcome in ("better", "not better")]
        return [whole[index] for index in choose_front([one.values for one in whole], self._plan.measures)]

    def best_settings(self) -> dict[str, Value]:
        """Settings of the first of `find_winners`; empty if the defaults were never beaten.

        With several objectives, only if what is gained in one is more than what is lost in the others.
        """
        winners = self.find_winners()
        return dict(winners[0].settings) if winners and self._gain(winners[0]) > 1 else {}

    # --- going on with it ---

    def inject(self, settings: Mapping[str, Value]) -> dict[str, Value]:
        """Queue settings as the next candidate; searched tunables that are left out have their defaults.

        Returns
        -------
        dict of str to Value
            The whole settings.

        Raises
        ------
        UnknownTunable, OutOfRange, BadParameter, ConstraintBroken
            If they are not within the study's ranges, or do not go together.
        """
        whole = self._plan.space.complete(settings)
        with tell_storage(self._url):
            self._study.enqueue_trial(dict(whole), user_attrs={kept.IS_INJECTED: True, kept.SETTINGS: whole})
        return whole

    def run(
        self,
        goal: int | None = None,
        on_step: StepListener | None = None,
        on_candidate: CandidateListener | None = None,
    ) -> None:
        """Measure until so many candidates are finished, and none is queued or left over.

        An interrupt, or what a listener raises, ends it at once and loses nothing that was measured.

        Parameters
        ----------
        goal : int, optional
            Candidates in all; the plan's `trials` by default.
        on_step : callable, optional
            Told of each new run.
        on_candidate : callable, optional
            Told of each candidate that is finished.

        Raises
        ------
        WrongResults
            If another process adds to these results, or the database fails.
        """
        self._goal = self._plan.trials if goal is None else goal
        if not 0 <= self._goal <= MOST_TRIALS:
            raise OutOfRange(f"trials: {self._goal} is not within 0 to {MOST_TRIALS}")
        self._listener = on_step
        self._runs = self._runs_of_finished = self._finished_here = 0
        with self._results.writing():
            self._results.declare(self._plan.to_dict())
            try:
                while True:
                    with tell_storage(self._url):
                        trial = self._next()
                    if trial is None:
                        break
                    finished = self._try(trial)
                    self._finished_here += 1
                    self._runs_of_finished = self._runs
                    if on_candidate is not None:
                        on_candidate(finished)
            finally:
                self._results.compact()

    def compare_held_out(self, on_result: Callable[[Result], object] | None = None) -> HeldOut | None:
        """Compare the winners with the defaults on what was held out; None if there is no winner.

        What is measured already is not measured again.

        Raises
        ------
        WrongResults, MixedResults
            If another process adds to these results, or they are of several machines.
        """
        plan, folder = self._plan_held_out()
        if plan is None:
            return None
        return run_held_out(self._plan, plan, folder, on_result, self._measure)

    def read_held_out(self) -> HeldOut | None:
        """What `compare_held_out` has found for these winners so far; None if it has not begun."""
        plan, folder = self._plan_held_out()
        if plan is None or not folder.exists():
            return None
        return conclude_held_out(self._plan, plan, folder)

    def count_held_out(self) -> int:
        """How many runs the held-out comparison has, done or not; 0 if there is no winner."""
        plan, _ = self._plan_held_out()
        return 0 if plan is None else sum(1 for _ in plan.list_cells())

    def _plan_held_out(self) -> tuple[ComparisonPlan | None, Path]:
        winners = {one.name: one.settings for one in self.find_winners()}
        plan = self._plan.compare_held_out(winners) if winners else None
        digest = "" if plan is None else hashlib.sha256(repr(plan.to_dict()).encode()).hexdigest()[:12]
        # Another winner is another comparison; that of an earlier one stays as it is.
        return plan, self._folder / "held_out" / digest

    # --- one candidate ---

    def _next(self) -> optuna.trial.Trial | None:
        """A candidate that was left over, one that is queued, or a new one; None at the goal."""
        trials = self._study.get_trials(deepcopy=False)
        for frozen in trials:
            if frozen.state == TrialState.RUNNING and frozen.user_attrs.get(kept.OWNER) == self._owner:
                return optuna.trial.Trial(self._study, frozen._trial_id)
        self._finished = sum(frozen.state.is_finished() for frozen in trials)
        is_queued = any(
            frozen.state == TrialState.WAITING and frozen.user_attrs.get(kept.IS_INJECTED)
            for frozen in trials
        )
        if self._finished >= self._goal and not is_queued:
            return None
        if not any(frozen.state == TrialState.WAITING for frozen in trials):
            # Not asked for at once: a trial that is queued has its owner when it begins to run, so that
            # a process that ends in between leaves nothing that nobody would go on with.
            self._study.enqueue_trial({}, user_attrs={kept.OWNER: self._owner})
        trial = self._study.ask()
        if trial.user_attrs.get(kept.OWNER) != self._owner:
            trial.set_user_attr(kept.OWNER, self._owner)
        return trial

    def _try(self, trial: optuna.trial.Trial) -> Candidate:
        """Measure a candidate to its end, and tell what came of it."""
        with tell_storage(self._url):
            self._study.sampler = make_sampler(self._plan.sampler_seed, trial.number)
            settings = self._plan.space.suggest(trial)
            trial.set_user_attr(kept.SETTINGS, settings)
            candidates = self.list_candidates()
        repeated = self._find_same(settings, candidates, trial.number)
        if repeated is not None:
            return self._tell(
                trial, "repeated", f"has the settings of {name_candidate(repeated.number)}", repeated
            )
        with tell_storage(self._url):
            if kept.AGAINST not in trial.user_attrs:
                trial.set_user_attr(kept.AGAINST, self._find_incumbent(candidates).number)
            against = next(
                (one for one in candidates if one.number == trial.user_attrs[kept.AGAINST]), _DEFAULTS
            )
        front = [one.values for one in candidates if one.outcome in ("better", "not better")]
        standing, reason = self._race(trial, settings, against, front)
        if standing is None:
            return self._tell(trial, "failed", reason)
        values = tuple(
            ratio.estimate * base
            for ratio, base in zip(standing.ratios, against.values or self._ones, strict=True)
        )
        with tell_storage(self._url):
            trial.set_user_attr(kept.RATIOS, write_ratios(standing.ratios))
            trial.set_user_attr(kept.VALUES, list(values))
        return self._tell(trial, standing.decision, "", None, values)

    def _race(
        self,
        trial: optuna.trial.Trial,
        settings: Mapping[str, Value],
        against: Candidate,
        front: list[tuple[float, ...]],
    ) -> tuple[Standing | None, str]:
        """Pair after pair until it is decided; without a standing, why it failed."""
        measures = self._plan.measures
        reported = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
        rows: list[list[float]] = []
        standing = None
        while standing is None or standing.decision == "go on":
            row, reason = self._pairs.measure_round(trial.number, len(rows), settings, against.settings)
            if row is None:
                return None, reason
            rows.append(row)
            pairs: FloatArray = stack_rounds(rows, len(measures))
            standing = judge_candidate(pairs, measures, self._plan.rounds, front)
            estimate = standing.ratios[0].estimate
            if len(measures) == 1 and len(rows) not in reported and math.isfinite(estimate):
                with tell_storage(self._url):
                    trial.report(estimate * (against.values or self._ones)[0], len(rows))
        if not all(ratio.pairs for ratio in standing.ratios):
            return None, f"no pair counts: {name_candidate(against.number)} failed in every round"
        return standing, ""

    def _note(self, result: Result, number: int, index: int) -> None:
        """A run is done."""
        self._runs += 1
        if self._listener is None:
            return
        a_round = 2 * len(self._plan.works)
        # Candidates to come need what those of now needed.
        mean = self._plan.rounds * a_round / 2
        if self._finished_here:
            mean = self._runs_of_finished / self._finished_here
        of_this = max(mean - (index + 1) * a_round, 0)
        left = round(of_this + max(self._goal - self._finished - 1, 0) * mean)
        self._listener(StudyStep(result, number, index, self._finished, self._goal, self._runs, left))

    def _tell(
        self,
        trial: optuna.trial.Trial,
        outcome: str,
        reason: str = "",
        same: Candidate | None = None,
        values: tuple[float, ...] = (),
    ) -> Candidate:
        """Write down what came of a candidate; its state last, since with it the candidate is finished."""
        with tell_storage(self._url):
            trial.set_user_attr(kept.OUTCOME, outcome)
            trial.set_user_attr(kept.REASON, reason)
            if same is not None:
                values = same.values or (self._ones if same.number == DEFAULTS else ())
                trial.set_user_attr(kept.VALUES, list(values))
            if not values:
                self._study.tell(trial, state=TrialState.FAIL)
            elif outcome == "pruned":
                self._study.tell(trial, state=TrialState.PRUNED)
            else:
                self._study.tell(trial, list(values))
            return read_candidate(self._study.get_trials(deepcopy=False)[trial.number])

    @property
    def _ones(self) -> tuple[float, ...]:
        return (1.0,) * len(self._plan.measures)

    def _gain(self, one: Candidate) -> float:
        """All objectives together, more is better."""
        pairs = zip(self._plan.measures, one.values, strict=True)
        return math.prod(benefit(measure, value) for measure, value in pairs)

    def _find_incumbent(self, candidates: list[Candidate]) -> Candidate:
        """What has to be beaten: with several objectives always the defaults."""
        if len(self._plan.measures) > 1:
            return _DEFAULTS
        return max((one for one in candidates if one.outcome == "better"), key=self._gain, default=_DEFAULTS)

    def _find_same(
        self, settings: Mapping[str, Value], candidates: list[Candidate], number: int
    ) -> Candidate | None:
        """An earlier candidate with these settings that has come to an end, or the defaults."""
        if self._plan.space.is_default(settings):
            return _DEFAULTS
        for one in candidates:
            is_told = one.is_finished and one.outcome != "repeated"
            if one.number != number and is_told and one.settings == settings:
                return one
        return None


_DEFAULTS = Candidate(DEFAULTS, {}, "better")


def _name_owner(folder: Path) -> str:
    """Who goes on with a candidate: this machine, with these results."""
    text = f"{describe_machine().id} {folder.resolve()}"
    return hashlib.sha256(text.encode()).hexdigest()[:_OWNER_CHARACTERS]
