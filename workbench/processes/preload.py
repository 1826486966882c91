"""Programs that are not ours, with an allocator preloaded: whether it can reach them, and how."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.allocators import DEFAULT_ALLOCATOR, Allocator, get_allocator, is_allocator_variable, put_first
from workbench.control import Value
from workbench.errors import BadParameter, CannotPreload
from workbench.plain_values import show

_MAXIMUM_SCRIPT_DEPTH = 4  # an interpreter may be a script itself; the kernel's limit
_SCRIPT_LINE_BYTES = 256  # the kernel's limit
_CAPABILITIES = "security.capability"

_MAGIC = b"\x7fELF"
_CLASS_64 = 2
_LITTLE_ENDIAN = 1
_INTERPRETER_SEGMENT = 3  # PT_INTERP
# Offsets in the 64-bit header: e_machine; e_phoff; e_phentsize and e_phnum (man 5 elf).
_MACHINE_AT, _TABLE_AT, _ENTRIES_AT = 18, 32, 54
_HEADER_BYTES = 64


@dataclass(frozen=True)
class ElfFile:
    """As much of an ELF file as says whether the dynamic loader, and so a preload, has a part in it."""

    bits: int
    machine: int  # number of the architecture; 0 for a 32-bit file, which is not read further
    interpreter: str | None  # the dynamic loader it asks for; None: it is static


def preload_environment(
    settings: Mapping[str, Value],
    base_environment: Mapping[str, str] | None = None,
    allocator: Allocator | None = None,
) -> dict[str, str]:
    """Environment that starts a program with these settings under an allocator, by default the table's first.

    It is added to a base, by default to this process's environment, whose preloads are kept after the
    allocator and its agent. MissingAllocator, CannotPreload, UnknownTunable, OutOfRange or ConstraintBroken
    tells what cannot be.
    """
    environment = dict(os.environ if base_environment is None else base_environment)
    allocator = allocator or get_allocator(DEFAULT_ALLOCATOR)
    for library in reversed(allocator.preloads):
        environment["LD_PRELOAD"] = put_first(library, environment.get("LD_PRELOAD", ""))
    return environment | allocator.environment_of(settings, environment)


def check_preloadable(command: Sequence[str]) -> Path:
    """See whether a preloaded library would be loaded into a command, and find its program.

    Parameters
    ----------
    command : sequence of str
        Program, by path or as found on PATH, and its arguments.

    Raises
    ------
    CannotPreload
        If the program is missing, static, setuid, has file capabilities or another architecture or C library,
        or is a script for such a program.
    """
    if not command:
        raise CannotPreload("no command is given; name a program")
    program = find_program(command[0])
    _check_program(program, command[0], depth=0)
    return program


def find_program(command: str, name: str = "") -> Path:
    """Path of a program, which may be found on PATH; CannotPreload, with what `name` says it is, without."""
    name = name or command or "''"
    found = shutil.which(command)
    if found is not None:
        return Path(found)
    if "/" not in command:
        raise CannotPreload(f"{name}: no such program on PATH; give its path")
    path = Path(command)
    if not path.exists():
        raise CannotPreload(f"{name}: no such file; check the path")
    what = "a folder" if path.is_dir() else "not executable"
    raise CannotPreload(f"{name}: it is {what}; name a program")


def check_environment(variables: Iterable[str]) -> None:
    """See whether variables leave alone what preloads an allocator and sets it.

    Raises
    ------
    BadParameter
        With the variable.
    """
    for name in variables:
        if not name or "=" in name or is_allocator_variable(name):
            raise BadParameter(f"environment: {show(name)} cannot be set here; a run sets allocators itself")


def _check_program(program: Path, name: str, depth: int) -> None:
    mode = program.stat().st_mode
    if mode & (stat.S_ISUID | stat.S_ISGID):
        which = "setuid" if mode & stat.S_ISUID else "setgid"
        raise CannotPreload(
            f"{name}: it is {which}, and the loader ignores preloads there; use a copy without"
        )
    if _has_capabilities(program):
        raise CannotPreload(
            f"{name}: it has file capabilities, and the loader ignores preloads there; use a copy without"
        )
    try:
        elf = read_elf(program)
    except OSError as error:
        raise CannotPreload(f"{name}: it cannot be read ({error.strerror}); check its permissions") from None
    if elf is None:
        _check_script(program, name, depth)
    else:
        check_elf(elf, name)


def _has_capabilities(program: Path) -> bool:
    try:
        return bool(os.getxattr(program, _CAPABILITIES))
    except OSError:  # it has none, or the file system knows none
        return False


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


def check_elf(elf: ElfFile, name: str) -> None:
    """See whether a library of ours can be loaded into a program; `name` is what messages call it.

    CannotPreload if it is static, or of another architecture or C library.
    """
    own = read_elf(Path(sys.executable))
    if own is None or own.interpreter is None:
        own = read_elf(Path("/proc/self/exe"))
    if elf.bits != 64 or (own is not None and elf.machine != own.machine):
        raise CannotPreload(f"{name}: it is built for another architecture; use a native one")
    if elf.interpreter is None:
        raise CannotPreload(f"{name}: it is static, so nothing can be preloaded; link it dynamically")
    loader = Path(elf.interpreter).name
    if own is not None and own.interpreter is not None and loader != Path(own.interpreter).name:
        raise CannotPreload(
            f"{name}: it runs on another C library ({loader}); use one built for the GNU C library"
        )


def _check_script(program: Path, name: str, depth: int) -> None:
    with program.open("rb") as file:
        line = file.read(_SCRIPT_LINE_BYTES).split(b"\n", 1)[0].decode(errors="replace")
    if not line.startswith("#!") or not line[2:].strip():
        raise CannotPreload(f"{name}: it is neither a program nor a script with an interpreter; name one")
    if depth >= _MAXIMUM_SCRIPT_DEPTH:
        raise CannotPreload(f"{name}: its interpreters are scripts of scripts; name the last interpreter")
    interpreter, *words = line[2:].split(maxsplit=1)
    if Path(interpreter).name == "env" and words:
        interpreter = _skip_options(shlex.split(words[0])) or interpreter
    described = f"{name}: its interpreter {interpreter}"
    _check_program(find_program(interpreter, described), described, depth + 1)


def _skip_options(words: Sequence[str]) -> str | None:
    """The program among the words of `env`: neither an option nor a variable."""
    return next((word for word in words if not word.startswith("-") and "=" not in word), None)
