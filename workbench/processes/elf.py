"""As much of an ELF file as says whether the dynamic loader, and so a preload, has a part in it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF"
_CLASS_64 = 2
_LITTLE_ENDIAN = 1
_INTERPRETER_SEGMENT = 3  # PT_INTERP
# Offsets in the 64-bit header: e_machine; e_phoff; e_phentsize and e_phnum (man 5 elf).
_MACHINE_AT, _TABLE_AT, _ENTRIES_AT = 18, 32, 54
_HEADER_BYTES = 64


@dataclass(frozen=True)
class ElfFile:
    """What the header says.

    Parameters
    ----------
    bits : int
        32 or 64.
    machine : int
        Architecture number; 0 for a 32-bit file, which is not read further.
    interpreter : str or None
        The dynamic loader it asks for; None: it is static.
    """

    bits: int
    machine: int
    interpreter: str | None


def read_elf(path: Path) -> ElfFile | None:
    """Read a program's header; None if it is no ELF file or a broken one, OSError if it cannot be read."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
            return None
        if header[4] != _CLASS_64 or header[5] != _LITTLE_ENDIAN:
            return ElfFile(bits=64 if header[4] == _CLASS_64 else 32, machine=0, interpreter=None)
        (machine,) = struct.unpack_from("<H", header, _MACHINE_AT)
        (table,) = struct.unpack_from("<Q", header, _TABLE_AT)
        entry_bytes, entries = struct.unpack_from("<HH", header, _ENTRIES_AT)
        file.seek(table)
        segments = file.read(entry_bytes * entries)
        for at in range(0, len(segments) - entry_bytes + 1, max(entry_bytes, 1)):
            kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", segments, at)
            if kind == _INTERPRETER_SEGMENT:
                file.seek(offset)
                name = file.read(min(length, 4096)).rstrip(b"\0")
                return ElfFile(bits=64, machine=machine, interpreter=name.decode(errors="replace"))
        return ElfFile(bits=64, machine=machine, interpreter=None)
