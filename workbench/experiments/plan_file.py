"""Plans as TOML files: of a sweep, and of a comparison.

A sweep:

    workloads = ["phases", "larson"]     # or [[works]] with workload, parameters, threads ...
    datasets = ["jq"]                    # replayed, each once; or paths of traces
    seconds = 1.0                        # or operations
    rounds = 3

    [axes]
    "tls.grow_percent" = [60, 80, 90]
    "tls.max_slots" = { from = 256, to = 2048, steps = 4 }
    threads = [1, 2]

    [random]                             # leave it out for the whole grid
    count = 50
    seed = 1

A comparison has `allocators` or [[variants]] (name, allocator, tunables) instead of axes.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from workbench.control import Value
from workbench.errors import BadParameter, WorkbenchError, WrongPlan, describe_unknown
from workbench.experiments.comparison_plan import ComparisonPlan, Variant, Work
from workbench.experiments.plan import Axis, Plan, Span
from workbench.plain_values import read_value, show
from workbench.processes.program import split_command
from workbench.processes.runs import Run
from workbench.processes.server import Server, parse_ready, parse_stop
from workbench.workloads import REPLAY

Kind = TypeVar("Kind")

_MAXIMUM_BYTES = 1 << 20
# Of a work in a file: fields of a run, and what is put together from more than one entry.
_WORK = {"name", "shell", "client", *Server.__struct_fields__, *Run.__struct_fields__} - {
    "allocator", "round", "samples_latency"
}  # fmt: skip


class WorkEntries(msgspec.Struct, forbid_unknown_fields=True):
    """The entries that name works, and what these have in common."""

    workloads: list[str] = []
    datasets: list[str] = []
    works: list[dict[str, Any]] = []
    seconds: float | None = None
    operations: int | None = None
    threads: int | None = None
    allocator: str | None = None


class RangeEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A range of values."""

    low: float | None = msgspec.field(name="from", default=None)
    high: float | None = msgspec.field(name="to", default=None)
    steps: int = 5
    scale: str | None = None

    def is_log(self, name: str) -> bool | None:
        """Whether the scale is logarithmic; None if it is not given, WrongPlan if it is another one."""
        if self.scale not in (None, "linear", "log"):
            raise WrongPlan(f"{name}: scale '{self.scale[:40]}' is neither linear nor log")
        return None if self.scale is None else self.scale == "log"


#: What an axis may be in a file.
AxisEntry = RangeEntry | list[Value] | Value


class _Random(msgspec.Struct, forbid_unknown_fields=True):
    count: int
    seed: int = 1


class _Sweep(WorkEntries):
    seed: int | None = None
    rounds: int = 1
    tunables: dict[str, Value] | None = None
    axes: dict[str, AxisEntry] | None = None
    random: _Random | None = None


_AS_THEY_STAND = ("rounds", "looks", "samples_latency", "warmup", "ends_on_failure", "compares_output")


class _Comparison(WorkEntries):
    seed: int | None = None
    allocators: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    rounds: int = 10
    looks: int = 1
    samples_latency: bool = False
    warmup: int = 0
    ends_on_failure: bool = False
    compares_output: bool = False


def read_sweep_plan(path: str | os.PathLike[str]) -> Plan:
    """Read the plan of a sweep, every value of it checked.

    Raises
    ------
    WrongPlan
        If the file cannot be read, or something in it is wrong: all that is, with its range.
    """
    content = read_toml(Path(path), _Sweep)
    runs = [work.run for work in read_works(content, Path(path), content.seed)]
    if content.tunables is not None:
        runs = [replace(run, tunables=content.tunables) for run in runs]
    axes = {name: _read_axis(name, axis) for name, axis in (content.axes or {}).items()}
    if content.random is None:
        return Plan.from_grid(runs, axes, content.rounds)
    return Plan.from_random(runs, axes, content.random.count, content.random.seed, content.rounds)


def read_comparison_plan(path: str | os.PathLike[str]) -> ComparisonPlan:
    """Read the plan of a comparison.

    Raises
    ------
    WrongPlan
        If the file cannot be read, or something in it is of the wrong kind. (`ComparisonPlan.check`
        says the rest.)
    """
    content = read_toml(Path(path), _Comparison)
    return ComparisonPlan(
        works=tuple(read_works(content, Path(path), content.seed)),
        variants=(*(Variant(name, name) for name in content.allocators), *content.variants),
        **{name: getattr(content, name) for name in _AS_THEY_STAND},
    )


def _read_axis(name: str, axis: AxisEntry) -> Axis:
    if isinstance(axis, RangeEntry):
        if axis.low is None or axis.high is None:
            raise WrongPlan(f"{name}: a span needs from and to")
        return Span(axis.low, axis.high, axis.steps, axis.is_log(name))
    return axis if isinstance(axis, list) else [axis]


def read_toml(path: Path, kind: type[Kind]) -> Kind:
    """Read a whole file; WrongPlan if it cannot be read, or an entry is unknown or of another type."""
    return read_entry(kind, _parse_toml(path), "the plan")


def read_programs(path: Path) -> list[Work]:
    """Read the works of a plan of any kind that are commands or servers; WrongPlan as for `read_toml`."""
    tables = _parse_toml(path).get("works", [])
    tables = [one for one in tables if isinstance(one, dict) and not {"command", "server"}.isdisjoint(one)]
    return read_works(WorkEntries(works=tables), path) if tables else []


def _parse_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAXIMUM_BYTES + 1)
        if len(data) > _MAXIMUM_BYTES:
            raise WrongPlan(f"{path}: a plan has at most {_MAXIMUM_BYTES} bytes")
        return tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise WrongPlan(f"{path}: it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, nested without end
        raise WrongPlan(f"{path}: it is no TOML file: {error}") from None


def read_entry(kind: type[Kind], content: object, what: str) -> Kind:
    """As `read_value`, but what is wrong is a WrongPlan."""
    try:
        return read_value(kind, content, what)
    except BadParameter as error:
        raise WrongPlan(str(error)) from None


def read_works(entries: WorkEntries, path: Path, seed: int | None = None) -> list[Work]:
    """What `workloads`, `datasets` and [[works]] name, in this order; files are relative to the plan's.

    The seed is of works that have none of their own. WrongPlan if there is no work, or one is wrong.
    """
    given = {name: getattr(entries, name) for name in ("seconds", "operations", "threads")} | {"seed": seed}
    common = {name: value for name, value in given.items() if value is not None}
    shared = {} if entries.allocator is None else {"allocator": entries.allocator}
    tables: list[dict[str, Any]] = [{"workload": name} for name in entries.workloads]
    tables += [{"name": Path(name).stem, "trace": name} for name in entries.datasets]
    tables += [dict(table) for table in entries.works]
    works = []
    for table in tables:
        for entry in table.keys() - _WORK:
            raise WrongPlan(describe_unknown("field of a work", entry, sorted(_WORK)))
        if isinstance(table.get("trace"), str):
            table.setdefault("workload", REPLAY)
            table.setdefault("name", Path(table["trace"]).stem)
        name = table.pop("name", table.get("workload"))
        if not isinstance(name, str):
            raise WrongPlan(f"name: {show(name)} is not a name; a work needs a workload, or a name")
        table.setdefault("workload", name)
        # A command and a replay have a length and threads of their own.
        own_length = bool({"command", "client", "trace"} & table.keys())
        kept = {} if own_length else {key: value for key, value in common.items() if key not in table}
        if "operations" in table:
            kept.pop("seconds", None)
        elif "seconds" in table:
            kept.pop("operations", None)
        if isinstance(table.get("inputs"), list):
            table["inputs"] = [str(path.parent / str(file)) for file in table["inputs"]]
        shell = table.pop("shell", False)
        if "server" in table or "client" in table:
            _gather_server(name, table, by_shell=shell is True)
        for entry in ("command", "prepare"):
            if isinstance(table.get(entry), str):
                table[entry] = split_command(table[entry], by_shell=shell is True)
        if isinstance(table.get("folder"), str):
            table["folder"] = str((path.parent / table["folder"]).resolve())
        if isinstance(table.get("trace"), str) and Path(table["trace"]).suffix:
            table["trace"] = str(path.parent / table["trace"])
        try:
            works.append(Work(name, Run.from_dict(shared | kept | table)))
        except WorkbenchError as error:
            raise WrongPlan(f"{name}: {error}") from None
    if not works:
        raise WrongPlan(f"{path}: it names no workload; give workloads = [...] or [[works]]")
    return works


def _gather_server(name: str, table: dict[str, Any], *, by_shell: bool) -> None:
    """Put what is said of a server beside its client into one table, and name the client as a command is."""
    if not {"server", "client", "ready"} <= table.keys() or "command" in table:
        raise WrongPlan(f"{name}: a server needs server, ready and client; a program alone is a command")
    server = {key: table.pop(key) for key in Server.__struct_fields__ if key in table}
    server["command"], table["command"] = table.pop("server"), table.pop("client")
    for key, read in {"command": split_command, "ready": parse_ready, "stop": parse_stop}.items():
        if isinstance(server.get(key), str):
            server[key] = read(server[key], by_shell=by_shell)
    table["server"] = server
