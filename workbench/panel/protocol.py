"""What a panel's kernel tells its views, and the forms that they send; `requests.py` has what they ask for.

A message is plain data or a value of a room below, such as a chart: the widget writes both as JSON.
`scripts/front_types.py` makes declarations of TypeScript from them, as it does from the requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Required, TypedDict

import msgspec

from workbench.allocators import Preset
from workbench.control import Action, Tunable, Value
from workbench.plots import Chart, Marker
from workbench.plots.heap_figures import Icicle
from workbench.workloads import Parameter

#: A number, or the text that a person typed for one: it is read where its range is known.
Number = int | float | str


class WorkOptions(TypedDict, total=False):
    """How a workload is set up; `trace` is for a replay, `command` for a program of the user's."""

    trace: str
    command: str
    threads: Number
    seed: Number
    parameters: Mapping[str, Number]


class RunForm(WorkOptions, total=False):
    """A run as a form or a notebook asks for it: of so many seconds or operations, else until Stop."""

    workload: Required[str]
    allocator: str
    seconds: Number
    operations: Number


class Workload(TypedDict):
    """A workload that can be started."""

    name: str
    help: str
    threads: int
    needs_trace: bool
    needs_command: bool
    is_first_choice: bool
    parameters: Sequence[Parameter]


@dataclass(frozen=True)
class Allocator:
    """An allocator that a workload can run under."""

    name: str
    label: str
    available: bool = True
    remedy: str = ""
    note: str = ""


@dataclass(frozen=True)
class Choice:
    """One of a list: what it stands for, how it is shown, and more of it."""

    value: str
    label: str
    title: str = ""


class ExportFormat(TypedDict):
    """A format of exported values, and how a file of it is called if nobody says otherwise."""

    name: str
    label: str
    file_name: str


class Control(TypedDict):
    """What a control shows of a tunable; the slider of a number may have chosen stops."""

    tunable: Tunable
    effect_text: str
    default_text: str
    range_text: str
    step: float
    stops: list[int | float] | None


class ControlGroup(TypedDict):
    """The tunables of one component."""

    title: str
    controls: list[Control]


class ControlState(TypedDict):
    """How a control stands; `answers` counts what was asked of it."""

    requested: Value
    note: str
    is_pending: bool
    is_default: bool
    problem: str
    answers: int


class ActionState(TypedDict):
    """A button for what the process does when it is asked to; the note tells what came of it last."""

    action: Action
    can_act: bool
    note: str


class Presets(TypedDict):
    """All presets, and the one whose values hold (empty: none)."""

    names: Sequence[Preset]
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
    command: str
    allocator: str
    threads: str
    seed: str
    seconds: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class LogEntry:
    """A line of the log; a later one with the same number replaces it. `kind` is its colour."""

    number: int
    time: str
    text: str
    kind: str


RunState = Literal["idle", "starting", "running", "paused", "attached", "ended", "crashed"]


class Status(TypedDict):
    """The status line, and the colour of its dot."""

    text: str
    state: RunState


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


@dataclass(frozen=True)
class TrialRow:
    """One of a study's latest trials."""

    number: int
    outcome: str
    ratios: list[float]
    settings: str


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """A study. A point is a trial's number, outcome and ratio to the defaults, and the best ratio by then."""

    state: Literal["idle", "running", "stopping", "stopped", "failed", "done"] = "idle"
    text: str = ""
    path: str = ""
    objectives: Sequence[str] = ()
    done: int = 0
    left: int = 0
    left_s: float = 0.0
    points: Sequence[tuple[int, str, float, float]] = ()
    rows: Sequence[TrialRow] = ()
    best: str = ""
    lines: Sequence[str] = ()
    has_best: bool = False
    groups: Sequence[str] = ()
    goals: Sequence[str] = ()


@dataclass(frozen=True)
class JudgedFigure:
    """What an experiment judges: the setting, middle (in s) and level of each block; and the verdict."""

    name: str
    unit: str
    points: Sequence[tuple[str, float, float]]
    verdict: str


class ShownExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """A live experiment; `probes` are those that can be chosen, `lines` what came of it or of its pilot.

    `refused` says why it was not begun, and `wrong` names the field of the request that is to blame.
    """

    state: Literal["idle", "running", "stopping", "ended", "failed"] = "idle"
    text: str = ""
    path: str = ""
    progress: float = 0.0
    left_s: float = 0.0
    figures: Sequence[JudgedFigure] = ()
    lines: Sequence[str] = ()
    probes: Sequence[str] = ()
    suggested: str = ""
    refused: str = ""
    wrong: str = ""


class WhatIfCurve(TypedDict):
    """A size class: what its caches would do, as KiB held, exchanges a second and slots, and what they do."""

    label: str
    color: str
    points: list[tuple[float, float, int]]
    today: tuple[float, float, int]


class LargeChart(TypedDict):
    """What a cache of large blocks would do: MiB that it may keep, map calls a second, and a hit rate in %.

    The rows tell the same by delay; the first is the head. Empty if nothing is known.
    """

    title: str
    points: list[tuple[float, float, float]]
    today: tuple[float, float, float]
    advice: str
    rows: list[list[str]]


class WhatIfChart(TypedDict):
    """The chart *What if* and its table of advice, whose first row is the head; empty if nothing is known."""

    note: str
    curves: list[WhatIfCurve]
    rows: list[list[str]]
    large: LargeChart


class HeapChart(TypedDict):
    """The chart *Who holds it*, and a table of what grew since a run was pinned, whose first row is the head.

    `icicle` is None, and `note` says why, while there is nothing to show.
    """

    note: str
    icicle: Icicle | None
    growth: str
    rows: list[list[str]]


class Sampling(TypedDict):
    """Values of tunables which a button sets, so that samples are taken, or no more; empty: it cannot."""

    is_on: bool
    values: Mapping[str, Value]


class StateParts(TypedDict, total=False):
    """All that the views show besides frames; what did not change is left out."""

    workloads: list[Workload]
    allocators: list[Allocator]
    formats: list[ExportFormat]
    controls: list[ControlGroup]
    charts: Sequence[Chart]
    gaps: Mapping[str, str]
    probes: list[Choice]
    processes: list[Choice]
    traces: list[Choice]
    programs: list[Choice]
    values: dict[str, ControlState]
    actions: list[ActionState]
    presets: Presets
    history: ChangeHistory
    run: Run
    recording: Recording
    tuning: Tuning
    experiment: ShownExperiment
    clock: Clock
    status: Status
    error: str
    markers: list[Marker]
    message: str
    whatif: WhatIfChart
    heap: HeapChart
    sampling: Sampling


class State(StateParts, total=False):
    """What changed. By the number a view notices that it missed one, and asks for all of it.

    With `log_restart` it is the whole state; with `closed` it is the last one.
    """

    type: Required[Literal["state"]]
    number: Required[int]
    log: list[LogEntry]
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
