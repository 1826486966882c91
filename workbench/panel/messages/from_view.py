"""What a view may send, and a notebook may ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict

import msgspec

from workbench.control import Value
from workbench.errors import BadParameter

#: A number, or the text that a person typed for one: it is read where its range is known.
Number = int | float | str


def _name_type(class_name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower()


class FromView(msgspec.Struct, tag_field="type", tag=_name_type, forbid_unknown_fields=True, kw_only=True):
    """A message of a view; its `type` is the name of its class in lower case, as in `save_preset`."""

    view: str = ""


class Hello(FromView):
    """A view is there, and needs the whole state."""


class Bye(FromView):
    """A view is closed."""


class Report(FromView):
    """Which charts a view shows, how wide in pixels, and which span of time in seconds (0: all)."""

    visible: Sequence[str]
    width: float
    span: float
    # Title, first and last second of each chart that is zoomed.
    zooms: Sequence[tuple[str, float, float]]


class Ack(FromView):
    """A view has drawn the frame of that number."""

    frame: int


class AskPlotly(FromView):
    """A view needs the script that draws charts."""


class Set(FromView):
    """One tunable is set. A text is read as a person types it; sets of one `gesture` are one change."""

    name: str
    value: Value
    gesture: str = ""


class Reset(FromView):
    """One tunable goes to its default."""

    name: str


class ResetAll(FromView):
    """Every tunable goes to its default."""


class Undo(FromView):
    """The latest change is taken back."""


class Redo(FromView):
    """The change that was taken back last is made again."""


class ChooseAllocator(FromView):
    """The form shows another allocator: its tunables are those of the next start."""

    allocator: str


class ChoosePreset(FromView):
    """Every tunable goes to a preset's value."""

    name: str


class SavePreset(FromView):
    """The values are kept as a preset."""

    name: str


class DeletePreset(FromView):
    """A saved preset is deleted."""

    name: str


class Export(FromView):
    """The values are written to a file."""

    format: str
    path: str


class WorkOptions(TypedDict, total=False):
    """How a workload is set up; `trace` is for a replay."""

    trace: str
    threads: Number
    seed: Number
    parameters: Mapping[str, Number]


class RunForm(WorkOptions, total=False):
    """A run as a form or a notebook asks for it: of so many seconds or operations, else until Stop."""

    workload: Required[str]
    allocator: str
    seconds: Number
    operations: Number


class Start(FromView):
    """A run is started."""

    spec: RunForm


class Pause(FromView):
    """The run stands still."""


class Resume(FromView):
    """The run goes on."""


class Stop(FromView):
    """The run ends."""


class Attach(FromView):
    """A running process is attached to, by the path of its control block."""

    path: str


class Detach(FromView):
    """The process is let go of, with the values it had before if they are to be restored."""

    restore: bool


class Pin(FromView):
    """The run is kept as the baseline of those that follow."""


class Unpin(FromView):
    """The baseline is let go."""


class Record(FromView):
    """Recording is switched on or off."""

    on: bool


class SaveNotebook(FromView):
    """The notebook is written that repeats the latest session."""


class Tune(FromView):
    """A study is begun: of the tunables of a component (`group`), or of those named."""

    spec: RunForm
    objective: str
    trials: Number
    seconds: Number
    group: str = ""
    tunables: Sequence[str] = ()


class ResumeTuning(FromView):
    """A study that was stopped goes on, by the path of its file."""

    path: str


class StopTuning(FromView):
    """The study is stopped."""


class TryValues(FromView):
    """The study tries the values of the panel next."""


class ApplyBest(FromView):
    """The best settings of the study are set."""


class Dismiss(FromView):
    """The error that shows was read."""


Request = (
    Hello | Bye | Report | Ack | AskPlotly
    | Set | Reset | ResetAll | Undo | Redo | ChoosePreset | SavePreset | DeletePreset | Export
    | ChooseAllocator | Start | Pause | Resume | Stop | Attach | Detach | Pin | Unpin | Record | SaveNotebook
    | Tune | ResumeTuning | StopTuning | TryValues | ApplyBest | Dismiss
)  # fmt: skip


def read_message(content: Mapping[str, Any]) -> Request:
    """Read a view's message.

    Raises
    ------
    BadParameter
        If it is none that the kernel knows, or a field is missing, unknown or of another type.
    """
    try:
        message: Request = msgspec.convert(content, Request)
    except msgspec.ValidationError as error:
        kind = content.get("type")
        raise BadParameter(
            f"the panel cannot read the message {kind!r} of its page: {error}; load the page again"
        ) from None
    return message
