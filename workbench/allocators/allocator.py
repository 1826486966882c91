"""Allocators as they are found on this machine: each describes itself by its control block."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sysconfig
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from pathlib import Path

from workbench.allocators.preload_paths import loader_path
from workbench.allocators.start_settings import write_variables
from workbench.allocators.table import Row, get_row, is_tunable, rows
from workbench.control import (
    Action,
    ControlBlock,
    Tunable,
    Value,
    explain_no_block,
    find_blocks,
    native_directory,
)
from workbench.errors import (
    BadParameter,
    CannotPreload,
    MissingAllocator,
    NoProcess,
    UnknownTunable,
    WorkbenchError,
    describe_unknown,
)

#: The program that runs a workload.
RUNNER = native_directory() / "hakmem-run"
#: The same program, which also times single calls.
LATENCY_RUNNER = native_directory() / "hakmem-run-latency"
#: The library that publishes a control block for an allocator that publishes none itself.
AGENT = native_directory() / "libworkbench-agent.so"

_PROBE_TIMEOUT_S = 20
# Where the loader looks by default; Debian's multiarch folder first.
_FOLDERS = (
    f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
)


@dataclass(frozen=True, eq=False)
class Allocator(Row):
    """An allocator that programs can run under: a row of the table, and what it says of itself.

    What takes settings raises BadParameter, UnknownTunable, OutOfRange or ConstraintBroken, as a set of a
    running control block would, and NoProcess as `block`. Tunables that are left out have their defaults.

    Attributes
    ----------
    version : str or None
        As the library itself says; None if it is missing or cannot be used.
    library : Path or None
        What to preload; None for the C library's own, and for a missing one.
    """

    version: str | None = None
    library: Path | None = None
    _block: ControlBlock | None = field(default=None, repr=False)
    _found: Mapping[str, Value] = field(default_factory=dict, repr=False)

    @property
    def available(self) -> bool:
        """Whether it can be used; if not, `remedy` says what to do."""
        return self.version is not None

    @property
    def preloads(self) -> tuple[Path, ...]:
        """What is preloaded into a program that is to run under it and have a control block."""
        return tuple(one for one in (self.library, AGENT if self.has_agent else None) if one)

    @property
    def block(self) -> ControlBlock:
        """The control block that a process under it had without settings: it describes and checks values.

        BadParameter if it has no tunables; NoProcess, with the reason, if processes under it get no control
        block here.
        """
        if not self.kind:
            others = ", ".join(row.name for row in rows() if row.is_tunable and not row.in_process)
            raise BadParameter(f"allocator {self.name} has no tunables: leave them out, or choose {others}")
        if self._block is None:
            reason = explain_no_block()[0] or self.remedy
            raise NoProcess(f"allocator {self.name} has no control block here: {reason}")
        return self._block

    @property
    def tunables(self) -> Mapping[str, Tunable]:
        """Its tunables by name; none if it publishes no control block."""
        return self.block.tunables if self.kind else {}

    @property
    def actions(self) -> Mapping[str, Action]:
        """What a process under it does when it is asked to."""
        return self.block.actions if self.kind else {}

    @property
    def defaults(self) -> dict[str, Value]:
        """What its tunables are unless set; as the agent found them, since some depend on the machine."""
        return {name: self._found.get(name, tunable.default) for name, tunable in self.tunables.items()}

    def choose_given(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Those of the values that a start has to be given.

        Where the agent publishes the control block, a default is left out: written down, it would pin what
        the allocator else finds out and adjusts by itself.
        """
        defaults = self.defaults if self.has_agent else {}
        return {name: value for name, value in values.items() if defaults.get(name) != value}

    def check(self, settings: Mapping[str, Value]) -> None:
        """See whether a process under it can start with these settings."""
        if settings:
            self.block.check(settings)

    def normalize(self, settings: Mapping[str, Value]) -> dict[str, Value]:
        """Check values and give them the form the block has them in: "60 %" becomes 60."""
        if not settings:
            return {}
        known = self.block.tunables
        for name in settings:
            if name not in known:
                raise UnknownTunable(describe_unknown("tunable", name, known))
        return {name: known[name].from_word(known[name].to_word(value)) for name, value in settings.items()}

    def complete(self, settings: Mapping[str, Value]) -> dict[str, Value]:
        """All tunables with these settings, checked."""
        self.block.check(complete := self.defaults | self.normalize(settings))
        return complete

    def environment_of(
        self, settings: Mapping[str, Value], base: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Environment variables that start it with these settings.

        What the environment `base` says in a variable that settings share stays before them.
        """
        if not settings:
            return {}
        self.check(settings)
        given = self.choose_given(self.normalize(settings))
        return write_variables(
            ((one, given[name]) for name, one in self.tunables.items() if name in given), base
        )

    def run_environment(
        self, settings: Mapping[str, Value], c_library: Path | None = None, *, has_block: bool = True
    ) -> dict[str, str]:
        """Environment for a run: this process's, without the settings of any allocator, and these.

        Parameters
        ----------
        settings : mapping of str to Value
        c_library : Path, optional
            What is preloaded for the C library's own allocator, for programs that link another one.
        has_block : bool
            Whether somebody looks or sets while it runs; without, the agent is not there.

        Raises
        ------
        CannotPreload
            If the loader cannot take the library's path.
        """
        if self.in_process:
            raise BadParameter(f"allocator {self.name} is in no other process; choose {self.in_process}")
        agent = AGENT if self.has_agent and has_block else None
        # Before the C library, whose calls go by the agent.
        libraries = (agent, c_library) if self.library is None else (self.library, agent)
        return run_environment(*libraries) | self.environment_of(settings)


def run_environment(*libraries: Path | None) -> dict[str, str]:
    """Environment with libraries preloaded: this process's, without the settings of any allocator.

    CannotPreload if the loader cannot take a library's path, and no link to it can be made.
    """
    # A shell may carry settings. A run is what its specification says, so they go.
    environment = {name: text for name, text in os.environ.items() if not is_allocator_variable(name)}
    if preloads := ":".join(loader_path(library) for library in libraries if library is not None):
        environment["LD_PRELOAD"] = preloads
    return environment


def is_allocator_variable(name: str) -> bool:
    """Whether a variable of the environment preloads an allocator, or sets one."""
    return name.startswith(("LD_PRELOAD", *(prefix for row in rows() for prefix in row.variables)))


def allocators() -> list[Allocator]:
    """All allocators that programs can run under, each found or with the package to install."""
    return [_find(row) for row in rows() if not row.in_process]


def get_allocator(name: str) -> Allocator:
    """Find one that can be used; MissingAllocator if there is none of that name or its library is missing."""
    allocator = _find(get_row(name))
    if not allocator.available:
        what = "cannot be used" if _find_library(allocator) else "is missing"
        raise MissingAllocator(f"allocator {name} {what}; {allocator.remedy}")
    return allocator


def allocator_of(block: ControlBlock) -> Allocator:
    """The allocator of a process, with its block; if no row of the table has the kind, one of that name.

    A kind may end with the prefix under which a program holds the allocator: "jemalloc-rjem".
    """
    kind, dash, prefix = block.info.kind.partition("-")
    alike = [one for one in allocators() if one.kind == kind]
    if not alike:
        return Allocator(block.info.kind, block.info.kind, _block=block)
    known = {one: one._block.tunables.keys() if one._block else set() for one in alike}
    best = max(alike, key=lambda one: len(known[one] & block.tunables.keys()))
    return replace(best, name=best.name + dash + prefix, _block=block)


def tunables_of(names: Iterable[str]) -> dict[str, Tunable]:
    """Tunables of several allocators by name, as far as these are at hand."""
    found: dict[str, Tunable] = {}
    for name in dict.fromkeys(names):
        if is_tunable(name):
            with suppress(MissingAllocator):
                found = {**get_allocator(name).tunables, **found}
    return found


def _find_library(row: Row) -> Path | None:
    if row.distribution:
        # Of several links to one library, the shortest name.
        with suppress(metadata.PackageNotFoundError):
            files = [
                file for file in metadata.files(row.distribution) or [] if file.name.startswith(row.file)
            ]
            paths = [Path(str(file.locate())) for file in sorted(files, key=lambda file: file.name)]
            return next((path.resolve() for path in paths if path.exists()), None)
        return None
    folders = [native_directory()] if row.is_built else _FOLDERS
    return next((path for folder in folders if (path := Path(folder, row.file)).is_file()), None)


def _find(row: Row) -> Allocator:
    library = _find_library(row) if row.file else None
    if row.file and library is None:
        return Allocator(**vars(row))
    try:
        return _probe(row, library, library.stat().st_mtime_ns if library else 0)
    except WorkbenchError as error:
        return Allocator(**vars(row) | {"remedy": str(error)})


@cache
def _probe(row: Row, library: Path | None, _changed_ns: int) -> Allocator:
    """Loads it as a run would, asks, and opens its control block. Asked once a library file.

    CannotPreload, with what the loader said, if it cannot be loaded or something else answers.
    """
    if row.in_process:
        return Allocator(**vars(row), version=_package_version(row), _block=ControlBlock.own())
    try:
        environment = run_environment(library, AGENT if row.has_agent else None)
        with subprocess.Popen(
            [RUNNER, "--allocator"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            try:
                answer = read_line(process.stdout.fileno(), _PROBE_TIMEOUT_S)
                block = _open_block(process.pid, row.kind)
                said = " ".join(
                    process.communicate(timeout=_PROBE_TIMEOUT_S)[1].decode(errors="replace").split()
                )
            finally:
                process.kill()
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotPreload(f"{library or RUNNER}: it cannot be loaded: {error}") from None
    try:
        told: dict[str, str] = json.loads(answer)
    except ValueError:
        said = said or f"exit code {process.returncode}"
        raise CannotPreload(f"{library or RUNNER}: it cannot be loaded: {said}") from None
    if not _is_served_by(told["library"], library):
        said = said or f"{Path(told['library']).name} answered in its place"
        raise CannotPreload(f"{library or RUNNER}: it cannot be loaded: {said}")
    version = told["version"] or _package_version(row) or (block.info.build if block else "unknown")
    found = block.requested().values if block and row.has_agent else {}
    return Allocator(**vars(row), version=version, library=library, _block=block, _found=found)


def read_line(descriptor: int, timeout_s: float) -> str:
    """The line that a program which was started answers; as much as came, if it ends or takes too long."""
    text, end_s = b"", time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not text.endswith(b"\n") and selector.select(max(0.0, end_s - time.monotonic())):
            piece = os.read(descriptor, 4096)
            if not piece:
                break
            text += piece
    return text.decode(errors="replace")


def _open_block(pid: int, kind: str) -> ControlBlock | None:
    """The probe's block. It can be read as long as it is open, after the probe's end, too."""
    for info in find_blocks(pid, kind) if kind else ():
        block = ControlBlock.open(info.path)
        info.path.unlink(missing_ok=True)
        return block
    return None


def _is_served_by(found: str, library: Path | None) -> bool:
    if library is None:
        return Path(found).name.startswith("libc.so")
    with suppress(OSError):
        return Path(found).samefile(library)
    return False


def _package_version(row: Row) -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(row.package)
    return ""
