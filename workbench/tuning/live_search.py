"""Searches settings on a running process: candidates by Optuna, each tried in a live experiment.

Every experiment compares a candidate (B) with the best so far (A), and the process goes back to what it had
before the study. A candidate takes the place of the best if the verdict says that it is better, and is given
up as soon as it cannot be. What wins was chosen for its luck, too; so it meets what the process had before
once more, in blocks that the search has not seen, and only that comparison makes it a proposal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import optuna

from workbench.control import ControlBlock, Value
from workbench.errors import BadParameter, Leased, NoProcess, WorkbenchError, WrongPlan
from workbench.experiments import JudgedProbe, LivePlan, LiveResult
from workbench.experiments.inference import MARGIN
from workbench.experiments.live import (
    LiveExperiment,
    LiveProgress,
    prepare_experiment,
)
from workbench.experiments.live_probes import make_probe
from workbench.experiments.live_result import INTERRUPTED
from workbench.experiments.switchback import bound_gain
from workbench.experiments.terms import TIME_OVER, ChangeLimit, Terms
from workbench.probes import Probe
from workbench.probes.probe import Better
from workbench.tuning.live_study import BEFORE, LiveStudy, LiveStudyPlan, LiveTrial, Outcome, is_better
from workbench.tuning.racing import PRUNE_RISK
from workbench.tuning.space import SearchSpace, find_space
from workbench.tuning.storage import make_sampler

HOPELESS = "pruned: it cannot be better"
_EXHAUSTED = "nothing else within the ranges is left to try"
_STOPPED = "it was stopped"
# After so many candidates by chance, the sampler begins to use what it knows.
_STARTUP_SHARE = 3
# If the sampler proposes what was tried so often in a row, there is nothing else.
_MOST_REPEATS = 100

GiveUp = Callable[[LiveResult], str]


class Judge(Protocol):
    """Runs one experiment of a study; another one than `LiveJudge` is for trying out a study."""

    def __call__(self, plan: LivePlan, give_up: GiveUp, ends_s: float) -> LiveResult:
        """Run it, with a reason from `give_up` or the time as its end."""


@dataclass(frozen=True)
class LiveStudyProgress:
    """Where a study is: candidate `number` of `candidates`, or the final comparison behind them."""

    number: int
    candidates: int
    settings: Mapping[str, Value]
    experiment: LiveProgress


class LiveJudge:
    """Runs the experiments of a study on a process or group, all of them under its limit of changes."""

    def __init__(
        self,
        block: ControlBlock,
        back: Mapping[str, Value],
        probes: Sequence[Probe],
        most_changes: float,
    ) -> None:
        self._block, self._back, self._probes = block, back, probes
        self._limit = ChangeLimit(most_changes)
        self._running: LiveExperiment | None = None
        self.on_progress: Callable[[LiveProgress], None] | None = None

    def __call__(self, plan: LivePlan, give_up: GiveUp, ends_s: float) -> LiveResult:
        """Run an experiment; Leased if somebody set one of its tunables since the last one."""
        now = self._block.requested().values
        for name, value in self._back.items() if self._running is not None else ():
            if now[name] != value:
                raise Leased(f"somebody set {name} to {now[name]}: it stays so, and the study ended")
        terms = Terms(self._back, self._limit, ends_s, give_up)
        one = prepare_experiment(self._block, plan, self._probes, terms=terms)
        one.on_progress, self._running = self.on_progress, one
        return one.run()

    def stop(self) -> None:
        """End the experiment that runs."""
        if self._running is not None:
            self._running.stop()


class LiveSearch:
    """One study of a running process. `run` does it; made by `prepare_search`.

    Parameters
    ----------
    before : mapping of str to Value
        What the process has, of every tunable that is searched.
    judge : Judge
        Runs the experiments.
    """

    def __init__(
        self,
        plan: LiveStudyPlan,
        space: SearchSpace,
        before: Mapping[str, Value],
        objective: JudgedProbe,
        judge: Judge,
        target: str = "",
    ) -> None:
        plan.check()
        self.plan, self._space, self._judge = plan, space, judge
        self.study = LiveStudy(plan, target, objective, before)
        self.on_trial: Callable[[LiveStudy], object] | None = None
        self.on_progress: Callable[[LiveStudyProgress], None] | None = None
        self._is_stopped = False
        self._now: tuple[int, Mapping[str, Value]] = (0, {})
        self._known: dict[tuple[tuple[str, Value], ...], float | None] = {_key(before): 1.0}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._sampled = optuna.create_study(
            direction="maximize" if objective.better == "higher" else "minimize"
        )
        if isinstance(judge, LiveJudge):
            judge.on_progress = self._advance

    def stop(self) -> None:
        """End it at once; what the process had before is restored, and what was measured is kept."""
        self._is_stopped = True
        if isinstance(self._judge, LiveJudge):
            self._judge.stop()

    def run(self) -> LiveStudy:
        """Try candidates, then compare what won with what the process had before.

        Raises
        ------
        WorkbenchError
            If the first candidate cannot be tried. The settings are then what they were.
        """
        began_s = time.monotonic()
        ends_s = began_s + self.plan.length_s
        try:
            ended = self._search(ends_s - self.plan.comparison_s)
            if self.study.winner is not None and ended in ("", TIME_OVER, _EXHAUSTED):
                ended = self._confirm(ends_s) or ended
        except KeyboardInterrupt:
            ended = INTERRUPTED
        took_s = time.monotonic() - began_s
        self.study = replace(self.study, ended="" if ended == _EXHAUSTED else ended, took_s=took_s)
        return self.study

    def _search(self, ends_s: float) -> str:
        for number in range(self.plan.candidates):
            if self._is_stopped or time.monotonic() >= ends_s:
                return _STOPPED if self._is_stopped else TIME_OVER
            asked = self._ask()
            if asked is None:
                return _EXHAUSTED
            trial, settings = asked
            tried = self._try(number, settings, ends_s)
            self._known[_key(settings)] = tried.value
            self._tell(trial, tried.value)
            if self.on_trial is not None:
                self.on_trial(self.study)
            if tried.outcome == "ended early":
                return tried.reason
        return ""

    def _ask(self) -> tuple[optuna.trial.Trial, Mapping[str, Value]] | None:
        """Settings that were not tried; None if there are no others."""
        for _ in range(_MOST_REPEATS):
            place = len(self._sampled.trials)
            startup = max(2, self.plan.candidates // _STARTUP_SHARE)
            self._sampled.sampler = make_sampler(self.plan.seed, place, startup)
            trial = self._sampled.ask()
            settings = self._space.suggest(trial)
            if (known := _key(settings)) not in self._known:
                return trial, settings
            self._tell(trial, self._known[known])
        return None

    def _tell(self, trial: optuna.trial.Trial, value: float | None) -> None:
        state = optuna.trial.TrialState.FAIL if value is None else None
        self._sampled.tell(trial, value, state=state)

    def _try(self, number: int, settings: Mapping[str, Value], ends_s: float) -> LiveTrial:
        winner = self.study.winner
        against = winner.number if winner else BEFORE
        best = winner.settings if winner else self.study.before
        self._now = number, settings
        trial = LiveTrial(number, settings, "failed", against)
        try:
            result = self._judge(self.plan.compare(best, settings, number), self._find_hopeless, ends_s)
        except (Leased, NoProcess) as error:
            if not self.study.trials:
                raise
            trial = replace(trial, outcome="ended early", reason=str(error))
        except WorkbenchError as error:  # such as a value that the allocator cuts
            if not self.study.trials:
                raise
            trial = replace(trial, reason=str(error))
        else:
            trial = self._judge_trial(replace(trial, result=result), result, winner)
        self.study = replace(self.study, trials=(*self.study.trials, trial))
        return trial

    def _judge_trial(self, trial: LiveTrial, result: LiveResult, winner: LiveTrial | None) -> LiveTrial:
        self.study = replace(self.study, restored=result.restored)
        ratio = result.effects[self.study.objective.name].ratio
        base = winner.value if winner and winner.value is not None else 1.0
        outcome: Outcome = "ended early"
        if result.ended == HOPELESS:
            outcome = "pruned"
        elif result.is_whole:
            outcome = "better" if is_better(result, self.study.objective) else "not better"
        reason = result.ended if outcome == "ended early" else ""
        return replace(
            trial, outcome=outcome, reason=reason, value=ratio.estimate * base if ratio.pairs else None
        )

    def _find_hopeless(self, result: LiveResult) -> str:
        """Say that a candidate cannot be better, when the good end of its interval is within the margin."""
        objective = self.study.objective
        arms = [block.arm for block in result.time_blocks]
        levels, is_higher_better = result.levels(objective.name), objective.better == "higher"
        best = bound_gain(levels, arms, PRUNE_RISK, is_higher_better=is_higher_better)
        return HOPELESS if best <= 1 + MARGIN else ""

    def _confirm(self, ends_s: float) -> str:
        winner = self.study.winner
        assert winner is not None
        self._now = self.plan.candidates, winner.settings
        plan = self.plan.compare(self.study.before, winner.settings, self.plan.candidates)
        try:
            result = self._judge(plan, lambda _: "", ends_s)
        except WorkbenchError as error:
            return str(error)
        self.study = replace(self.study, confirmation=result, restored=result.restored)
        return "" if result.is_whole else result.ended

    def _advance(self, now: LiveProgress) -> None:
        if self._is_stopped:
            self.stop()
        if self.on_progress is not None:
            number, settings = self._now
            self.on_progress(LiveStudyProgress(number, self.plan.candidates, settings, now))


def prepare_search(
    block: ControlBlock,
    plan: LiveStudyPlan,
    probes: Sequence[str | Probe],
    *,
    better: Better = "",
) -> LiveSearch:
    """A study that can be run on a process or group; the first probe is what it is tuned for.

    Parameters
    ----------
    better : {"", "lower", "higher"}
        Which way is an improvement of the first probe, where the probe does not say.

    Raises
    ------
    WrongPlan, OutOfRange, BadParameter, UnknownTunable, StartOnly
        If it cannot be run so; nothing was set then.
    """
    if not probes:
        raise WrongPlan("a study needs a probe: say what is to be tuned for")
    made = [make_probe(block, one, plan.period_s) for one in probes]
    if better:
        made[0] = replace(made[0], better=better)
    if not made[0].better:
        raise BadParameter(f"probe {made[0].name}: say what is better, lower or higher")
    now = {**block.requested().values, **plan.a}
    space = find_space(plan.search, block.tunables, block.constraints, now)
    # It is not run, but checked like one, and tells what the process has.
    same = plan.compare(plan.a, {name: now[name] for name in space.names}, 0)
    first = prepare_experiment(block, same, made, is_to_run=False)
    judge = LiveJudge(block, first.plan.a, made, plan.most_changes_per_hour)
    result = first.result
    return LiveSearch(plan, space, first.plan.a, result.judged[0], judge, result.target)


def _key(settings: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(settings.items()))
