"""What the kernel tells its views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Required, TypedDict

from workbench.control import Value


class Parameter(TypedDict):
    """A parameter of a workload."""

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float
    help: str


class Workload(TypedDict):
    """A workload that can be started."""

    name: str
    help: str
    threads: int
    needs_trace: bool
    is_first_choice: bool
    parameters: list[Parameter]


class Allocator(TypedDict):
    """An allocator that a workload can run under."""

    name: str
    label: str
    available: bool
    remedy: str
    note: str


class Process(TypedDict):
    """A process that can be attached to, by the path of its control block."""

    path: str
    label: str
    command: str


class TraceChoice(TypedDict):
    """A trace that can be replayed: a dataset's name, or a file."""

    value: str
    label: str


class ExportFormat(TypedDict):
    """A format of exported values, and how a file of it is called if nobody says otherwise."""

    name: str
    label: str
    file_name: str


class Tunable(TypedDict):
    """What a control shows of a tunable; a number has bounds, and may have chosen stops."""

    name: str
    label: str
    kind: Literal["int", "bool", "real", "choice"]
    unit: str
    help: str
    effect: Literal["live", "new threads", "start", "new arenas", "new mappings"]
    effect_text: str
    default: Value
    default_text: str
    choices: list[str]
    range_text: str
    minimum: float
    maximum: float
    step: float
    stops: list[int | float] | None


class ControlGroup(TypedDict):
    """The tunables of one component."""

    title: str
    tunables: list[Tunable]


class ControlState(TypedDict):
    """How a control stands; `answers` counts what was asked of it."""

    requested: Value
    note: str
    is_pending: bool
    is_default: bool
    problem: str
    answers: int


class PresetChoice(TypedDict):
    """A preset; only a saved one can be deleted."""

    name: str
    help: str
    is_saved: bool


class Presets(TypedDict):
    """All presets, and the one whose values hold (empty: none)."""

    names: list[PresetChoice]
    current: str


class ChangeHistory(TypedDict):
    """What undo and redo would do; empty where there is nothing."""

    undo: str
    redo: str


class ShownRun(TypedDict):
    """The latest run of ours, as forms show it. Numbers are texts: a view's numbers have 53 bits only."""

    number: int
    workload: str
    trace: str
    allocator: str
    threads: str
    seed: str
    seconds: str
    parameters: dict[str, str]


RunState = Literal["idle", "running", "paused", "attached", "ended", "crashed"]


class Run(TypedDict):
    """What runs."""

    state: RunState
    is_pinned: bool
    can_pin: bool
    spec: ShownRun | None


class Clock(TypedDict):
    """How long it has run; `total_s` is 0 and `progress` None where no end is in sight."""

    elapsed_s: float
    total_s: float
    progress: float | None
    is_moving: bool


class Recording(TypedDict):
    """The recording of the session; `switches` counts how often it was switched."""

    is_on: bool
    switches: int
    is_possible: bool
    is_recording: bool
    name: str
    path: str
    size: str
    problem: str
    can_save: bool


class TrialRow(TypedDict):
    """One of a study's latest trials."""

    number: int
    outcome: str
    ratios: list[float]
    settings: str


class Tuning(TypedDict):
    """How the study stands. A point is a trial's number, its ratio to the defaults, and its outcome."""

    state: Literal["idle", "running", "stopping", "stopped", "failed", "done"]
    text: str
    path: str
    objectives: Sequence[str]
    is_less_better: bool
    done: int
    left: int
    left_s: float
    points: list[tuple[int, float, str]]
    rows: list[TrialRow]
    best: str
    lines: list[str]
    has_best: bool
    groups: list[str]
    goals: list[str]


class Status(TypedDict):
    """The status line, and the colour of its dot."""

    text: str
    state: RunState


class Trace(TypedDict):
    """One line of a chart, on the left (1) or right (2) axis."""

    key: str
    label: str
    unit: str
    axis: int
    step: bool
    color: str
    help: str


class Chart(TypedDict):
    """A chart; `unit_right` is empty without a right-hand axis."""

    title: str
    unit: str
    unit_right: str
    traces: list[Trace]


class ChangeMarker(TypedDict):
    """A change of tunables, in seconds of the run."""

    time: float
    text: str


class LogLine(TypedDict):
    """A line of the log; one with the number of an earlier line replaces it."""

    number: int
    time: str
    text: str
    kind: str


class StateParts(TypedDict, total=False):
    """All that the views show besides frames; what did not change is left out."""

    workloads: list[Workload]
    allocators: list[Allocator]
    formats: list[ExportFormat]
    controls: list[ControlGroup]
    charts: list[Chart]
    processes: list[Process]
    traces: list[TraceChoice]
    values: dict[str, ControlState]
    presets: Presets
    history: ChangeHistory
    run: Run
    recording: Recording
    tuning: Tuning
    clock: Clock
    status: Status
    error: str
    markers: list[ChangeMarker]
    message: str


class State(StateParts, total=False):
    """What changed. By the number a view notices that it missed one, and asks for all of it.

    With `log_restart` it is the whole state; with `closed` it is the last one.
    """

    type: Required[Literal["state"]]
    number: Required[int]
    log: list[LogLine]
    log_restart: bool
    closed: bool


class ChartPart(TypedDict):
    """Where a chart's numbers are: its times, then each line, `rows` numbers each, from `offset` on."""

    title: str
    keys: list[str]
    rows: int
    offset: int


class Frame(TypedDict):
    """Lines of the charts that changed, up to the second `now`; the numbers are the message's buffer."""

    type: Literal["frame"]
    number: int
    now: float
    charts: list[ChartPart]


class Baseline(TypedDict):
    """The pinned run, in the layout of a frame; no charts if there is none."""

    type: Literal["baseline"]
    charts: list[ChartPart]


class Plotly(TypedDict):
    """The script that draws charts, compressed, as the message's buffer."""

    type: Literal["plotly"]


class Who(TypedDict):
    """Whoever is there says hello again."""

    type: Literal["who"]


FromKernel = State | Frame | Baseline | Plotly | Who
