"""Reads a trace: checked when it is opened, streamed chunk by chunk."""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pandas as pd

from workbench.curves import WhatIf
from workbench.display import Displayed
from workbench.errors import BadParameter, DamagedTrace, WrongTraceVersion
from workbench.table import Table
from workbench.traces.chunk import COLUMN_TYPES, CallKind, TraceChunk
from workbench.traces.columns import decode_chunk
from workbench.traces.format import (
    EVENTS,
    FOOTER,
    HEAD,
    HEADER_BYTES,
    MAGIC,
    SECTION_BYTES,
    SITES,
    Section,
    Totals,
    unpack_header,
    unpack_section,
)
from workbench.traces.metadata import TraceMetadata, sum_up
from workbench.traces.sites import Site, decode_sites
from workbench.traces.whatif import foretell
from workbench.units import format_rough

_READ_BYTES = 1 << 20


class Trace(Displayed):
    """A trace file, opened for reading. Made by `open`; a context manager that closes it.

    What is damaged, or was never written because the recording was cut short, is left out: `damage`
    says where and why, and everything here speaks of what precedes it.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        #: Path of the file.
        self.path = path
        self._resolution_ns = unpack_header(file.read(HEADER_BYTES), path.name)
        self._sections: list[tuple[Section, Totals]] = []  # with what precedes each
        #: The call sites, by the number that events carry.
        self.sites: list[Site] = []
        #: What is wrong, and at which byte; None of a sound trace.
        self.damage: str | None = None
        #: What was recorded, and what it comes to.
        self.metadata = self._scan()

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        """Open a trace, and check all of it against its checksums.

        Raises
        ------
        DamagedTrace
            If it is no trace, or so damaged that nothing precedes the damage.
        WrongTraceVersion
            If its format is one of another version.
        OSError
            If the file cannot be read.
        """
        file = Path(path).open("rb")  # noqa: SIM115 (closed by close)
        try:
            return cls(file, Path(path))
        except BaseException:
            file.close()
            raise

    @property
    def stored_bytes(self) -> int:
        """Size of the file."""
        return self.path.stat().st_size

    def chunks(self) -> Iterator[TraceChunk]:
        """All events in their order, some at a time; DamagedTrace if the file changed since it was opened."""
        for section, before in self._sections:
            if section.kind == EVENTS:
                yield self._decode(section, before)[0]

    def to_frame(self) -> pd.DataFrame:
        """All events as a table, a row each; `kind` holds names. The whole trace must fit into memory."""
        joined = TraceChunk.join(list(self.chunks()))
        kinds = [kind.name.lower() for kind in CallKind]
        columns: dict[str, Any] = {name: getattr(joined, name) for name in COLUMN_TYPES}
        columns["kind"] = pd.Categorical.from_codes(joined.kind.astype(np.int8), categories=pd.Index(kinds))
        return pd.DataFrame(columns)

    def whatif(self) -> WhatIf:
        """Foretell what thread caches of other capacities would do, for each allocator whose rules are known.

        The events pass once, and memory is bounded by live objects and threads. DamagedTrace if the file has
        changed since it was opened.
        """
        return foretell(self.chunks(), self.metadata, self.damage)

    def compute_checksum(self) -> str:
        """Compute the checksum of events and sites as they are read; that of the metadata, if all is well.

        DamagedTrace if the file changed since it was opened.
        """
        digest = hashlib.sha256()
        for section, before in self._sections:
            is_sites = section.kind == SITES
            digest.update(self._read_payload(section) if is_sites else self._decode(section, before)[1])
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Trace {self.path.name}: {self.metadata.event_count} events of {self.metadata.program}>"

    def to_table(self) -> Table:
        """What was recorded, and what it comes to."""
        told = self.metadata
        row = (
            f"{told.event_count:,}",
            f"{told.object_count:,}",
            str(told.thread_count),
            f"{told.duration_s:.3g} s",
            format_rough(told.peak_live_bytes, "bytes"),
            format_rough(self.stored_bytes, "bytes"),
            told.end,
        )
        columns = ("events", "objects", "threads", "duration", "live at most", "file", "end")
        notes = [f"damaged: {self.damage}"] if self.damage else []
        return Table(columns, [row], right=columns[:-1], caption=shlex.join(told.command), notes=notes)

    # --- opening ------------------------------------------------------------------------------------

    def _scan(self) -> TraceMetadata:
        """Find the sections up to the footer, or up to the first one that is not sound."""
        try:
            section = self._scan_section(HEADER_BYTES, Totals())
            if section.kind != HEAD:
                raise _Damage(HEADER_BYTES, "no recording begins there")
            start = self._read_metadata(section)
        except _Damage as damage:
            raise DamagedTrace(f"{self.path.name}: {damage}; nothing can be read") from None
        try:
            while True:
                before = section.totals
                section = self._scan_section(section.end, before)
                if section.kind == FOOTER:
                    break
                if section.kind == HEAD:
                    raise _Damage(section.offset, "a second recording begins there")
                if section.kind == SITES:
                    self.sites += self._read_sites(section)
                self._sections.append((section, before))
            metadata = self._read_metadata(section)
            if (metadata.event_count, metadata.object_count) != (before.events, before.objects):
                raise _Damage(section.payload_offset, "the footer there does not match the events")
        except _Damage as damage:
            self.damage = str(damage)
            return self._summarise(start)
        self._file.seek(section.end)
        if self._file.read(1):
            self.damage = f"at byte {section.end}: there are bytes behind the end"
        return metadata

    def _scan_section(self, offset: int, before: Totals) -> Section:
        self._file.seek(offset)
        try:
            section = unpack_section(self._file.read(SECTION_BYTES), offset)
        except ValueError as error:
            raise _Damage(offset, str(error)) from None
        if not _follows(section, before):
            raise _Damage(offset, "the section there does not follow what precedes it")
        crc, left = 0, section.payload_bytes
        while left:
            data = self._file.read(min(left, _READ_BYTES))
            if not data:
                raise _Damage(offset, "the section there is cut off")
            crc = zlib.crc32(data, crc)
            left -= len(data)
        if crc != section.payload_crc:
            raise _Damage(section.payload_offset, "the data there does not match its checksum")
        return section

    def _read_sites(self, section: Section) -> list[Site]:
        try:
            return decode_sites(self._read_payload(section), section.items)
        except ValueError as error:
            raise _Damage(section.payload_offset, f"no call sites are there: {error}") from None

    def _read_metadata(self, section: Section) -> TraceMetadata:
        try:
            metadata = TraceMetadata.from_json(self._read_payload(section))
        except (ValueError, RecursionError, BadParameter) as error:
            raise _Damage(section.payload_offset, f"no metadata is there: {error}") from None
        return dataclasses.replace(metadata, time_resolution_ns=self._resolution_ns)

    def _summarise(self, start: TraceMetadata) -> TraceMetadata:
        totals = self._sections[-1][0].totals if self._sections else Totals()
        try:
            checksum = self.compute_checksum()
        except DamagedTrace:
            checksum = ""
        return sum_up(
            start, totals, site_count=len(self.sites), complete=False, end="damaged", checksum=checksum
        )

    # --- reading ------------------------------------------------------------------------------------

    def _read_payload(self, section: Section) -> bytes:
        self._file.seek(section.payload_offset)
        payload = self._file.read(section.payload_bytes)
        if zlib.crc32(payload) != section.payload_crc:
            raise self._refuse(section, "changed since it was opened")
        return payload

    def _decode(self, section: Section, before: Totals) -> tuple[TraceChunk, bytes]:
        """The events of a section, and the bytes that the checksum is of."""
        payload = self._read_payload(section)
        try:
            chunk, content = decode_chunk(payload, section.items, before, resolution_ns=self._resolution_ns)
        except ValueError as error:
            raise self._refuse(section, f"no events are there: {error}") from error
        if int(chunk.site.max()) >= len(self.sites):
            raise self._refuse(section, "events name a site that is missing")
        return chunk, content

    def _refuse(self, section: Section, why: str) -> DamagedTrace:
        return DamagedTrace(f"{self.path.name}: at byte {section.payload_offset}: {why}")


class _Damage(Exception):  # noqa: N818 (it ends the scan, and is told as `Trace.damage`)
    def __init__(self, offset: int, what: str) -> None:
        super().__init__(f"at byte {offset}: {what}")


def _follows(section: Section, before: Totals) -> bool:
    now = section.totals
    if section.kind != EVENTS:
        return now == before
    return (
        now.events == before.events + section.items
        and before.objects <= now.objects <= before.objects + section.items
        and now.peak_live_bytes >= before.peak_live_bytes
        and now.time_units >= before.time_units
        and now.threads >= before.threads
        and section.items > 0
    )


def is_trace(path: Path) -> bool:
    """Whether a file begins as a trace does, of whichever version; OSError if it cannot be read."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_recording_name(path: Path) -> str:
    """Read to which recording a trace belongs (`TraceMetadata.recording`); empty if that is not known.

    OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        try:
            unpack_header(file.read(HEADER_BYTES), path.name)
            section = unpack_section(file.read(SECTION_BYTES), HEADER_BYTES)
            is_head = section.kind == HEAD
            return TraceMetadata.from_json(file.read(section.payload_bytes)).recording if is_head else ""
        except (ValueError, RecursionError, BadParameter, DamagedTrace, WrongTraceVersion):
            return ""
