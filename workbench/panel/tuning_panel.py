"""The assembled tuning panel: widget, pump and session put together."""

from __future__ import annotations

import atexit
import contextlib
import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack, cast

import plotly.graph_objects as go

from workbench.allocators import DEFAULT_ALLOCATOR
from workbench.control import ControlBlock, Value
from workbench.errors import BadParameter, WorkbenchError
from workbench.export import describe_provenance, write_defaults
from workbench.panel import messages
from workbench.panel.pump import Pump
from workbench.panel.session import LiveSession
from workbench.panel.state import StateBook
from workbench.panel.tuner import Tuner
from workbench.panel.widget import PanelWidget
from workbench.plots import draw_history
from workbench.processes import count_operations
from workbench.sessions import Change, HistoryView, PresetStore, default_folder

# How often a notebook that waits looks.
WAIT_S = 0.01
#: Where studies are kept, in the working folder.
STUDIES = "studies"

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
        self._store = presets or PresetStore()
        self._tuner = Tuner(Path(STUDIES).absolute())
        self._state = StateBook(self._store, self._tuner)
        self._widget = PanelWidget(lambda content: self._pump.receive(content))  # noqa: PLW0108 - it comes next
        self._pump = Pump(self._session, self._widget, self._state, self._act)
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
        spec: messages.RunForm = {
            "workload": workload,
            "allocator": allocator,
            "threads": threads,
            "seed": seed,
            "seconds": seconds,
            "operations": operations,
            "parameters": dict(parameters or {}),
        }
        self._pump.request(messages.Start(spec=spec))

    def attach(self, pid: int) -> None:
        """Asks to attach to a running process."""
        with ControlBlock.open(pid) as block:
            self._pump.request(messages.Attach(path=str(block.info.path)))

    def detach(self, *, restore: bool = True) -> None:
        """Lets go of the attached process; with the values it had before, unless told otherwise."""
        self._pump.request(messages.Detach(restore=restore))

    def pause(self) -> None:
        """Lets the run stand still."""
        self._pump.request(messages.Pause())

    def resume(self) -> None:
        """Lets the run go on."""
        self._pump.request(messages.Resume())

    def stop(self) -> None:
        """Asks the run to end."""
        self._pump.request(messages.Stop())

    def set(self, values: Mapping[str, Value]) -> Change | None:
        """Sets several tunables as a whole.

        Raises
        ------
        WorkbenchError
            If a value is refused; then nothing changed.
        """
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
        """Waits until the run has ended; returns the status line.

        Raises
        ------
        WorkbenchError
            As `await_operations`.
        """
        self._await(lambda: False, "the end", timeout_s)
        return self.status

    def _await(self, is_there: Callable[[], bool], what: str, timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while self._pump.is_busy or self._session.is_process_alive:
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
        """One of "idle", "running", "paused", "attached", "ended" and "crashed"."""
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
        self._pump.request(messages.SaveNotebook())

    def tune(
        self,
        workload: str,
        *,
        objective: str = "throughput",
        group: str = "",
        tunables: Sequence[str] = (),
        trials: int = 20,
        seconds: float = 0.5,
        **run: Unpack[messages.WorkOptions],
    ) -> None:
        """Asks for a study, as the button Tune does: of the tunables of a component, or of some by name.

        An error shows in the panel, and in `error`. `run` is as for `start`: threads, parameters, trace.
        """
        self._pump.request(
            messages.Tune(
                spec=cast(messages.RunForm, {"workload": workload, **run}),
                objective=objective,
                group=group,
                tunables=tunables,
                trials=trials,
                seconds=seconds,
            )
        )

    def stop_tuning(self) -> None:
        """Asks the study to end; what was measured is kept."""
        self._pump.request(messages.StopTuning())

    def go_on_tuning(self, path: str | os.PathLike[str]) -> None:
        """Asks to go on with a study by its file, of this panel or of `workbench tune`."""
        self._pump.request(messages.ResumeTuning(path=os.fspath(path)))

    def try_values(self) -> None:
        """Asks the study that goes on to try the panel's values next."""
        self._pump.request(messages.TryValues())

    def apply_best(self) -> None:
        """Asks for the best settings of the study to be set."""
        self._pump.request(messages.ApplyBest())

    @property
    def tuning(self) -> messages.Tuning:
        """How the study stands: state, text, path of its file, best, latest trials."""
        return self._tuner.describe()

    @property
    def changes(self) -> list[Change]:
        """All changes of tunables of this panel, oldest first."""
        return self._session.settings.changes.entries()

    @property
    def log(self) -> list[str]:
        """Lines of the log, oldest first."""
        return [f"{entry.time} {entry.text}" for entry in self._session.all_entries()]

    @property
    def message_counts(self) -> tuple[int, int]:
        """Messages sent to views so far, and how many of them were frames."""
        return self._pump.messages_sent, self._pump.frames_sent

    def figure(self) -> go.Figure:
        """The latest run as a usual Plotly figure, to keep in the notebook."""
        session = self._session
        target = session.target
        if target is None:
            return draw_history((), HistoryView.empty(), title="Nothing was recorded yet")
        return draw_history(
            session.charts,
            target.recorder.history.view(),
            session.markers(),
            session.pinned.history if session.pinned else None,
            title=target.subject,
        )

    def close(self) -> None:
        """Ends what runs, lets go of what was attached to, closes the widget. Can be called again."""
        if self._is_closed:
            return
        self._is_closed = True
        self._pump.close()
        self._session.close()
        self._tuner.close()
        closed: messages.Status = {"text": "closed", "state": "idle"}
        self._widget.push({"type": "state", "number": 0, "closed": True, "status": closed})
        self._widget.close()

    def __enter__(self) -> TuningPanel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self._widget._repr_mimebundle_(**options)

    # --- what is asked for, by views or a notebook; on the pump's thread ---

    def _act(self, request: messages.Request) -> None:
        session, settings = self._session, self._session.settings
        match request:
            case messages.Start(spec=spec):
                session.start(spec)
            case messages.Attach(path=path):
                session.attach(path)
            case messages.Detach(restore=restore):
                session.detach(restore=restore)
            case messages.Pause():
                session.pause()
            case messages.Resume():
                session.resume()
            case messages.Stop():
                session.stop()
            case messages.ChooseAllocator(allocator=name):
                self._tuner.choose(session.choose(name))
            case messages.Undo():
                settings.undo()
            case messages.Redo():
                settings.redo()
            case messages.ResetAll():
                self._apply_preset("default")
            case messages.ChoosePreset(name=name):
                self._apply_preset(name)
            case messages.SavePreset(name=name):
                self._save_preset(name)
            case messages.DeletePreset(name=name):
                self._delete_preset(name)
            case messages.Pin() | messages.Unpin():
                self._pin(isinstance(request, messages.Pin))
            case messages.Export(format=format_name, path=path):
                self._export(format_name, path.strip())
            case messages.Record(on=is_on):
                session.tell(session.keeper.switch(is_on))
            case messages.SaveNotebook():
                self._save_notebook()
            case messages.Tune():
                session.tell(f"tuning: {self._tuner.start(request)}")
            case messages.ResumeTuning(path=path):
                session.tell(f"tuning: {self._tuner.go_on(Path(path))}")
            case messages.StopTuning():
                self._tuner.stop()
            case messages.TryValues():
                self._tuner.inject(settings.requested())
            case messages.ApplyBest():
                self._apply_best()
            case messages.Dismiss():
                pass  # the pump clears errors after everything that succeeds

    def _apply_preset(self, name: str) -> None:
        preset = next(
            (preset for preset in self._state.load_presets(self._session) if preset.name == name), None
        )
        if preset is None:
            raise BadParameter(f"there is no preset {name!r}")
        self._session.settings.apply_preset(preset)

    def _save_preset(self, name: str) -> None:
        tunables = self._session.settings.tunables
        requested = self._session.settings.requested()
        changed = {one: value for one, value in requested.items() if value != tunables[one].default}
        preset = self._store.save(name, changed)
        self._state.load_presets(self._session, anew=True)
        self._session.settings.note_preset(preset.name)
        self._state.message = f"saved preset {preset.name}"

    def _delete_preset(self, name: str) -> None:
        self._store.delete(name)
        self._state.load_presets(self._session, anew=True)
        self._state.message = f"deleted preset {name}"

    def _pin(self, is_pinned: bool) -> None:
        if is_pinned:
            self._session.pin()
        else:
            self._session.unpin()
        self._pump.send_baseline()

    def _export(self, format_name: str, path: str) -> None:
        session = self._session
        target = session.target
        spec = target.spec if target else None
        values, tunables = session.settings.requested(), session.settings.tunables
        block = (
            target.allocator_block if target and target.allocator_block else session.settings.allocator.block
        )
        process = None
        if target is not None and spec is None:
            process = f"{target.pid} {block.info.command}"
        provenance = describe_provenance(
            values,
            tunables,
            build=block.info.build,
            workload=spec.workload if spec else None,
            parameters=spec.parameters if spec else None,
            threads=spec.resolve().threads if spec else None,
            seed=spec.seed if spec else None,
            process=process,
        )
        if not path:
            raise BadParameter("export: name a file")
        write_defaults(path, format_name, values, provenance, tunables=tunables)
        self._state.message = f"wrote {path}"
        session.tell(f"exported the values to {path}")

    def _apply_best(self) -> None:
        best = self._tuner.best
        if not best:
            raise BadParameter("tuning: nothing beats the defaults so far; there is nothing to apply")
        self._session.settings.apply(best, "tuned")

    def _save_notebook(self) -> None:
        path = self._session.keeper.save_notebook()
        self._state.message = f"wrote {path}"
        self._session.tell(f"saved as notebook: {path}")


def tuning_panel(name: str = "tuning", sessions: str | os.PathLike[str] | None = None) -> TuningPanel:
    """Opens the tuning panel.

    Running its cell again closes the panel of that name that was open, with what ran in it.

    Parameters
    ----------
    name : str
        Panels of different names can be open at the same time.
    sessions : path, optional
        Where sessions are recorded; by default WORKBENCH_SESSIONS, else `sessions` in the working folder.

    Raises
    ------
    WorkbenchError
        If the allocator in this process cannot be started.
    """
    earlier = _open_panels.get(name)
    if earlier is not None:
        earlier.close()
    panel = TuningPanel(sessions=sessions)
    _open_panels[name] = panel
    return panel


@atexit.register
def close_panels() -> None:
    """Closes every open panel; also done when the kernel ends."""
    for panel in list(_open_panels.values()):
        panel.close()
