"""A live experiment on the process of the panel, in a thread of its own."""

from __future__ import annotations

import logging
import math
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.control import ControlBlock, Value
from workbench.errors import BadParameter, NoProcess, WorkbenchError, describe_unknown
from workbench.experiments.live_probes import find_throughput, list_probes
from workbench.panel.forms import read_decimal, read_whole
from workbench.panel.protocol import JudgedFigure, Number, ShownExperiment
from workbench.panel.requests import request
from workbench.panel.session import LiveSession
from workbench.panel.tuner import find_new_path
from workbench.processes.group_block import GroupBlock

if TYPE_CHECKING:
    from workbench.experiments.live import LiveExperiment, LiveProgress
    from workbench.experiments.live_result import LiveResult
    from workbench.experiments.switchback import Foresight
    from workbench.panel.target import Target

#: Each block is a point on the screen.
MOST_BLOCKS = 1000
_JOIN_S = 10.0
_MOST_PILOT_S = 86_400
#: By what a refusal says: the field of the request that is to blame.
_FIELDS = {
    "^blocks:": "blocks",
    "give blocks of at least|^block length:": "block_s",
    "wash-out": "wash_out_s",
    "^reading every:": "period_s",
    "^looks:": "looks",
    "^guard": "guards",
    "^pilot:": "pilot_s",
    "probe|^metric|stands twice": "probes",
}

logger = logging.getLogger(__name__)


class Experimenter:
    """One live experiment at a time. What cannot be done raises a WorkbenchError with the remedy.

    Parameters
    ----------
    folder : Path
        Where results are kept.
    session : LiveSession
        Whose process is the subject. The experiment ends when the session lets go of it.
    """

    def __init__(self, folder: Path, session: LiveSession) -> None:
        self._folder = folder
        self._session = session
        self._thread: threading.Thread | None = None
        self._experiment: LiveExperiment | None = None
        self._target: Target | None = None
        self._shown_blocks = 0
        self._lock = threading.Lock()
        self._told = ShownExperiment()  # replaced as a whole, under the lock

    @property
    def is_running(self) -> bool:
        """Whether an experiment goes on."""
        return self._thread is not None and self._thread.is_alive()

    @request("experiment")
    def start(
        self,
        a: Mapping[str, Value],
        b: Mapping[str, Value],
        probes: Sequence[str],
        blocks: Number,
        block_s: Number,
        wash_out_s: Number,
        period_s: Number = 1.0,
        looks: Number = 1,
        guards: Sequence[str] = (),
        pilot_s: Number = 0,
        seed: int | None = None,
    ) -> None:
        """Let the settings A and B take turns on what runs; a tunable that A lacks has its value of now.

        With `pilot_s` it only watches for so long, and says how long the experiment would take.
        """
        from workbench.experiments.live import prepare_experiment
        from workbench.experiments.live_result import LivePlan

        if self.is_running:
            raise BadParameter("an experiment goes on already: stop it first")
        target = self._session.target
        try:
            if target is None or target.allocator_block is None or not self._session.is_process_alive:
                raise NoProcess("experiment: nothing runs here; start a run, or attach to a process, first")
            if not b:
                raise BadParameter("experiment: say what is tried; choose a tunable, and its value under B")
            most_s = _MOST_PILOT_S
            watch_s = float(read_decimal("pilot", pilot_s, f"; give seconds, up to {most_s}"))
            if not 0 <= watch_s <= most_s:
                raise BadParameter(f"pilot: {pilot_s} s is out of range; give up to {most_s} s")
            block = _open_again(target.allocator_block)
            try:
                plan = LivePlan(
                    _read_values(block, a),
                    _read_values(block, b),
                    read_whole("blocks", blocks, 2, MOST_BLOCKS),
                    float(read_decimal("block length", block_s, "; give seconds")),
                    float(read_decimal("wash-out", wash_out_s, "; give seconds")),
                    read_whole("looks", looks, 1, MOST_BLOCKS // 2),
                    secrets.randbits(31) if seed is None else seed,
                    guards=tuple(guards),
                    period_s=_read_period(period_s),
                )
                known = self._session.probes.known
                experiment = prepare_experiment(block, plan, probes, known=known, on_progress=self._show)
            except BaseException:
                block.close()
                raise
        except WorkbenchError as error:
            self._tell(refused=str(error), wrong=_find_field(str(error)))
            raise
        self._begin(block, experiment, target, watch_s)

    def _begin(self, block: ControlBlock, experiment: LiveExperiment, target: Target, pilot_s: float) -> None:
        self._experiment, self._target, self._shown_blocks = experiment, target, 0
        path = "" if pilot_s else str(find_new_path(self._folder, str(target.pid)))
        figures = [] if pilot_s else _draw(experiment.result)
        self._told = ShownExperiment(state="running", text="beginning", path=path, figures=figures)
        if pilot_s:
            act, words = (
                partial(self._watch, experiment, pilot_s),
                f"a pilot of {pilot_s:g} s, nothing is set",
            )
        else:
            self._session.settings.alternating = frozenset(experiment.plan.b)
            act, words = partial(self._run, experiment), f"{experiment.plan.describe()}, kept in {path}"
        self._thread = threading.Thread(
            target=self._carry_out, args=(block, act), name="workbench-experiment", daemon=True
        )
        self._thread.start()
        self._session.tell(f"experiment: {words}")

    @request("stop_experiment")
    def stop(self) -> None:
        """End it; A is restored, and what was measured is kept."""
        if self.is_running and self._experiment is not None:
            self._experiment.stop()
            self._tell(state="stopping", text="stopping")

    def close(self) -> None:
        """End it, and wait until A is restored."""
        self.stop()
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def describe(self) -> ShownExperiment:
        """What the views show."""
        target = self._session.target
        throughput = find_throughput(target.workload_block) if target is not None else []
        return msgspec.structs.replace(
            self._told, probes=self._list_probes(), suggested=next(iter(throughput), "")
        )

    def _list_probes(self) -> list[str]:
        """What can be judged: the panel's probes, figures of the process, metrics that are measured."""
        target = self._session.target
        if target is None or target.allocator_block is None or not self._session.is_process_alive:
            return []
        return [*self._session.probes.known, *list_probes(target.allocator_block, target.workload_block)]

    # --- the experiment's thread ---

    def _carry_out(self, block: ControlBlock, act: Callable[[], None]) -> None:
        try:
            with block:
                act()
        except WorkbenchError as error:
            self._tell(state="failed", text=str(error))
        except OSError as error:
            self._tell(state="failed", text=f"{self._told.path}: the result cannot be kept: {error.strerror}")
        except Exception as error:
            logger.exception("the panel's experiment")
            self._tell(state="failed", text=f"unexpected {type(error).__name__}: {error}")
        finally:
            self._session.settings.settle()  # its last set is entered as its own
            self._session.settings.alternating = frozenset()

    def _run(self, experiment: LiveExperiment) -> None:
        result = experiment.run()
        result.save(self._told.path)
        self._note(result)
        lines = [text for text in (result.ended, result.restored) if text]
        done = f"{len(result.time_blocks)} of {result.plan.blocks} blocks"
        self._tell(state="ended", text=f"ended after {done}", progress=1.0, left_s=0.0, lines=lines)

    def _watch(self, experiment: LiveExperiment, pilot_s: float) -> None:
        found = experiment.pilot(pilot_s)
        lines = [f"{name}: {_word_foresight(each)}" for name, each in found.items()]
        self._tell(state="ended", text="the pilot ended", progress=1.0, left_s=0.0, lines=lines)

    def _show(self, now: LiveProgress) -> None:
        if self._session.target is not self._target or not self._session.is_process_alive:
            self.stop()
        if self._told.state != "running":
            return
        self._tell(
            text=_word_progress(now),
            progress=round(min(1.0, now.passed_s / now.total_s), 3),
            left_s=round(max(0.0, now.total_s - now.passed_s)),
        )
        if len(now.result.time_blocks) > self._shown_blocks:
            now.result.save(self._told.path)
            self._note(now.result)

    def _note(self, result: LiveResult) -> None:
        self._shown_blocks = len(result.time_blocks)
        self._tell(figures=_draw(result))

    def _tell(self, **parts: Any) -> None:
        with self._lock:
            self._told = msgspec.structs.replace(self._told, **parts)


def _open_again(block: ControlBlock) -> ControlBlock:
    """The same process or group: the session may close its own block at any time."""
    if isinstance(block, GroupBlock):
        return GroupBlock(block.group, block.kind)
    return ControlBlock.open(block.info.path)


def _read_values(block: ControlBlock, given: Mapping[str, Value]) -> dict[str, Value]:
    """Values as a person typed them, by tunable."""
    for name in given:
        if name not in block.tunables:
            raise BadParameter(describe_unknown("tunable", name, block.tunables))
    return {
        name: block.tunables[name].parse(value) if isinstance(value, str) else value
        for name, value in given.items()
    }


def _find_field(words: str) -> str:
    """The field of the form that a refusal is about; empty if it is about the settings."""
    return next((field for pattern, field in _FIELDS.items() if re.search(pattern, words)), "")


def _word_progress(now: LiveProgress) -> str:
    if not now.blocks:
        return "pilot"
    return f"block {now.number} of {now.blocks} ({now.arm})" if now.number else "beginning"


def _word_foresight(found: Sequence[Foresight]) -> str:
    """The shortest experiment that tells 2 %, in words."""
    if not found:
        return "the pilot was too short to say how long the experiment takes"
    best = found[0]
    span_s = best.block_s + best.wash_out_s
    return (
        f"an experiment tells 2 % in about {best.total_s / 60:.0f} min: {best.blocks} blocks of {span_s:g} s "
        f"(noise of a pair of blocks {best.noise:.1%})"
    )


def _read_period(given: Number) -> float:
    period_s = float(read_decimal("reading every", given, "; give seconds"))
    if not 0.01 <= period_s <= 3600:
        raise BadParameter(f"reading every: {given} is out of range; give 0.01 to 3600 s")
    return period_s


def _draw(result: LiveResult) -> list[JudgedFigure]:
    middle_s = result.plan.block_s / 2
    figures = []
    for probe, effect in zip(result.judged, result.effects.values(), strict=True):
        levels = zip(result.time_blocks, result.levels(probe.name), strict=True)
        points = [
            (block.arm, round(block.began_s + middle_s, 3), float(level))
            for block, level in levels
            if math.isfinite(level)
        ]
        figures.append(JudgedFigure(probe.name, probe.unit, points, result.word_effect(probe, effect)))
    return figures
