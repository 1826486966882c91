"""Tables of TOML files that declare what to measure: read with every entry named that is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError, WrongPlan, describe_unknown
from workbench.experiments.comparison_plan import Work
from workbench.processes.runs import Run
from workbench.workloads import REPLAY

_MAXIMUM_BYTES = 1 << 20
_MOST = 2.0**64  # TOML's whole numbers have no end
_SHOWN_CHARACTERS = 40
_WORK = (
    "name", "workload", "parameters", "threads", "seed", "seconds", "operations", "tunables",
    "schedule", "command", "inputs", "trace",
)  # fmt: skip


def read_toml(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Read a whole file, whose entries have these names.

    Raises
    ------
    WrongPlan
        If it cannot be read, or has an entry of another name.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAXIMUM_BYTES + 1)
        if len(data) > _MAXIMUM_BYTES:
            raise WrongPlan(f"{path}: a plan has at most {_MAXIMUM_BYTES} bytes")
        content = tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise WrongPlan(f"{path}: it cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, nested without end
        raise WrongPlan(f"{path}: it is no TOML file: {error}") from None
    check_names(content, names, str(path))
    return content


def read_works(content: Mapping[str, Any], path: Path) -> list[Work]:
    """What `workloads`, `datasets` and [[works]] name, in this order; files are relative to the plan's.

    Raises
    ------
    WrongPlan
        If there is none, or one is wrong.
    """
    shared = {name: content[name] for name in ("allocator",) if name in content}
    common = {name: content[name] for name in ("seconds", "operations", "threads", "seed") if name in content}
    tables: list[dict[str, Any]] = [{"workload": name} for name in read_words(content, "workloads")]
    tables += [{"name": Path(name).stem, "trace": name} for name in read_words(content, "datasets")]
    tables += [dict(table) for table in read_tables(content, "works")]
    works = []
    for table in tables:
        check_names(table, _WORK, "a work")
        if isinstance(table.get("trace"), str):
            table.setdefault("workload", REPLAY)
            table.setdefault("name", Path(table["trace"]).stem)
        name = table.pop("name", table.get("workload"))
        if not isinstance(name, str):
            raise WrongPlan(f"name: {_shorten(name)} is not a name; a work needs a workload")
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
            works.append(Work(name, Run.from_dict(shared | kept | table)))
        except WorkbenchError as error:
            raise WrongPlan(f"{name}: {error}") from None
    if not works:
        raise WrongPlan(f"{path}: it names no workload; give workloads = [...] or [[works]]")
    return works


def check_names(table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    """See that a table has no other entries.

    Raises
    ------
    WrongPlan
        With the nearest name.
    """
    for name in table:
        if name not in names:
            raise WrongPlan(f"{where}: {describe_unknown('entry', name, names)}")


def read_words(content: Mapping[str, Any], name: str) -> list[str]:
    """A list of words; empty if it is not there.

    Raises
    ------
    WrongPlan
        If it is something else.
    """
    words = take(content, name, list, [])
    for word in words:
        if not isinstance(word, str):
            raise WrongPlan(f"{name}: {_shorten(word)} is not a name")
    return list(words)


def read_tables(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of tables; empty if it is not there.

    Raises
    ------
    WrongPlan
        If it is something else.
    """
    tables = take(content, name, list, [])
    for table in tables:
        if not isinstance(table, dict):
            raise WrongPlan(f"{name}: {_shorten(table)} is not a table; write [[{name}]]")
    return list(tables)


def take(table: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """An entry of a kind (int, str, bool, list, dict), or the default.

    Raises
    ------
    WrongPlan
        If it is of another kind.
    """
    value = table.get(name, default)
    if value is not default and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        words = {int: "a whole number", str: "a word", list: "a list", dict: "a table", bool: "true or false"}
        raise WrongPlan(f"{name}: {_shorten(value)} is not {words[kind]}")
    return value


def take_number(table: Mapping[str, Any], name: str, where: str) -> float:
    """An entry that has to be there, as a number.

    Raises
    ------
    WrongPlan
        If it is none that can be used.
    """
    value = table[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _MOST:
        raise WrongPlan(
            f"{where}: {name} = {str(value)[:_SHOWN_CHARACTERS]} is not a number that can be used"
        )
    return float(value)


def _shorten(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number of very many digits"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."
