"""The allocators at hand: where each one's library is, which version, and what to install if missing."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from workbench.errors import CannotPreload, MissingAllocator, WorkbenchError, describe_unknown
from workbench.processes.loader_path import loader_path
from workbench.processes.native_files import HAKMEM_LIBRARY, RUNNER
from workbench.processes.source import own_version

_PROBE_TIMEOUT_S = 20
# Settings of allocators that a shell may carry. A run is what its specification says, so they go.
_SETTING_PREFIXES = (
    "HAKMEM_",
    "GLIBC_TUNABLES",
    "MALLOC_",
    "_RJEM_MALLOC_",
    "MIMALLOC_",
    "TCMALLOC_",
    "LD_PRELOAD",
)


@dataclass(frozen=True)
class Allocator:
    """An allocator that workloads can run under.

    Parameters
    ----------
    name : str
    version : str or None
        As the library itself says; None if it is missing.
    library : Path or None
        What to preload; None for the C library's own, and for a missing one.
    package : str
        What brings it.
    available : bool
    remedy : str
        What to do if it is missing, in one line; why it cannot be used, if it is there.
    """

    name: str
    version: str | None
    library: Path | None
    package: str
    available: bool
    remedy: str


@dataclass(frozen=True)
class _Source:
    """One row of the table below. `identity` is the name the loaded library must answer to."""

    name: str
    identity: str
    package: str
    remedy: str
    find: Callable[[], Path | None]


def _find_built() -> Path | None:
    return HAKMEM_LIBRARY if HAKMEM_LIBRARY.exists() else None


def _find_system(soname: str) -> Callable[[], Path | None]:
    """Looks where the loader looks by default; Debian's multiarch folder first."""
    folders = [
        f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}",
        "/usr/lib64",
        "/usr/lib",
        "/usr/local/lib",
    ]

    def find() -> Path | None:
        paths = (Path(folder) / soname for folder in folders)
        return next((path for path in paths if path.exists()), None)

    return find


def _find_packaged(distribution: str, prefix: str) -> Callable[[], Path | None]:
    """Looks into an installed Python package; of several links to one library, the shortest name."""

    def find() -> Path | None:
        try:
            files = metadata.files(distribution) or []
        except metadata.PackageNotFoundError:
            return None
        names = sorted((file for file in files if file.name.startswith(prefix)), key=lambda file: file.name)
        paths = (Path(str(file.locate())) for file in names)
        return next((path.resolve() for path in paths if path.exists()), None)

    return find


_SOURCES = (
    _Source("hakmem", "hakmem", "hakmem-workbench", "build it: make setup", _find_built),
    _Source("glibc", "glibc", "libc6", "", lambda: None),
    _Source(
        "jemalloc",
        "jemalloc",
        "libjemalloc2",
        "apt-get install libjemalloc2",
        _find_system("libjemalloc.so.2"),
    ),
    _Source(
        "tcmalloc",
        "tcmalloc",
        "libtcmalloc-minimal4",
        "apt-get install libtcmalloc-minimal4",
        _find_system("libtcmalloc_minimal.so.4"),
    ),
    _Source(
        "mimalloc2",
        "mimalloc",
        "libmimalloc2.0",
        "apt-get install libmimalloc2.0",
        _find_system("libmimalloc.so.2"),
    ),
    _Source(
        "mimalloc3",
        "mimalloc",
        "cmeel-mimalloc",
        "pip install cmeel-mimalloc",
        _find_packaged("cmeel-mimalloc", "libmimalloc.so"),
    ),
)


def allocators() -> list[Allocator]:
    """All allocators the workbench knows, each found or with the package to install."""
    return [_describe(source) for source in _SOURCES]


def get_allocator(name: str) -> Allocator:
    """Find one that can be used.

    Raises
    ------
    MissingAllocator
        If there is none of that name, or its library is missing.
    """
    for source in _SOURCES:
        if source.name == name:
            allocator = _describe(source)
            if not allocator.available:
                what = "cannot be used" if source.find() else "is missing"
                raise MissingAllocator(f"allocator {name} {what}; {allocator.remedy}")
            return allocator
    raise MissingAllocator(describe_unknown("allocator", name, [source.name for source in _SOURCES]))


def run_environment(library: Path | None) -> dict[str, str]:
    """Environment for a measured run: this process's, without the settings of any allocator.

    Raises
    ------
    CannotPreload
        If the loader cannot take the library's path, and no link to it can be made.
    """
    environment = {name: text for name, text in os.environ.items() if not name.startswith(_SETTING_PREFIXES)}
    if library is not None:
        environment["LD_PRELOAD"] = loader_path(library)
    return environment


def _describe(source: _Source) -> Allocator:
    library = source.find()
    version: str | None = None
    remedy = source.remedy
    if library is not None or source.identity == "glibc":
        try:
            version = _ask_version(source.identity, library, library.stat().st_mtime_ns if library else 0)
        except WorkbenchError as error:
            remedy = str(error)
    available = version is not None
    return Allocator(source.name, version, library if available else None, source.package, available, remedy)


@cache
def _ask_version(identity: str, library: Path | None, _changed_ns: int) -> str:
    """Loads it as a run would, and asks. Asked once a library file.

    Raises
    ------
    CannotPreload
        If it cannot be loaded or something else answers, with what the loader said.
    """
    environment = run_environment(library)
    try:
        answer = subprocess.run(
            [RUNNER, "--allocator"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotPreload(f"{library or RUNNER}: it cannot be loaded: {error}") from None
    said = " ".join(answer.stderr.decode(errors="replace").split())
    try:
        told: dict[str, str] = json.loads(answer.stdout)
    except ValueError:
        raise CannotPreload(
            f"{library or RUNNER}: it cannot be loaded: {said or f'exit code {answer.returncode}'}"
        ) from None
    if told["allocator"] != identity:
        raise CannotPreload(
            f"{library}: it cannot be loaded: {said or told['allocator'] + ' answered in its place'}"
        )
    return told["version"] or own_version()
