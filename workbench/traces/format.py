"""The trace file's header and sections, as docs/trace_format.md draws them. Nothing here reads events."""

from __future__ import annotations

import struct
import zlib
from dataclasses import astuple, dataclass

from workbench.errors import DamagedTrace, WrongTraceVersion

#: What the name of a trace's file ends with.
SUFFIX = ".haktrace"
VERSION = 1
TIME_RESOLUTION_NS = 1000

MAGIC = b"HAKTRACE"
_HEADER = struct.Struct("<8sIII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size

_SECTION = struct.Struct("<4sIIIQQQqI")
SECTION_BYTES = _SECTION.size + _CRC.size

HEAD = b"HEAD"
SITES = b"SITE"
EVENTS = b"EVNT"
FOOTER = b"META"
_KINDS = (HEAD, SITES, EVENTS, FOOTER)

# A reader takes no more memory than these allow, whatever a file says.
MAXIMUM_PAYLOAD_BYTES = 64 * 1024 * 1024
MAXIMUM_CHUNK_EVENTS = 1 << 20
MAXIMUM_CHUNK_SITES = 1 << 20


@dataclass(frozen=True)
class Totals:
    """What the events up to the end of a section come to."""

    events: int = 0
    objects: int = 0
    peak_live_bytes: int = 0
    time_units: int = 0
    threads: int = 0


@dataclass(frozen=True)
class Section:
    """Header of a section; the payload follows it."""

    kind: bytes  # HEAD, SITES, EVENTS or FOOTER
    payload_bytes: int
    payload_crc: int
    items: int  # events or sites of the payload; bytes of the JSON text of the other two
    totals: Totals  # up to its end
    offset: int  # where the header is in the file

    @property
    def payload_offset(self) -> int:
        """Where the payload begins in the file."""
        return self.offset + SECTION_BYTES

    @property
    def end(self) -> int:
        """Where the next section begins."""
        return self.payload_offset + self.payload_bytes


def pack_header(time_resolution_ns: int = TIME_RESOLUTION_NS, version: int = VERSION) -> bytes:
    """Write the file's first bytes."""
    return _with_crc(_HEADER.pack(MAGIC, version, time_resolution_ns, 0))


def unpack_header(data: bytes, name: str) -> int:
    """Read the file's first bytes: the resolution of times in nanoseconds.

    DamagedTrace or WrongTraceVersion if `name` is no trace, a damaged one, or one of a later version.
    """
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        raise DamagedTrace(f"{name}: it is no trace (it does not begin with {MAGIC.decode()})")
    if not _has_crc(data[:HEADER_BYTES]):
        raise DamagedTrace(f"{name}: its header is damaged, at byte 8; nothing can be read")
    _, version, resolution_ns, _ = _HEADER.unpack_from(data)
    if version != VERSION:
        raise WrongTraceVersion(
            f"{name}: it is a trace of version {version}, this workbench reads version {VERSION}; "
            "use the workbench that wrote it, or a later one"
        )
    if resolution_ns == 0:
        raise DamagedTrace(f"{name}: its times have no resolution, at byte 12")
    return int(resolution_ns)


def pack_section(kind: bytes, payload: bytes, items: int, totals: Totals) -> bytes:
    """Write a section's header; its payload follows it in the file."""
    return _with_crc(_SECTION.pack(kind, len(payload), zlib.crc32(payload), items, *astuple(totals)))


def unpack_section(data: bytes, offset: int) -> Section:
    """Read a section's header; ValueError says what is wrong if it is none."""
    if len(data) < SECTION_BYTES:
        raise ValueError("the file ends there, without its footer")
    if not _has_crc(data[:SECTION_BYTES]):
        raise ValueError("no sound section begins there")
    kind, payload_bytes, crc, items, *totals = _SECTION.unpack_from(data)
    if kind not in _KINDS:
        raise ValueError(f"a section of unknown kind {kind!r} begins there")
    limit = {EVENTS: MAXIMUM_CHUNK_EVENTS, SITES: MAXIMUM_CHUNK_SITES}.get(kind, MAXIMUM_PAYLOAD_BYTES)
    if payload_bytes > MAXIMUM_PAYLOAD_BYTES or items > limit:
        raise ValueError("the section there is larger than sections are")
    return Section(kind, payload_bytes, crc, items, Totals(*totals), offset)


def _with_crc(data: bytes) -> bytes:
    return data + _CRC.pack(zlib.crc32(data))


def _has_crc(data: bytes) -> bool:
    (crc,) = _CRC.unpack(data[-_CRC.size :])
    return bool(crc == zlib.crc32(data[: -_CRC.size]))
