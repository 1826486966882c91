"""A live experiment on the process of the panel, in a thread of its own."""

from __future__ import annotations

import logging
import math
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.control import ControlBlock, Value
from workbench.errors import BadParameter, NoProcess, WorkbenchError, describe_unknown
from workbench.experiments.live_probes import list_probes
from workbench.panel.forms import read_decimal, read_whole
from workbench.panel.protocol import JudgedFigure, Number, ShownExperiment
from workbench.panel.requests import request
from workbench.panel.session import LiveSession
from workbench.panel.tuner import find_new_path
from workbench.processes.group_block import GroupBlock

if TYPE_CHECKING:
    from workbench.experiments.live import LiveExperiment, LiveProgress
    from workbench.experiments.live_result import LiveResult
    from workbench.panel.target import Target

#: Each block is a point on the screen.
MOST_BLOCKS = 1000
_JOIN_S = 10.0

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
        seed: int | None = None,
    ) -> None:
        """Let the settings A and B take turns on what runs; a tunable that A lacks has its value of now."""
        from workbench.experiments.live import prepare_experiment
        from workbench.experiments.live_result import LivePlan

        if self.is_running:
            raise BadParameter("an experiment goes on already: stop it first")
        target = self._session.target
        if target is None or target.allocator_block is None or not self._session.is_process_alive:
            raise NoProcess("experiment: nothing runs here; start a run, or attach to a process, first")
        if not b:
            raise BadParameter("experiment: say what is tried; choose a tunable, and its value under B")
        block = _open_again(target.allocator_block)
        try:
            plan = LivePlan(
                _read_values(block, a),
                _read_values(block, b),
                read_whole("blocks", blocks, 2, MOST_BLOCKS),
                float(read_decimal("block length", block_s, "; give seconds")),
                float(read_decimal("wash-out", wash_out_s, "; give seconds")),
                seed=secrets.randbits(31) if seed is None else seed,
                period_s=_read_period(period_s),
            )
            known = self._session.probes.known
            experiment = prepare_experiment(
                block,
                plan,
                [known.get(name, name) for name in probes],
                on_progress=self._show,
            )
        except BaseException:
            block.close()
            raise
        path = find_new_path(self._folder, str(target.pid))
        self._experiment, self._target, self._shown_blocks = experiment, target, 0
        self._session.settings.alternating = frozenset(b)
        self._told = ShownExperiment(
            state="running", text="beginning", path=str(path), figures=_draw(experiment.result)
        )
        self._thread = threading.Thread(
            target=self._run, args=(block, experiment), name="workbench-experiment", daemon=True
        )
        self._thread.start()
        self._session.tell(f"experiment: {experiment.plan.describe()}, kept in {self._told.path}")

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
        return msgspec.structs.replace(self._told, probes=self._list_probes())

    def _list_probes(self) -> list[str]:
        """What can be judged: the panel's probes, figures of the process, metrics that are measured."""
        target = self._session.target
        if target is None or target.allocator_block is None or not self._session.is_process_alive:
            return []
        return [*self._session.probes.known, *list_probes(target.allocator_block, target.workload_block)]

    # --- the experiment's thread ---

    def _run(self, block: ControlBlock, experiment: LiveExperiment) -> None:
        try:
            with block:
                result = experiment.run()
            result.save(self._told.path)
            self._note(result)
            lines = [text for text in (result.ended, result.restored) if text]
            done = f"{len(result.time_blocks)} of {result.plan.blocks} blocks"
            self._tell(state="ended", text=f"ended after {done}", progress=1.0, left_s=0.0, lines=lines)
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

    def _show(self, now: LiveProgress) -> None:
        if self._session.target is not self._target or not self._session.is_process_alive:
            self.stop()
        if self._told.state != "running":
            return
        self._tell(
            text=f"block {now.number} of {now.blocks} ({now.arm})" if now.number else "beginning",
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
