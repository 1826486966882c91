"""Writes a trace, chunk by chunk: bounded memory, and readable up to where it came if it is cut short."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from os import PathLike
from pathlib import Path
from typing import Any, Self

from workbench.errors import BadParameter
from workbench.traces.chunk import TraceChunk
from workbench.traces.columns import encode_chunk
from workbench.traces.format import (
    EVENTS,
    FOOTER,
    HEAD,
    MAXIMUM_CHUNK_EVENTS,
    MAXIMUM_CHUNK_SITES,
    SITES,
    TIME_RESOLUTION_NS,
    Totals,
    pack_header,
    pack_section,
)
from workbench.traces.growing_file import GrowingFile
from workbench.traces.metadata import TraceMetadata, sum_up
from workbench.traces.objects import ObjectFollower
from workbench.traces.sites import Site, encode_sites

DEFAULT_LEVEL = 9
_CHUNK_EVENTS = 1 << 18


class TraceWriter:
    """A trace that is being written. Made by `open`; a context manager that closes it.

    Left by an exception, the trace says that it is not complete.
    """

    def __init__(self, file: GrowingFile, metadata: TraceMetadata, level: int, chunk_events: int) -> None:
        self._file = file
        self._is_closed = False
        self._metadata = metadata
        self._level = level
        self._chunk_events = chunk_events
        self._pending: list[tuple[TraceChunk, int]] = []  # with the most bytes live up to its last event
        #: Events that wait in memory for their chunk to be full.
        self.pending_events = 0
        self._new_sites: list[Site] = []
        #: Rows of the table of call sites so far.
        self.site_count = 0
        self._totals = Totals()
        self._follower: ObjectFollower | None = ObjectFollower()
        self._peak_live_bytes = 0
        self._hash = hashlib.sha256()
        file.append(pack_header(metadata.time_resolution_ns) + self._pack_metadata(HEAD))

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        level: int = DEFAULT_LEVEL,
        chunk_events: int = _CHUNK_EVENTS,
        **described: Any,
    ) -> Self:
        """Begin a trace; a file of that name is replaced.

        Parameters
        ----------
        path : path
            Where to.
        level : int
            Compression level of zstd, 1 to 22: higher is smaller and slower.
        chunk_events : int
            Events that are compressed together.
        **described
            program, command, date, versions, pid, parent_pid and recording, as in `TraceMetadata`; the date
            is now by default.

        Raises
        ------
        BadParameter
            If level or chunk_events are out of range.
        OSError
            If the file cannot be written.
        """
        if not 1 <= level <= 22:
            raise BadParameter(f"compression level {level} is not one of 1 to 22")
        if not 1 <= chunk_events <= MAXIMUM_CHUNK_EVENTS:
            raise BadParameter(f"{chunk_events} events a chunk are not 1 to {MAXIMUM_CHUNK_EVENTS}")
        now = {"date": datetime.now(UTC).isoformat(timespec="seconds")}
        metadata = TraceMetadata(**now | described, time_resolution_ns=TIME_RESOLUTION_NS)
        return cls(GrowingFile(Path(path)), metadata, level, chunk_events)

    @property
    def path(self) -> Path:
        """Where the trace is written to."""
        return self._file.path

    def add_sites(self, sites: Sequence[Site]) -> int:
        """Add rows to the table of call sites, before events name them; returns the first one's number."""
        first = self.site_count
        self._new_sites.extend(sites)
        self.site_count += len(sites)
        return first

    def append(self, chunk: TraceChunk, *, peak_live_bytes: int | None = None) -> None:
        """Add events, any number of them.

        Sites that the table does not have become unknown ones. Times are kept in microseconds.

        Parameters
        ----------
        chunk : TraceChunk
        peak_live_bytes : int, optional
            Most bytes live so far, from a caller who follows the objects anyway; the writer then does
            not, in this call and those after it. Else it does, and checks that objects live.

        Raises
        ------
        ValueError
            If the events cannot follow those before.
        """
        if peak_live_bytes is not None:
            self._follower = None
            self._peak_live_bytes = max(self._peak_live_bytes, peak_live_bytes)
        elif self._follower is not None:
            followed = self._follower.follow(chunk)
            followed.check()
            self._peak_live_bytes = int(followed.live_bytes.max(initial=self._peak_live_bytes))
        if not len(chunk):
            return
        unknown = int(chunk.site.max()) + 1 - self.site_count
        if unknown > 0:
            self.add_sites([Site("", self.site_count + index) for index in range(unknown)])
        self._pending.append((chunk, self._peak_live_bytes))
        self.pending_events += len(chunk)
        while self.pending_events >= self._chunk_events:
            self._write_pending(self._chunk_events)

    def flush(self) -> None:
        """Write what waits in memory, however little it is; raises OSError if that is not possible."""
        while self._pending:
            self._write_pending(self._chunk_events)

    def rename(self, path: Path) -> None:
        """Give the file another name; it goes on being written."""
        self._file.rename(path)

    def close(
        self,
        *,
        complete: bool = True,
        end: str = "",
        unknown_frees: int = 0,
        lost_events: int = 0,
        builds: Mapping[str, str] | None = None,
    ) -> TraceMetadata:
        """Write what is left, and the footer; returns what the footer says of the whole trace.

        What it is told is as in `TraceMetadata`. A second call does nothing. OSError if the file cannot be
        written; `abandon` then makes the best of it.
        """
        if not self._is_closed:
            self.flush()
            self._write_sites()
            self._write_footer(complete, end, unknown_frees, lost_events, builds)
        return self._metadata

    def abandon(self, end: str, *, unknown_frees: int = 0) -> TraceMetadata:
        """Close a trace that could not be written further: what was written is a sound trace, if possible.

        As much of what waited in memory is added as there is still room for; the rest are
        `lost_events`. Raises no OSError: a trace without its footer can be read, too.
        """
        if self._is_closed:
            return self._metadata
        with contextlib.suppress(OSError, ValueError):
            while self._pending:
                self._write_pending(len(self._pending[0][0]))
        with contextlib.suppress(OSError):
            self._write_footer(False, end, unknown_frees, lost_events=self.pending_events)
        self._pending, self.pending_events = [], 0
        self._is_closed = True
        return self._metadata

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon(f"left by {kind.__name__}")

    def _write_pending(self, count: int) -> None:
        """Write the first events that wait, at most `count`; they go on waiting if that fails."""
        self._write_sites()
        ends = list(accumulate(len(chunk) for chunk, _ in self._pending))
        last = next((number for number, end in enumerate(ends) if end >= count), len(ends) - 1)
        joined = TraceChunk.join([chunk for chunk, _ in self._pending[: last + 1]])
        peak = self._pending[last][1]
        chunk, rest = joined[:count], joined[count:]
        payload, content, totals = encode_chunk(
            chunk,
            dataclasses.replace(self._totals, peak_live_bytes=peak),
            resolution_ns=self._metadata.time_resolution_ns,
            level=self._level,
        )
        self._file.append(pack_section(EVENTS, payload, len(chunk), totals) + payload)
        self._hash.update(content)
        self._totals = totals
        self._pending[: last + 1] = [(rest, peak)] if len(rest) else []
        self.pending_events -= len(chunk)

    def _write_sites(self) -> None:
        while self._new_sites:
            sites = self._new_sites[:MAXIMUM_CHUNK_SITES]
            payload = encode_sites(sites)
            self._file.append(pack_section(SITES, payload, len(sites), self._totals) + payload)
            self._hash.update(payload)
            del self._new_sites[: len(sites)]

    def _write_footer(
        self,
        complete: bool,
        end: str,
        unknown_frees: int,
        lost_events: int,
        builds: Mapping[str, str] | None = None,
    ) -> None:
        self._metadata = sum_up(
            self._metadata,
            self._totals,
            site_count=self.site_count - len(self._new_sites),
            unknown_frees=unknown_frees,
            lost_events=lost_events,
            complete=complete,
            end=end,
            builds=builds or {},
            checksum=self._hash.hexdigest(),
        )
        self._file.finish(self._pack_metadata(FOOTER))
        self._is_closed = True

    def _pack_metadata(self, kind: bytes) -> bytes:
        text = self._metadata.to_json()
        return pack_section(kind, text, len(text), self._totals) + text
