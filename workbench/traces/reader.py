"""Reads a trace: checked when it is opened, streamed chunk by chunk."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
import zlib
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pandas as pd

from workbench.display import Displayed
from workbench.errors import BadParameter, DamagedTrace
from workbench.table import Table
from workbench.traces.chunk import COLUMN_TYPES, CallKind, TraceChunk
from workbench.traces.columns import Place, content_of, decode_chunk
from workbench.traces.format import (
    EVENTS,
    FOOTER,
    HEAD,
    HEADER_BYTES,
    SECTION_BYTES,
    SITES,
    Section,
    Totals,
    unpack_header,
    unpack_section,
)
from workbench.traces.metadata import TraceMetadata
from workbench.traces.site_text import decode_sites
from workbench.traces.sites import Site
from workbench.units import format_rough

_READ_BYTES = 1 << 20


class Trace(Displayed):
    """A trace file, opened for reading. Made by `open`; a context manager that closes it.

    What is damaged, or was never written because the recording was cut short, is left out: `damage`
    says where and why, and everything here speaks of what precedes it.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self._resolution_ns = unpack_header(file.read(HEADER_BYTES), path.name)
        self._sections: list[Section] = []
        self._damage: str | None = None
        self._sites: list[Site] = []
        self._metadata = self._scan()

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
    def path(self) -> Path:
        """Path of the file."""
        return self._path

    @property
    def metadata(self) -> TraceMetadata:
        """What was recorded, and what it comes to."""
        return self._metadata

    @property
    def sites(self) -> Sequence[Site]:
        """The call sites, by the number that events carry."""
        return self._sites

    @property
    def damage(self) -> str | None:
        """What is wrong, and at which byte; None of a sound trace."""
        return self._damage

    @property
    def stored_bytes(self) -> int:
        """Size of the file."""
        return self._path.stat().st_size

    def chunks(self) -> Iterator[TraceChunk]:
        """All events in their order, some at a time.

        Raises
        ------
        DamagedTrace
            If the file changed since it was opened.
        """
        for section, place in self._places():
            yield self._decode(section, place)

    def to_frame(self) -> pd.DataFrame:
        """All events as a table, a row each; `kind` holds names. The whole trace must fit into memory."""
        joined = TraceChunk.join(list(self.chunks()))
        kinds = [kind.name.lower() for kind in CallKind]
        columns: dict[str, Any] = {name: getattr(joined, name) for name in COLUMN_TYPES}
        columns["kind"] = pd.Categorical.from_codes(joined.kind.astype(np.int8), categories=pd.Index(kinds))
        return pd.DataFrame(columns)

    def compute_checksum(self) -> str:
        """Compute the checksum of events and sites as they are read; that of the metadata, if all is well.

        Raises
        ------
        DamagedTrace
            If the file changed since it was opened.
        """
        digest = hashlib.sha256()
        place = Place()
        for section in self._sections:
            if section.kind == SITES:
                digest.update(self._read_payload(section))
            elif section.kind == EVENTS:
                payload = self._read_payload(section)
                digest.update(content_of(payload, section.items, place, resolution_ns=self._resolution_ns))
                place = Place(section.totals.objects, section.totals.time_units)
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Trace {self._path.name}: {self._metadata.event_count} events of {self._metadata.program}>"

    def to_table(self) -> Table:
        """What was recorded, and what it comes to."""
        told = self._metadata
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
        notes = [f"damaged: {self._damage}"] if self._damage else []
        return Table(columns, [row], right=columns[:-1], caption=shlex.join(told.command), notes=notes)

    def _places(self) -> Iterator[tuple[Section, Place]]:
        place = Place()
        for section in self._sections:
            if section.kind == EVENTS:
                yield section, place
                place = Place(section.totals.objects, section.totals.time_units)

    # --- opening ------------------------------------------------------------------------------------

    def _scan(self) -> TraceMetadata:
        """Find the sections up to the footer, or up to the first one that is not sound."""
        head = self._scan_section(HEADER_BYTES, Totals())
        if head is None or head.kind != HEAD:
            damage = self._damage or f"no recording begins at byte {HEADER_BYTES}"
            raise DamagedTrace(f"{self._path.name}: {damage}; nothing can be read")
        start = self._read_metadata(head)
        if start is None:
            raise DamagedTrace(f"{self._path.name}: {self._damage}; nothing can be read")
        section = head
        while (following := self._scan_section(section.end, section.totals)) is not None:
            section = following
            if section.kind == FOOTER:
                return self._finish(section, start)
            if section.kind == HEAD:
                self._note_damage(section.offset, "a second recording begins there")
                break
            if section.kind == SITES and not self._scan_sites(section):
                break
            self._sections.append(section)
        return self._summarise(start)

    def _scan_section(self, offset: int, before: Totals) -> Section | None:
        self._file.seek(offset)
        try:
            section = unpack_section(self._file.read(SECTION_BYTES), offset)
        except ValueError as error:
            self._note_damage(offset, str(error))
            return None
        if not _follows(section, before):
            self._note_damage(offset, "the section there does not follow what precedes it")
            return None
        crc, left = 0, section.payload_bytes
        while left:
            data = self._file.read(min(left, _READ_BYTES))
            if not data:
                self._note_damage(offset, "the section there is cut off")
                return None
            crc = zlib.crc32(data, crc)
            left -= len(data)
        if crc != section.payload_crc:
            self._note_damage(section.payload_offset, "the data there does not match its checksum")
            return None
        return section

    def _scan_sites(self, section: Section) -> bool:
        try:
            self._sites.extend(decode_sites(self._read_payload(section), section.items))
        except ValueError as error:
            self._note_damage(section.payload_offset, f"no call sites are there: {error}")
            return False
        return True

    def _read_metadata(self, section: Section) -> TraceMetadata | None:
        try:
            return TraceMetadata.from_json(json.loads(self._read_payload(section)))
        except (ValueError, RecursionError, BadParameter) as error:
            self._note_damage(section.payload_offset, f"no metadata is there: {error}")
            return None

    def _finish(self, footer: Section, start: TraceMetadata) -> TraceMetadata:
        metadata = self._read_metadata(footer)
        if metadata is None:
            return self._summarise(start)
        totals = footer.totals
        if (metadata.event_count, metadata.object_count) != (totals.events, totals.objects):
            self._note_damage(footer.payload_offset, "the footer there does not match the events")
            return self._summarise(start)
        self._file.seek(footer.end)
        if self._file.read(1):
            self._note_damage(footer.end, "there are bytes behind the end")
        return dataclasses.replace(metadata, time_resolution_ns=self._resolution_ns)

    def _summarise(self, start: TraceMetadata) -> TraceMetadata:
        totals = self._sections[-1].totals if self._sections else Totals()
        try:
            checksum = self.compute_checksum()
        except ValueError:
            checksum = ""
        return dataclasses.replace(
            start,
            event_count=totals.events,
            thread_count=totals.threads,
            object_count=totals.objects,
            site_count=len(self._sites),
            duration_s=totals.time_units * self._resolution_ns / 1e9,
            peak_live_bytes=totals.peak_live_bytes,
            time_resolution_ns=self._resolution_ns,
            complete=False,
            end="damaged",
            checksum=checksum,
        )

    def _note_damage(self, offset: int, what: str) -> None:
        if self._damage is None:
            self._damage = f"at byte {offset}: {what}"

    # --- reading ------------------------------------------------------------------------------------

    def _read_payload(self, section: Section) -> bytes:
        self._file.seek(section.payload_offset)
        payload = self._file.read(section.payload_bytes)
        if zlib.crc32(payload) != section.payload_crc:
            raise DamagedTrace(
                f"{self._path.name}: at byte {section.payload_offset}: changed since it was opened"
            )
        return payload

    def _decode(self, section: Section, place: Place) -> TraceChunk:
        payload = self._read_payload(section)
        try:
            chunk = decode_chunk(payload, section.items, place, resolution_ns=self._resolution_ns)
        except ValueError as error:
            raise DamagedTrace(
                f"{self._path.name}: at byte {section.payload_offset}: no events are there: {error}"
            ) from error
        if int(chunk.site.max()) >= len(self._sites):
            raise DamagedTrace(
                f"{self._path.name}: at byte {section.payload_offset}: events name a site that is missing"
            )
        return chunk


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
