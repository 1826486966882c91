"""What is known of a session besides its tables: what ran, where, how it ended; as JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from workbench.control import Value
from workbench.errors import BadParameter, DamagedSession
from workbench.output_file import replace_text
from workbench.plain_values import read_value
from workbench.processes import Run
from workbench.sessions.layout import FACTS_FILE, VERSION, check_version
from workbench.sessions.recorder import RecordedProbe


@dataclass(frozen=True)
class Note:
    """What a person noted, `time_s` seconds after recording began."""

    time_s: float
    text: str


@dataclass(frozen=True)
class SessionFacts:
    """The facts of one session.

    Parameters
    ----------
    subject, started : str
        What ran, in words, and when: date and time (UTC).
    spec : Run or None
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
    operations, elapsed_s : int, float or None
        At the end: of all threads, and how long the workload ran without pauses.
    lost_events : int
        Overwritten before they were read.
    is_exploratory : bool
        Whether it ran inside the process that recorded it.
    probes : tuple of RecordedProbe
        Figures that the allocator does not know, recorded beside its own.
    notes : tuple of Note
        What a person wrote down meanwhile.
    """

    subject: str
    started: str
    spec: Run | None = None
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
    probes: tuple[RecordedProbe, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the end was recorded."""
        return bool(self.status)


def write_facts(folder: Path, facts: SessionFacts) -> None:
    """Writes them whole or not at all; OSError if that is not possible."""
    plain = msgspec.to_builtins(facts, enc_hook=str)
    content = {"format": "hakmem session", "version": VERSION, **plain}
    replace_text(folder / FACTS_FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


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
        return read_value(SessionFacts, {**content, "spec": _modernize(content.get("spec"))}, "the session")
    except BadParameter as error:
        raise DamagedSession(f"{path} is damaged ({error})") from None


def _modernize(spec: object) -> object:
    """A run as this release has it: earlier ones had other fields, and pairs as steps of a schedule."""
    if not isinstance(spec, dict):
        return spec
    known = {name: value for name, value in spec.items() if name in Run.__struct_fields__}
    if isinstance(known.get("schedule"), list):
        known["schedule"] = [
            {"at_operations": step[0], "settings": step[1]} if isinstance(step, list) and len(step) == 2 else step
            for step in known["schedule"]
        ]
    return known
