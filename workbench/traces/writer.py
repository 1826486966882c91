"""Writes a trace, chunk by chunk: bounded memory, and readable up to where it came if it is cut short."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import IO, Self

from workbench.errors import BadParameter
from workbench.traces.chunk import TraceChunk
from workbench.traces.columns import Place, encode_chunk
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
from workbench.traces.live import LiveBytes
from workbench.traces.metadata import TraceMetadata
from workbench.traces.site_text import encode_sites
from workbench.traces.sites import Site

DEFAULT_LEVEL = 9
_CHUNK_EVENTS = 1 << 18


class TraceWriter:
    """A trace that is being written. Made by `open`; a context manager that closes it.

    Left by an exception, the trace says that it is not complete.
    """

    def __init__(self, file: IO[bytes], path: Path, metadata: TraceMetadata, level: int, chunk: int) -> None:
        self._file = file
        self._path = path
        self._metadata = metadata
        self._level = level
        self._chunk_events = chunk
        self._pending: list[TraceChunk] = []
        self._pending_events = 0
        self._new_sites: list[Site] = []
        self._site_count = 0
        self._place = Place()
        self._totals = Totals()
        self._live: LiveBytes | None = LiveBytes()
        self._peak_live_bytes = 0
        self._threads = 0
        self._hash = hashlib.sha256()
        file.write(pack_header(metadata.time_resolution_ns))
        self._write_json(HEAD, metadata)

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        program: str = "",
        command: Sequence[str] = (),
        date: str | None = None,
        versions: Mapping[str, str] | None = None,
        pid: int = 0,
        parent_pid: int = 0,
        level: int = DEFAULT_LEVEL,
        chunk_events: int = _CHUNK_EVENTS,
    ) -> Self:
        """Begin a trace; a file of that name is replaced.

        Parameters
        ----------
        path : path
            Where to.
        program, command, date, versions, pid, parent_pid
            As in `TraceMetadata`; the date is now by default.
        level : int
            Of zstd, 1 to 22: higher is smaller and slower.
        chunk_events : int
            Events that are compressed together.

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
        metadata = TraceMetadata(
            program=program,
            command=tuple(command),
            date=date or datetime.now(UTC).isoformat(timespec="seconds"),
            versions=dict(versions or {}),
            pid=pid,
            parent_pid=parent_pid,
            time_resolution_ns=TIME_RESOLUTION_NS,
        )
        file = Path(path).open("wb")  # noqa: SIM115 (closed by close)
        try:
            return cls(file, Path(path), metadata, level, chunk_events)
        except BaseException:
            file.close()
            raise

    @property
    def path(self) -> Path:
        """Where the trace is written to."""
        return self._path

    @property
    def site_count(self) -> int:
        """Rows of the table of call sites so far."""
        return self._site_count

    def add_sites(self, sites: Sequence[Site]) -> int:
        """Add rows to the table of call sites, before events name them.

        Returns
        -------
        int
            The first one's number.
        """
        first = self._site_count
        self._new_sites.extend(sites)
        self._site_count += len(sites)
        return first

    def append(self, chunk: TraceChunk, *, peak_live_bytes: int | None = None) -> None:
        """Add events.

        Sites that the table does not have become unknown ones. Times are kept in microseconds.

        Parameters
        ----------
        chunk : TraceChunk
            Of any length.
        peak_live_bytes : int, optional
            Most bytes live so far, from a caller who follows the objects anyway; the writer then does
            not, in this call and those after it. Else it does, and checks that objects live.

        Raises
        ------
        ValueError
            If the events cannot follow those before.
        """
        if peak_live_bytes is not None:
            self._live = None
            self._peak_live_bytes = max(self._peak_live_bytes, peak_live_bytes)
        elif self._live is not None:
            self._live.advance(chunk)
            self._peak_live_bytes = self._live.peak
        if not len(chunk):
            return
        unknown = int(chunk.site.max()) + 1 - self._site_count
        if unknown > 0:
            self.add_sites([Site("", self._site_count + index) for index in range(unknown)])
        self._pending.append(chunk)
        self._pending_events += len(chunk)
        while self._pending_events >= self._chunk_events:
            self._write_chunk(self._take_pending())

    def close(
        self, *, complete: bool = True, end: str = "", unknown_frees: int = 0, lost_events: int = 0
    ) -> TraceMetadata:
        """Write what is left, and the footer. A second call does nothing.

        Parameters
        ----------
        complete, end, unknown_frees, lost_events
            As in `TraceMetadata`.

        Returns
        -------
        TraceMetadata
            Of the whole trace.
        """
        if self._file.closed:
            return self._metadata
        with self._file:
            while self._pending_events:
                self._write_chunk(self._take_pending())
            self._write_sites()
            self._metadata = TraceMetadata(
                **self._metadata.to_json()
                | {
                    "command": self._metadata.command,
                    "event_count": self._totals.events,
                    "thread_count": self._totals.threads,
                    "object_count": self._totals.objects,
                    "site_count": self._site_count,
                    "duration_s": self._totals.time_units * self._metadata.time_resolution_ns / 1e9,
                    "peak_live_bytes": self._totals.peak_live_bytes,
                    "unknown_frees": unknown_frees,
                    "lost_events": lost_events,
                    "complete": complete,
                    "end": end,
                    "checksum": self._hash.hexdigest(),
                }
            )
            self._write_json(FOOTER, self._metadata)
        return self._metadata

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        elif not self._file.closed:
            with contextlib.suppress(ValueError):  # what cannot be written may be why
                while self._pending_events:
                    self._write_chunk(self._take_pending())
            self._pending_events = 0
            self.close(complete=False, end=f"left by {kind.__name__}")

    def _take_pending(self) -> TraceChunk:
        joined = self._pending[0] if len(self._pending) == 1 else TraceChunk.join(self._pending)
        rest = joined[self._chunk_events :]
        self._pending = [rest] if len(rest) else []
        self._pending_events = len(rest)
        return joined[: self._chunk_events]

    def _write_chunk(self, chunk: TraceChunk) -> None:
        self._write_sites()
        payload, content, place = encode_chunk(
            chunk, self._place, resolution_ns=self._metadata.time_resolution_ns, level=self._level
        )
        self._hash.update(content)
        self._place = place
        self._totals = Totals(
            events=self._totals.events + len(chunk),
            objects=place.objects,
            peak_live_bytes=self._peak_live_bytes,
            time_units=place.time_units,
            threads=max(self._totals.threads, int(chunk.thread.max()) + 1),
        )
        self._write_section(EVENTS, payload, len(chunk))

    def _write_sites(self) -> None:
        while self._new_sites:
            sites = self._new_sites[:MAXIMUM_CHUNK_SITES]
            del self._new_sites[:MAXIMUM_CHUNK_SITES]
            payload = encode_sites(sites)
            self._hash.update(payload)
            self._write_section(SITES, payload, len(sites))

    def _write_json(self, kind: bytes, metadata: TraceMetadata) -> None:
        text = json.dumps(metadata.to_json(), separators=(",", ":")).encode()
        self._write_section(kind, text, len(text))

    def _write_section(self, kind: bytes, payload: bytes, items: int) -> None:
        self._file.write(pack_section(kind, payload, items, self._totals) + payload)
        self._file.flush()  # a writer that is killed leaves what it wrote
