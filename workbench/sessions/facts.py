"""What is known of a session besides its tables: what ran, where, how it ended; as JSON and back."""

from __future__ import annotations

import datetime
import json
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from workbench.control import Value
from workbench.errors import DamagedSession
from workbench.processes import Outcome, RunSpec
from workbench.processes.source import source_revision
from workbench.sessions.layout import FACTS_FILE, VERSION, check_version


@dataclass(frozen=True)
class SessionFacts:
    """The facts of one session.

    Parameters
    ----------
    subject : str
        What ran, in words.
    started : str
        Date and time (UTC).
    spec : RunSpec or None
        What our run was asked to do; None for a process that was attached to.
    settings : mapping of str to Value
        Tunables as they were when recording began.
    process : str
        Pid and command line.
    allocator_build : str
        As the allocator's control block tells; empty for one without.
    provenance : mapping of str to str
        Machine, kernel, CPU, versions, source revision.
    status, note : str
        How it ended; both empty while it goes on, or if nobody could write it down.
    operations : int or None
        At the end, of all threads.
    elapsed_s : float or None
        Of the workload, without pauses.
    lost_events : int
        Overwritten before they were read.
    is_exploratory : bool
        Whether it ran inside the process that recorded it.
    """

    subject: str
    started: str
    spec: RunSpec | None = None
    settings: Mapping[str, Value] = field(default_factory=dict)
    process: str = ""
    allocator_build: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    status: str = ""
    note: str = ""
    operations: int | None = None
    elapsed_s: float | None = None
    lost_events: int = 0
    is_exploratory: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether the end was recorded."""
        return bool(self.status)


def describe_machine() -> dict[str, str]:
    """Where and with what a session is recorded."""
    facts = {
        "machine": f"{platform.node()}, {platform.machine()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "processors": str(os.cpu_count() or 0),
        "cpu": _cpu_model(),
        "workbench": _own_version(),
        "python": platform.python_version(),
        "source revision": source_revision(),
    }
    return {name: text for name, text in facts.items() if text}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _own_version() -> str:
    try:
        return metadata.version("hakmem-workbench")
    except metadata.PackageNotFoundError:  # run from a source tree
        return "unknown"


def date_now() -> str:
    """Date and time (UTC), such as '2026-11-21T12:42:49Z'."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def summarize_outcome(outcome: Outcome | None) -> dict[str, Any]:
    """The fields of `SessionFacts` that an outcome tells."""
    if outcome is None:
        return {}
    return {
        "status": outcome.status,
        "note": outcome.message,
        "operations": outcome.operations,
        "elapsed_s": outcome.elapsed_s,
    }


def write_facts(folder: Path, facts: SessionFacts) -> None:
    """Writes them whole or not at all.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    content = {"format": "hakmem session", "version": VERSION, **asdict(facts)}
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n"
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=".facts", delete=False
    ) as file:
        try:
            file.write(text)
            file.flush()
            Path(file.name).replace(folder / FACTS_FILE)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def read_facts(folder: Path) -> SessionFacts:
    """The facts of a recording.

    Raises
    ------
    DamagedSession
        If there are none, or they are not what `write_facts` writes.
    WrongRecordingVersion
        If a newer workbench wrote them.
    """
    path = folder / FACTS_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DamagedSession(f"{folder} is no recording of a session: it has no {FACTS_FILE}") from None
    except (OSError, ValueError) as error:
        raise DamagedSession(f"{path} cannot be read ({error}); the recording is damaged") from None
    if not isinstance(content, dict) or content.get("format") != "hakmem session":
        raise DamagedSession(f"{path} is not that of a recorded session")
    check_version(content.get("version", ""), path)
    try:
        return _build_facts(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedSession(f"{path} is damaged ({error})") from None


def _build_facts(content: Mapping[str, Any]) -> SessionFacts:
    known = {entry.name: content[entry.name] for entry in fields(SessionFacts) if entry.name in content}
    for name in ("subject", "started", "process", "allocator_build", "status", "note"):
        if not isinstance(known.get(name, ""), str):
            raise TypeError(f"{name} is no text")
    for name in ("operations", "elapsed_s", "lost_events"):
        if not isinstance(known.get(name), int | float | None):
            raise TypeError(f"{name} is no number")
    known["settings"] = check_values(known.get("settings", {}))
    known["provenance"] = {str(name): str(text) for name, text in known.get("provenance", {}).items()}
    spec = known.get("spec")
    known["spec"] = None if spec is None else read_spec(spec)
    return SessionFacts(**known)


def read_spec(content: Mapping[str, Any]) -> RunSpec:
    """A run's specification from JSON.

    Raises
    ------
    TypeError, ValueError, AttributeError
        If it is none. Whether it can be run here is not looked at.
    """
    names = {entry.name for entry in fields(RunSpec)}
    known = {name: value for name, value in content.items() if name in names}
    for name, kinds in (("workload", str), ("allocator", str), ("seed", int), ("threads", int | None)):
        if not isinstance(known.get(name, kinds if name == "threads" else None), kinds) and name in known:
            raise TypeError(f"{name} is {known[name]!r}")
    for name in ("seconds", "operations"):
        if not isinstance(known.get(name), int | float | None):
            raise TypeError(f"{name} is {known[name]!r}")
    known["parameters"] = {str(name): float(value) for name, value in known.get("parameters", {}).items()}
    known["tunables"] = check_values(known.get("tunables", {}))
    known["schedule"] = tuple((int(at), check_values(values)) for at, values in known.get("schedule", ()))
    if known.get("trace") is not None:
        known["trace"] = Path(str(known["trace"]))
    return RunSpec(**known)


def check_values(values: object) -> dict[str, Value]:
    """Values of tunables.

    Raises
    ------
    TypeError
        If they are something else.
    """
    if not isinstance(values, dict):
        raise TypeError("values of tunables are a table")
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, int | float | str | bool):
            raise TypeError(f"{name}: {value!r} is no value of a tunable")
    return dict(values)
