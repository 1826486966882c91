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

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BadParameter, WorkbenchError, WrongPlan, describe_unknown
from workbench.experiments.comparison_plan import ComparisonPlan, Variant, Work
from workbench.experiments.plan import Axis, Plan, Span
from workbench.experiments.trial import Trial
from workbench.workloads import REPLAY

_MAXIMUM_BYTES = 1 << 20
_MOST = 2.0**64  # TOML's whole numbers have no end
_COMMON = ("workloads", "datasets", "works", "seconds", "operations", "threads", "seed", "rounds")
_SWEEP = (*_COMMON, "allocator", "tunables", "axes", "random")
_COMPARISON = (*_COMMON, "allocators", "variants", "looks", "samples_latency")
_WORK = (
    "name", "workload", "parameters", "threads", "seed", "seconds", "operations", "tunables",
    "schedule", "command", "inputs", "trace",
)  # fmt: skip


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Read the plan of a sweep, every value of it checked.

    Raises
    ------
    WrongPlan
        If the file cannot be read, or something in it is wrong: all that is, with its range.
    """
    content = _read(Path(path), _SWEEP)
    trials = [work.trial for work in _read_works(content, Path(path))]
    for name in ("allocator", "tunables"):
        if name in content:
            trials = [_replace(trial, name, content[name]) for trial in trials]
    axes = {name: _read_axis(name, axis) for name, axis in _take(content, "axes", dict, {}).items()}
    rounds = _take(content, "rounds", int, 1)
    drawn = _take(content, "random", dict, None)
    if drawn is None:
        return Plan.from_grid(trials, axes, rounds)
    _check_names(drawn, ("count", "seed"), "[random]")
    if "count" not in drawn:
        raise WrongPlan("[random]: it needs a count")
    return Plan.from_random(trials, axes, _take(drawn, "count", int, 0), _take(drawn, "seed", int, 1), rounds)


def read_comparison_plan(path: str | os.PathLike[str]) -> ComparisonPlan:
    """Read the plan of a comparison.

    Raises
    ------
    WrongPlan
        If the file cannot be read, or something in it is of the wrong kind. (`ComparisonPlan.check`
        says the rest.)
    """
    content = _read(Path(path), _COMPARISON)
    variants = [Variant(name, name) for name in _read_words(content, "allocators")]
    for table in _read_tables(content, "variants"):
        _check_names(table, ("name", "allocator", "tunables"), "a variant")
        if "name" not in table:
            raise WrongPlan("a variant needs a name")
        given = {name: _take(table, name, kind, None) for name, kind in (("name", str), ("allocator", str))}
        tunables = _take(table, "tunables", dict, {})
        variants.append(Variant(given["name"], given["allocator"] or "hakmem", tunables))
    return ComparisonPlan(
        works=tuple(_read_works(content, Path(path))),
        variants=tuple(variants),
        rounds=_take(content, "rounds", int, 10),
        looks=_take(content, "looks", int, 1),
        samples_latency=_take(content, "samples_latency", bool, False),
    )


def _read(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAXIMUM_BYTES + 1)
        if len(data) > _MAXIMUM_BYTES:
            raise WrongPlan(f"{path}: a plan has at most {_MAXIMUM_BYTES} bytes")
        content = tomllib.loads(data.decode())
    except OSError as error:
        raise WrongPlan(f"{path}: it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, nested without end
        raise WrongPlan(f"{path}: it is no TOML file: {error}") from None
    _check_names(content, names, str(path))
    return content


def _read_works(content: Mapping[str, Any], path: Path) -> list[Work]:
    common = {name: content[name] for name in ("seconds", "operations", "threads", "seed") if name in content}
    tables: list[dict[str, Any]] = [{"workload": name} for name in _read_words(content, "workloads")]
    tables += [{"name": Path(name).stem, "trace": name} for name in _read_words(content, "datasets")]
    tables += [dict(table) for table in _read_tables(content, "works")]
    works = []
    for table in tables:
        _check_names(table, _WORK, "a work")
        if isinstance(table.get("trace"), str):
            table.setdefault("workload", REPLAY)
            table.setdefault("name", Path(table["trace"]).stem)
        name = table.pop("name", table.get("workload"))
        if not isinstance(name, str):
            raise WrongPlan(f"name: {name!r} is not a name; a work needs a workload")
        table.setdefault("workload", name)
        # A command and a replay have a length and threads of their own.
        own_length = "command" in table or "trace" in table
        kept = {} if own_length else {key: value for key, value in common.items() if key not in table}
        if "operations" in table:
            kept.pop("seconds", None)
        elif "seconds" in table:
            kept.pop("operations", None)
        if isinstance(table.get("inputs"), list):
            table["inputs"] = [str(path.parent / str(file)) for file in table["inputs"]]
        if isinstance(table.get("trace"), str) and Path(table["trace"]).suffix:
            table["trace"] = str(path.parent / table["trace"])
        try:
            works.append(Work(name, Trial.from_dict(kept | table)))
        except WorkbenchError as error:
            raise WrongPlan(f"{name}: {error}") from None
    if not works:
        raise WrongPlan(f"{path}: it names no workload; give workloads = [...] or [[works]]")
    return works


def _replace(trial: Trial, name: str, value: object) -> Trial:
    try:
        checked = Trial.from_dict({"workload": trial.workload, name: value})
    except BadParameter as error:
        raise WrongPlan(str(error)) from None
    return dataclasses.replace(trial, **{name: getattr(checked, name)})


def _read_axis(name: str, axis: object) -> Axis:
    if isinstance(axis, dict):
        _check_names(axis, ("from", "to", "steps", "scale"), name)
        for bound in ("from", "to"):
            if bound not in axis:
                raise WrongPlan(f"{name}: a span needs from and to")
        scale = _take(axis, "scale", str, None)
        if scale not in (None, "linear", "log"):
            raise WrongPlan(f"{name}: scale '{scale}' is neither linear nor log")
        low, high = (_take_number(axis, bound, name) for bound in ("from", "to"))
        return Span(low, high, _take(axis, "steps", int, 5), None if scale is None else scale == "log")
    values: list[Any] = axis if isinstance(axis, list) else [axis]
    for value in values:
        if not isinstance(value, int | float | str | bool):
            raise WrongPlan(f"{name}: {value!r} is not a value")
    return values


def _check_names(table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in names:
            raise WrongPlan(f"{where}: {describe_unknown('entry', name, names)}")


def _read_words(content: Mapping[str, Any], name: str) -> list[str]:
    words = _take(content, name, list, [])
    for word in words:
        if not isinstance(word, str):
            raise WrongPlan(f"{name}: {word!r} is not a name")
    return list(words)


def _read_tables(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    tables = _take(content, name, list, [])
    for table in tables:
        if not isinstance(table, dict):
            raise WrongPlan(f"{name}: {table!r} is not a table; write [[{name}]]")
    return list(tables)


def _take(table: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = table.get(name, default)
    if value is not default and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        words = {int: "a whole number", str: "a word", list: "a list", dict: "a table", bool: "true or false"}
        raise WrongPlan(f"{name}: {value!r} is not {words[kind]}")
    return value


def _take_number(table: Mapping[str, Any], name: str, where: str) -> float:
    value = table[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _MOST:
        raise WrongPlan(f"{where}: {name} = {str(value)[:40]} is not a number that can be used")
    return float(value)
