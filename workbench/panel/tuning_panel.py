"""The assembled tuning panel: widget, pump and session put together."""

from __future__ import annotations

import atexit
import contextlib
import os
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack, cast

import msgspec
import plotly.graph_objects as go

from workbench.allocators import DEFAULT_ALLOCATOR
from workbench.control import ControlBlock, Value
from workbench.errors import BadParameter, WorkbenchError
from workbench.panel import protocol
from workbench.panel.actions import Actions
from workbench.panel.experimenter import Experimenter
from workbench.panel.front_end import PanelWidget
from workbench.panel.programs import COMMAND
from workbench.panel.pump import Pump
from workbench.panel.session import LiveSession
from workbench.panel.state import StateBook
from workbench.panel.tuner import Tuner
from workbench.plots import draw_history
from workbench.probes import Probe, ProbeValue, probe_from_callable, read_probe
from workbench.processes import count_operations
from workbench.processes.group import parse_group
from workbench.sessions import Change, HistoryView, PresetStore, default_folder

# How often a notebook that waits looks.
WAIT_S = 0.01
#: Where studies are kept, in the working folder.
STUDIES = "studies"
#: Where results of live experiments are kept, in the working folder.
EXPERIMENTS = "experiments"

_open_panels: weakref.WeakValueDictionary[str, TuningPanel] = weakref.WeakValueDictionary()


class TuningPanel:
    """A panel in a notebook. Show it by making it the last value of a cell.

    Everything that its controls do can be called as well: `start`, `set`, `stop` and so on carry the
    request to the panel's own thread and return at once.

    Parameters
    ----------
    presets : PresetStore, optional
        Where saved presets are.
    sessions : path, optional
        Where sessions are recorded; by default WORKBENCH_SESSIONS, else `sessions` in the working folder.
    """

    def __init__(
        self, presets: PresetStore | None = None, sessions: str | os.PathLike[str] | None = None
    ) -> None:
        folder = default_folder() if sessions is None else Path(sessions).absolute()
        self._session = LiveSession(folder)
        self._tuner = Tuner(Path(STUDIES).absolute(), self._session)
        actions = Actions(self._session, presets or PresetStore())
        self._experimenter = Experimenter(Path(EXPERIMENTS).absolute(), self._session)
        state = StateBook(self._session, actions, self._tuner, self._experimenter)
        self._widget = PanelWidget(lambda content: self._pump.receive(content))  # noqa: PLW0108 - it comes next
        others = actions, self._tuner, self._experimenter
        self._pump = Pump(self._session, self._widget.push, state, *others)
        self._is_closed = False
        self._pump.start()

    # --- what a notebook calls ---

    def start(
        self,
        workload: str,
        *,
        allocator: str = DEFAULT_ALLOCATOR,
        threads: int = 1,
        seed: int = 1,
        seconds: float = 0.0,
        operations: int = 0,
        parameters: Mapping[str, float] | None = None,
    ) -> None:
        """Asks for a run, as the button Start does: for `seconds`, or so many operations, else until `stop`.

        An error shows in the panel, and in `error`.
        """
        spec: protocol.RunForm = {
            "workload": workload,
            "allocator": allocator,
            "threads": threads,
            "seed": seed,
            "seconds": seconds,
            "operations": operations,
            "parameters": dict(parameters or {}),
        }
        self._pump.ask(partial(self._session.start, spec))

    def start_program(self, command: str, *, allocator: str = DEFAULT_ALLOCATOR) -> None:
        """Asks for a program to be run under an allocator, to its end or until `stop`.

        An error shows in the panel, and in `error`.

        Parameters
        ----------
        command : str
            Its words as a shell splits them, such as "./server --port 7777"; or a plan's file, and a work in
            it if it has several, such as "examples/redis.toml" or "plan.toml#build". A server of a plan runs
            with its client, again and again, until it is stopped.
        allocator : str
        """
        spec: protocol.RunForm = {"workload": COMMAND, "command": command, "allocator": allocator}
        self._pump.ask(partial(self._session.start, spec))

    def attach(self, target: int | str) -> None:
        """Asks to attach to a running process by its pid, or to a group such as "command:postgres"."""
        if isinstance(target, str):
            self._pump.ask(partial(self._session.attach, str(parse_group(target))))
            return
        with ControlBlock.open(target) as block:
            self._pump.ask(partial(self._session.attach, str(block.info.path)))

    def add_probe(
        self,
        probe: str | Probe | Callable[[], float],
        name: str = "",
        unit: str = "",
        *,
        kind: Literal["gauge", "counter"] = "gauge",
        period_s: float = 1.0,
    ) -> None:
        """Asks for a chart of a figure that the allocator does not know; it is recorded, too.

        A probe that fails or hangs is a gap in its chart, with the reason.

        Parameters
        ----------
        probe : str, callable or Probe
            A built-in one by its name, such as "process.resident" or "cgroup.memory"; NAME:UNIT=SOURCE, where
            the source is a command that prints a number, `file:/a/path`, or an address of this machine with
            a metric's name after "#"; or a function that returns a number, called on a thread of its own.
        name, unit : str
            What a function's figure is called, by default as the function, and its unit.
        kind : {"gauge", "counter"}
            A counter is shown as its rate.
        period_s : float
            Time between two calls of a function.

        Raises
        ------
        BadParameter
            With what is wrong and an example.
        """
        if isinstance(probe, str):
            made = read_probe(probe, self._session.probes.list_pids)
        elif isinstance(probe, Probe):
            made = probe
        else:
            name = name or getattr(probe, "__name__", "")
            made = probe_from_callable(name, probe, unit, kind=kind, period_s=period_s)
        self._pump.ask(partial(self._session.probes.add, made))

    def remove_probe(self, name: str) -> None:
        """Asks to read a probe no longer."""
        self._pump.ask(partial(self._session.probes.remove_probe, name))

    def note(self, text: str) -> None:
        """Asks for a mark with a text at this moment: in the charts, the log and the recording."""
        self._pump.ask(partial(self._session.add_note, text))

    @property
    def probes(self) -> Mapping[str, ProbeValue]:
        """What each probe showed last: its `value`, or the `reason` why there is none."""
        target = self._session.target
        return target.probes.latest() if target is not None else {}

    def detach(self, *, restore: bool = True) -> None:
        """Lets go of the attached process; with the values it had before, unless told otherwise."""
        self._pump.ask(partial(self._session.detach, restore=restore))

    def pause(self) -> None:
        """Lets the run stand still."""
        self._pump.ask(self._session.pause)

    def resume(self) -> None:
        """Lets the run go on."""
        self._pump.ask(self._session.resume)

    def stop(self) -> None:
        """Asks the run to end."""
        self._pump.ask(self._session.stop)

    def set(self, values: Mapping[str, Value]) -> Change | None:
        """Sets several tunables as a whole: all of them, or none, and then a WorkbenchError says why."""
        unknown = [name for name in values if name not in self._session.settings.tunables]
        if unknown:
            raise BadParameter(f"there is no tunable {unknown[0]} here")
        change = self._session.settings.apply(values, "notebook")
        self._pump.wake()
        return change

    def await_operations(self, operations: int, timeout_s: float = 120.0) -> int:
        """Waits until the run has done so many operations, or ended; returns how many it has.

        Raises
        ------
        WorkbenchError
            If nothing runs, with the error that the panel shows; or `timeout_s` seconds have passed.
        """
        done = self._await(lambda: self._count() >= operations, f"{operations} operations", timeout_s)
        return self._count() if done else 0

    def await_end(self, timeout_s: float = 120.0) -> str:
        """Waits until the run has ended, and fails as `await_operations` does; returns the status line."""
        self._await(lambda: False, "the end", timeout_s)
        return self.status

    def _await(self, is_there: Callable[[], bool], what: str, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while self._pump.is_busy or self._session.is_active:
            if is_there():
                return True
            if time.monotonic() > deadline_s:
                raise WorkbenchError(f"{what} did not come within {timeout_s:g} s: {self.status}")
            time.sleep(WAIT_S)
        if self.error:
            raise WorkbenchError(self.error)
        return False

    def _count(self) -> int:
        target = self._session.target
        if target is None or target.workload_block is None:
            return 0
        with contextlib.suppress(WorkbenchError):  # closed just now
            return count_operations(target.workload_block)
        return 0

    @property
    def status(self) -> str:
        """The status line."""
        return self._session.write_status()

    @property
    def state(self) -> str:
        """One of "idle", "starting", "running", "paused", "attached", "ended" and "crashed"."""
        return self._session.state

    @property
    def error(self) -> str:
        """The error that shows, or nothing."""
        return self._session.error

    @property
    def pid(self) -> int | None:
        """Pid of the process that runs or is attached to."""
        return self._session.target.pid if self._session.target and self._session.is_process_alive else None

    @property
    def requested(self) -> dict[str, Value]:
        """Values asked for, by name."""
        return self._session.settings.requested()

    @property
    def recording(self) -> HistoryView | None:
        """What was recorded of the latest run: times in seconds, one column a line of the charts."""
        target = self._session.target
        return target.recorder.history.view() if target else None

    @property
    def recording_path(self) -> Path | None:
        """Folder of the latest recording: give it to `workbench.sessions.Session.open`."""
        return self._session.keeper.latest

    def save_notebook(self) -> None:
        """Asks for the notebook that repeats the latest session, beside its recording."""
        self._pump.ask(self._session.save_notebook)

    def tune(
        self,
        workload: str,
        *,
        objective: str = "throughput",
        group: str = "",
        tunables: Sequence[str] = (),
        trials: int = 20,
        seconds: float = 0.5,
        **run: Unpack[protocol.WorkOptions],
    ) -> None:
        """Asks for a study, as the button Tune does: of the tunables of a component, or of some by name.

        An error shows in the panel, and in `error`. `run` is as for `start`: threads, parameters, trace.
        """
        spec = cast(protocol.RunForm, {"workload": workload, **run})
        self._pump.ask(
            partial(self._tuner.start, spec, objective, trials, seconds, group=group, tunables=tunables)
        )

    def stop_tuning(self) -> None:
        """Asks the study to end; what was measured is kept."""
        self._pump.ask(self._tuner.stop)

    def go_on_tuning(self, path: str | os.PathLike[str]) -> None:
        """Asks to go on with a study by its file, of this panel or of `workbench tune`."""
        self._pump.ask(partial(self._tuner.go_on, os.fspath(path)))

    def try_values(self) -> None:
        """Asks the study that goes on to try the panel's values next."""
        self._pump.ask(self._tuner.try_values)

    def apply_best(self) -> None:
        """Asks for the best settings of the study to be set."""
        self._pump.ask(self._tuner.apply_best)

    @property
    def tuning(self) -> dict[str, Any]:
        """How the study stands: state, text, path of its file, best, latest trials."""
        told: dict[str, Any] = msgspec.to_builtins(self._tuner.describe())
        return told

    def experiment(
        self,
        b: Mapping[str, Value],
        a: Mapping[str, Value] | None = None,
        *,
        probes: Sequence[str],
        blocks: int = 40,
        block_s: float = 20.0,
        wash_out_s: float = 2.0,
        period_s: float = 1.0,
        looks: int = 1,
        guards: Sequence[str] = (),
        pilot_s: float = 0.0,
        seed: int | None = None,
    ) -> None:
        """Asks for a live experiment on what runs or is attached to, with the meaning of `wb.experiment`.

        With `pilot_s` it only watches for so long, and says how long the experiment would take.

        An error shows in the panel, and in `error`. A probe that the panel reads is given by its name.
        """
        self._pump.ask(
            partial(
                self._experimenter.start,
                a or {},
                b,
                probes,
                blocks,
                block_s,
                wash_out_s,
                period_s=period_s,
                looks=looks,
                guards=guards,
                pilot_s=pilot_s,
                seed=seed,
            )
        )

    def stop_experiment(self) -> None:
        """Asks the experiment to end; A is restored, and what was measured is kept."""
        self._pump.ask(self._experimenter.stop)

    @property
    def experimenting(self) -> dict[str, Any]:
        """How the experiment stands: state, text, path of its folder, verdicts, what came of it."""
        told: dict[str, Any] = msgspec.to_builtins(self._experimenter.describe())
        return told

    @property
    def changes(self) -> list[Change]:
        """All changes of tunables of this panel, oldest first."""
        return self._session.settings.changes.entries()

    @property
    def log(self) -> list[str]:
        """Lines of the log, oldest first."""
        return [f"{entry.time} {entry.text}" for entry in self._session.all_entries()]

    def figure(self) -> go.Figure:
        """The latest run as a usual Plotly figure, to keep in the notebook."""
        session = self._session
        if (target := session.target) is None:
            return draw_history((), HistoryView.empty(), title="Nothing was recorded yet")
        baseline = session.pinned.history if session.pinned else None
        history = target.recorder.history.view()
        return draw_history(session.charts, history, session.markers(), baseline, title=target.subject)

    def close(self) -> None:
        """Ends what runs, lets go of what was attached to, closes the widget. Can be called again."""
        if self._is_closed:
            return
        self._is_closed = True
        self._pump.close()
        self._experimenter.close()  # A is restored before the process is let go
        self._session.close()
        self._tuner.close()
        closed: protocol.Status = {"text": "closed", "state": "idle"}
        self._widget.push({"type": "state", "number": 0, "closed": True, "status": closed})
        self._widget.close()

    def __enter__(self) -> TuningPanel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self._widget._repr_mimebundle_(**options)


def tuning_panel(
    name: str = "tuning",
    sessions: str | os.PathLike[str] | None = None,
    *,
    target: int | str | None = None,
    probes: Iterable[str | Probe | Callable[[], float]] = (),
) -> TuningPanel:
    """Opens the tuning panel.

    Running its cell again closes the panel of that name that was open, with what ran in it.

    Parameters
    ----------
    name : str
        Panels of different names can be open at the same time.
    sessions : path, optional
        Where sessions are recorded; by default WORKBENCH_SESSIONS, else `sessions` in the working folder.
    target : int or str, optional
        What to attach to at once: a pid, or a group such as "command:postgres".
    probes : iterable
        What `TuningPanel.add_probe` takes.

    Raises
    ------
    WorkbenchError
        If the allocator in this process cannot be started, or a target or probe is none.
    """
    if (earlier := _open_panels.get(name)) is not None:
        earlier.close()
    _open_panels[name] = panel = TuningPanel(sessions=sessions)
    for probe in probes:
        panel.add_probe(probe)
    if target is not None:
        panel.attach(target)
    return panel


@atexit.register
def close_panels() -> None:
    """Closes every open panel; also done when the kernel ends."""
    for panel in list(_open_panels.values()):
        panel.close()
