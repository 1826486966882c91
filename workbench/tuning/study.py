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

import numpy as np
import optuna
from optuna.trial import TrialState

from workbench.control import Value
from workbench.display import Displayed
from workbench.errors import OutOfRange
from workbench.experiments import (
    ComparisonPlan,
    Result,
    Results,
    conclude,
    describe_machine,
    measure_run,
    run_comparison,
)
from workbench.experiments.execution import Measurements, Measurer
from workbench.table import Table
from workbench.tuning.held_out import HeldOut
from workbench.tuning.plan import MOST_TRIALS, StudyPlan
from workbench.tuning.racing import CandidateError, Standing, choose_front, judge_candidate, measure_round
from workbench.tuning.storage import (
    DEFAULTS,
    Candidate,
    describe_url,
    format_settings,
    keep,
    keep_ratios,
    make_sampler,
    name_candidate,
    open_study,
    read_candidate,
    require_study,
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
    """A search; made by `open`. Its `plan` is as it was declared, its `results` are every run of it."""

    def __init__(
        self, plan: StudyPlan, study: optuna.study.Study, url: str, folder: Path, measure: Measurer
    ) -> None:
        self.plan = plan
        self._study = study
        self._url = url
        self._folder = folder
        self.results = Results.open(folder)
        self._measure = measure
        self._measurements = Measurements(self.results, measure, self._note)
        # Who goes on with a candidate: this machine, with these results.
        owner = f"{describe_machine().id} {folder.resolve()}"
        self._owner = hashlib.sha256(owner.encode()).hexdigest()[:_OWNER_CHARACTERS]
        self._defaults = Candidate(DEFAULTS, {}, "better", values=(1.0,) * len(plan.measures))
        self._listener: StepListener | None = None
        self._place = (0, 0)  # of the run: number of its candidate, and its round
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
        url = storage or plan.storage or f"sqlite:///{base.with_suffix('.db').absolute()}"
        folder = Path(results) if results is not None else base.with_suffix(".results")
        if must_exist:
            require_study(url, plan.name)
        return cls(plan, open_study(url, plan), url, folder, measure)

    @property
    def storage(self) -> str:
        """Where it is kept, without a password."""
        return describe_url(self._url)

    @property
    def is_running(self) -> bool:
        """Whether a process measures for it on this machine, with these results."""
        return self.results.is_held

    def list_candidates(self) -> list[Candidate]:
        """All so far, in their order."""
        with tell_storage(self._url):
            return [read_candidate(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def to_frame(self) -> pd.DataFrame:
        """A row a candidate: number, outcome, pairs, ratios to the defaults, settings, reason."""
        import pandas as pd

        columns = [f"{name}_ratio" for name in self.plan.objectives]
        nothing = [math.nan] * len(columns)
        return pd.DataFrame(
            {
                "number": one.number,
                "outcome": one.outcome,
                "against": name_candidate(one.against),
                "pairs": one.pairs,
                **dict(zip(columns, one.values or nothing, strict=True)),
                **one.settings,
                "reason": one.reason,
            }
            for one in self.list_candidates()
        )

    def to_table(self) -> Table:
        """How it stands: a row for each of the latest candidates."""
        candidates = self.list_candidates()
        caption = f"{self._summarise(candidates)}; kept in {self.storage} and {self.results.path}"
        objectives = self.plan.objectives
        return Table(
            ("trial", "outcome", "pairs", *objectives, "settings", "reason"),
            [
                (
                    str(one.number),
                    one.outcome,
                    str(one.pairs or ""),
                    *([f"{value:.3f}" for value in one.values] or [""] * len(objectives)),
                    format_settings(one.settings, self.plan.allocator),
                    one.reason,
                )
                for one in candidates[-_SHOWN_CANDIDATES:]
            ],
            right=("trial", "pairs"),
            wrapped=("settings", "reason"),
            dropped=("reason", "pairs", "outcome"),
            caption=caption,
        )

    def __repr__(self) -> str:
        return f"<Study {self._summarise(self.list_candidates())}>"

    def _summarise(self, candidates: Sequence[Candidate]) -> str:
        finished = sum(one.is_finished for one in candidates)
        counts = Counter(sorted(one.outcome for one in candidates))
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        said = f"{self.plan.name}: {finished} trials finished of {self.plan.trials}"
        return f"{said} ({told})" if told else said

    # --- what came of it so far ---

    def find_winners(self) -> list[Candidate]:
        """What the search has come to, the best first.

        With one objective, the incumbent, if anything took the defaults' place; with several, up to three on
        the front, of which the search told that they are better than the defaults in something.
        """
        measures = self.plan.measures
        better = [one for one in self.list_candidates() if one.outcome == "better"]
        members = [better[index] for index in choose_front([one.values for one in better], measures)]
        chosen = {one.number: one for one in sorted(members, key=self._gain)[-1:]}
        for index, measure in enumerate(measures):
            best = sorted(members, key=lambda one: measure.benefit(one.values[index]))[-1:]
            chosen |= {one.number: one for one in best}
        return list(chosen.values())[:_SHOWN_WINNERS]

    def best_settings(self) -> dict[str, Value]:
        """Settings of the first of `find_winners`; empty if the defaults were never beaten.

        With several objectives, only if what is gained in one is more than what is lost in the others.
        """
        winners = self.find_winners()
        return dict(winners[0].settings) if winners and self._gain(winners[0]) > 1 else {}

    # --- going on with it ---

    def inject(self, settings: Mapping[str, Value]) -> dict[str, Value]:
        """Queue settings as the next candidate, and return them whole: what is left out has its default.

        Raises
        ------
        UnknownTunable, OutOfRange, BadParameter, ConstraintBroken
            If they are not within the study's ranges, or do not go together.
        """
        whole = self.plan.space.complete(settings)
        with tell_storage(self._url):
            self._study.enqueue_trial(dict(whole), user_attrs={"is_injected": True, "settings": whole})
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

        Raises
        ------
        WrongResults
            If another process adds to these results, or the database fails.
        """
        self._goal = self.plan.trials if goal is None else goal
        if not 0 <= self._goal <= MOST_TRIALS:
            raise OutOfRange(f"trials: {self._goal} is not within 0 to {MOST_TRIALS}")
        self._listener = on_step
        self._runs = self._runs_of_finished = self._finished_here = 0
        with self.results.writing():
            self.results.declare(self.plan.to_dict())
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
                self.results.compact()

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
        comparison = run_comparison(plan, Results.open(folder), on_result, measure=self._measure)
        return HeldOut.of(self.plan, comparison)

    def read_held_out(self) -> HeldOut | None:
        """What `compare_held_out` has found for these winners so far; None if it has not begun."""
        plan, folder = self._plan_held_out()
        if plan is None or not folder.exists():
            return None
        return HeldOut.of(self.plan, conclude(plan, Results.open(folder)))

    def count_held_out(self) -> int:
        """How many runs the held-out comparison still has to make; 0 if there is no winner."""
        plan, folder = self._plan_held_out()
        if plan is None:
            return 0
        done = Results.open(folder).ids
        return sum(cell.run.resolve().id not in done for cell in plan.list_cells())

    def _plan_held_out(self) -> tuple[ComparisonPlan | None, Path]:
        winners = {one.name: one.settings for one in self.find_winners()}
        plan = self.plan.compare_held_out(winners) if winners else None
        digest = "" if plan is None else hashlib.sha256(repr(plan.to_dict()).encode()).hexdigest()[:12]
        # Another winner is another comparison; that of an earlier one stays as it is.
        return plan, self._folder / "held_out" / digest

    # --- one candidate ---

    def _next(self) -> optuna.trial.Trial | None:
        """A candidate that was left over, one that is queued, or a new one; None at the goal."""
        trials = self._study.get_trials(deepcopy=False)
        for frozen in trials:
            if frozen.state == TrialState.RUNNING and frozen.user_attrs.get("owner") == self._owner:
                return optuna.trial.Trial(self._study, frozen._trial_id)
        self._finished = sum(frozen.state.is_finished() for frozen in trials)
        is_queued = any(
            frozen.state == TrialState.WAITING and frozen.user_attrs.get("is_injected") for frozen in trials
        )
        if self._finished >= self._goal and not is_queued:
            return None
        if not any(frozen.state == TrialState.WAITING for frozen in trials):
            # Not asked for at once: a trial that is queued has its owner when it begins to run, so that
            # a process that ends in between leaves nothing that nobody would go on with.
            self._study.enqueue_trial({}, user_attrs={"owner": self._owner})
        trial = self._study.ask()
        if trial.user_attrs.get("owner") != self._owner:
            keep(trial, owner=self._owner)
        return trial

    def _try(self, trial: optuna.trial.Trial) -> Candidate:
        """Measure a candidate to its end, and tell what came of it."""
        with tell_storage(self._url):
            self._study.sampler = make_sampler(self.plan.sampler_seed, trial.number)
            settings = self.plan.space.suggest(trial)
            keep(trial, settings=settings)
            candidates = self.list_candidates()
        if (repeated := self._find_same(settings, candidates, trial.number)) is not None:
            reason = f"has the settings of {name_candidate(repeated.number)}"
            return self._tell(trial, "repeated", reason, repeated.values)
        with tell_storage(self._url):
            if "against" not in trial.user_attrs:
                keep(trial, against=self._find_incumbent(candidates).number)
            number = trial.user_attrs["against"]
            against = next((one for one in candidates if one.number == number), self._defaults)
        front = [one.values for one in candidates if one.outcome in ("better", "not better")]
        try:
            standing = self._race(trial, settings, against, front)
        except CandidateError as error:
            return self._tell(trial, "failed", str(error))
        values = tuple(
            ratio.estimate * base for ratio, base in zip(standing.ratios, against.values, strict=True)
        )
        with tell_storage(self._url):
            keep_ratios(trial, standing.ratios)
        return self._tell(trial, standing.decision, "", values)

    def _race(
        self,
        trial: optuna.trial.Trial,
        settings: Mapping[str, Value],
        against: Candidate,
        front: list[tuple[float, ...]],
    ) -> Standing:
        """Measure pair after pair until it is decided."""
        measures = self.plan.measures
        reported = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
        rows: list[list[float]] = []
        standing = None
        while standing is None or standing.decision == "go on":
            self._place = trial.number, len(rows)
            rows.append(
                measure_round(self.plan, self._measurements, *self._place, settings, against.settings)
            )
            standing = judge_candidate(np.array(rows), measures, self.plan.rounds, front)
            estimate = standing.ratios[0].estimate
            if len(measures) == 1 and len(rows) not in reported and math.isfinite(estimate):
                with tell_storage(self._url):
                    trial.report(estimate * against.values[0], len(rows))
        if not all(ratio.pairs for ratio in standing.ratios):
            raise CandidateError(f"no pair counts: {name_candidate(against.number)} failed in every round")
        return standing

    def _note(self, result: Result) -> None:
        """A run is done."""
        self._runs += 1
        if self._listener is None:
            return
        number, index = self._place
        a_round = 2 * len(self.plan.works)
        # Candidates to come need what those of now needed.
        mean = self.plan.rounds * a_round / 2
        if self._finished_here:
            mean = self._runs_of_finished / self._finished_here
        of_this = max(mean - (index + 1) * a_round, 0)
        left = round(of_this + max(self._goal - self._finished - 1, 0) * mean)
        self._listener(StudyStep(result, number, index, self._finished, self._goal, self._runs, left))

    def _tell(
        self, trial: optuna.trial.Trial, outcome: str, reason: str, values: tuple[float, ...] = ()
    ) -> Candidate:
        """Write down what came of a candidate; its state last, since with it the candidate is finished."""
        with tell_storage(self._url):
            keep(trial, outcome=outcome, reason=reason, values=list(values))
            if not values:
                self._study.tell(trial, state=TrialState.FAIL)
            elif outcome == "pruned":
                self._study.tell(trial, state=TrialState.PRUNED)
            else:
                self._study.tell(trial, list(values))
            return read_candidate(self._study.get_trials(deepcopy=False)[trial.number])

    def _gain(self, one: Candidate) -> float:
        """All objectives together, more is better."""
        pairs = zip(self.plan.measures, one.values, strict=True)
        return math.prod(measure.benefit(value) for measure, value in pairs)

    def _find_incumbent(self, candidates: list[Candidate]) -> Candidate:
        """What has to be beaten: with several objectives always the defaults."""
        if len(self.plan.measures) > 1:
            return self._defaults
        better = [one for one in candidates if one.outcome == "better"]
        return max(better, key=self._gain, default=self._defaults)

    def _find_same(
        self, settings: Mapping[str, Value], candidates: list[Candidate], number: int
    ) -> Candidate | None:
        """An earlier candidate with these settings that has come to an end, or the defaults."""
        if self.plan.space.is_default(settings):
            return self._defaults
        told = (one for one in candidates if one.is_finished and one.outcome != "repeated")
        return next((one for one in told if one.number != number and one.settings == settings), None)
