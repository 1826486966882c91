"""Programs that are not ours, with an allocator preloaded: whether it can reach them, and how."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.allocators import DEFAULT_ALLOCATOR, Allocator, get_allocator, put_first
from workbench.control import Value
from workbench.errors import CannotPreload
from workbench.processes.elf import ElfFile, read_elf

_MAXIMUM_SCRIPT_DEPTH = 4  # an interpreter may be a script itself; the kernel's limit
_SCRIPT_LINE_BYTES = 256  # the kernel's limit
_CAPABILITIES = "security.capability"


def preload_environment(
    settings: Mapping[str, Value],
    base_environment: Mapping[str, str] | None = None,
    allocator: Allocator | None = None,
) -> dict[str, str]:
    """Environment that starts a program under an allocator with these settings.

    Parameters
    ----------
    settings : mapping of str to Value
        By tunable name.
    base_environment : mapping of str to str, optional
        What to add to; this process's by default. Its preloads are kept, after the allocator and its agent.
    allocator : Allocator, optional
        The first of the table by default.

    Raises
    ------
    MissingAllocator, CannotPreload, UnknownTunable, OutOfRange, ConstraintBroken
        With the thing, the value and the remedy.
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
    program = _find_program(command[0], command[0])
    _check_program(program, command[0], depth=0)
    return program


def _find_program(command: str, name: str) -> Path:
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
    _check_program(_find_program(interpreter, described), described, depth + 1)


def _skip_options(words: Sequence[str]) -> str | None:
    """The program among the words of `env`: neither an option nor a variable."""
    return next((word for word in words if not word.startswith("-") and "=" not in word), None)
