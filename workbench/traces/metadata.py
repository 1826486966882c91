"""What a trace says about itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class TraceMetadata:
    """What was recorded, and what it comes to. Of a damaged trace: what precedes the damage comes to.

    Parameters
    ----------
    program : str
        Name of the program's file.
    command : tuple of str
        Program and arguments.
    date : str
        When the recording began: ISO 8601, UTC.
    versions : mapping of str to str
        What recorded it: "workbench", "kernel", "c_library".
    pid, parent_pid : int
        The process and its parent; 0 in a trace that was not recorded.
    recording : str
        The same in all traces of one recording (a program and its children), and in no other.
    event_count, thread_count, object_count, site_count : int
        Rows; different threads, objects and call sites.
    duration_s : float
        From the start to the last event.
    peak_live_bytes : int
        Most bytes asked for and not yet freed.
    unknown_frees : int
        Frees of blocks that were allocated before the recording, as by the parent before a fork.
        They are no events.
    lost_events : int
        Calls that were not recorded whole: what a killed thread was about to write.
    time_resolution_ns : int
        Step of the events' times.
    complete : bool
        Whether everything until the program's end is there.
    end : str
        How the recording ended, such as "exit 0", "signal 9" or what stopped it.
    checksum : str
        SHA-256 of the events and call sites, before compression.
    """

    program: str = ""
    command: tuple[str, ...] = ()
    date: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    pid: int = 0
    parent_pid: int = 0
    recording: str = ""
    event_count: int = 0
    thread_count: int = 0
    object_count: int = 0
    site_count: int = 0
    duration_s: float = 0.0
    peak_live_bytes: int = 0
    unknown_frees: int = 0
    lost_events: int = 0
    time_resolution_ns: int = 1000
    complete: bool = False
    end: str = ""
    checksum: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON's types."""
        values = dataclasses.asdict(self)
        values["versions"] = dict(self.versions)
        values["command"] = list(self.command)
        return values

    @classmethod
    def from_json(cls, values: object) -> Self:
        """Read what `to_json` gave; names of later releases are passed over.

        Raises
        ------
        ValueError
            If a value is not of its type.
        """
        if not isinstance(values, dict):
            raise ValueError("the metadata is no JSON object")
        found: dict[str, Any] = {}
        for known in dataclasses.fields(cls):
            if known.name not in values:
                continue
            found[known.name] = _convert(known.name, values[known.name])
        return cls(**found)


def _convert(name: str, value: object) -> object:
    if name == "command":
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return tuple(value)
    elif name == "versions":
        if isinstance(value, dict) and all(isinstance(text, str) for text in value.values()):
            return value
    elif name == "complete":
        if isinstance(value, bool):
            return value
    elif name == "duration_s":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif name in ("program", "date", "recording", "end", "checksum"):
        if isinstance(value, str):
            return value
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"'{name}' of the metadata is not of its type")
