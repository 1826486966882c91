"""What a trace says about itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import msgspec

from workbench.plain_values import read_value
from workbench.traces.format import Totals

Count = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True)
class TraceMetadata:
    """What was recorded, and what it comes to; in a damaged trace, what precedes the damage comes to.

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
    builds : mapping of str to str
        Build IDs of the modules that call sites lie in, by their paths. Only files of these builds have the
        names of the functions.
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
    builds: Mapping[str, str] = field(default_factory=dict)
    pid: Count = 0
    parent_pid: Count = 0
    recording: str = ""
    event_count: Count = 0
    thread_count: Count = 0
    object_count: Count = 0
    site_count: Count = 0
    duration_s: float = 0.0
    peak_live_bytes: Count = 0
    unknown_frees: Count = 0
    lost_events: Count = 0
    time_resolution_ns: Count = 1000
    complete: bool = False
    end: str = ""
    checksum: str = ""

    def to_json(self) -> bytes:
        """As a trace's head and footer have it."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `to_json` gave; names of later releases are passed over.

        ValueError or RecursionError if it is no JSON, BadParameter if a value is not of its type.
        """
        return read_value(cls, json.loads(text), "the metadata")


def sum_up(metadata: TraceMetadata, totals: Totals, **told: Any) -> TraceMetadata:
    """The same recording with what its events come to, and other fields as they are told."""
    return dataclasses.replace(
        metadata,
        event_count=totals.events,
        thread_count=totals.threads,
        object_count=totals.objects,
        duration_s=totals.time_units * metadata.time_resolution_ns / 1e9,
        peak_live_bytes=totals.peak_live_bytes,
        **told,
    )
