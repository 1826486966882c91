"""Tells a trace by its first bytes, without reading it."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.errors import BadParameter, DamagedTrace, WrongTraceVersion
from workbench.traces.format import HEAD, HEADER_BYTES, MAGIC, SECTION_BYTES, unpack_header, unpack_section
from workbench.traces.metadata import TraceMetadata


def is_trace(path: Path) -> bool:
    """Whether a file begins as a trace does, of whichever version.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_recording_name(path: Path) -> str:
    """Read to which recording a trace belongs (`TraceMetadata.recording`); empty if that is not known.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        try:
            unpack_header(file.read(HEADER_BYTES), path.name)
            section = unpack_section(file.read(SECTION_BYTES), HEADER_BYTES)
            if section.kind != HEAD:
                return ""
            return TraceMetadata.from_json(json.loads(file.read(section.payload_bytes))).recording
        except (ValueError, RecursionError, BadParameter, DamagedTrace, WrongTraceVersion):
            return ""
