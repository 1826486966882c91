"""Replay plans: traces in the form that the native replayer reads, compiled once and kept in a cache.

A plan (`native/workloads/replay_plan.h`) says for every lane, a thread of the replay, what it does and
where it waits for another one:

- Threads of the trace that never live at the same time share a lane; where one ends, the lane's thread
  ends too and a new one goes on. So there are as many lanes as threads live at once.
- An operation on an object that another lane touched last waits for that lane's operation; nothing else
  about the order of two lanes is kept. So a free is never before its malloc, and the same slot of the
  table of live objects never holds two.
- A thread begins once the event that stands before its start in the trace is done, as a rule what its
  creator did last: a lane whose thread starts late does not run ahead.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from workbench.bindings.replay import Compiler, is_plan_sound, read_header
from workbench.errors import BadParameter, DamagedTrace
from workbench.traces.chunk import TraceChunk
from workbench.traces.reader import Trace
from workbench.units import GIB

SUFFIX = ".plan"
#: The cache gives up the plans used longest ago above this size.
MAXIMUM_CACHE_BYTES = 4 * GIB


@dataclass(frozen=True)
class ReplayPlan:
    """A plan in the cache, as its header tells.

    Parameters
    ----------
    path : Path
        Path of the plan.
    lane_count : int
        Threads of the replay.
    event_count : int
        Allocations, reallocs and frees of one replay.
    slot_count : int
        Entries of the table of live objects, 16 bytes each in the replayer.
    duration_s : float
        Length of the recording.
    skipped_frees : int
        Frees of objects whose allocation is not in the trace; they are left out.
    trace_checksum : str
        Checksum of the trace it was compiled from.
    file_bytes : int
        Size of the plan.
    """

    path: Path
    lane_count: int
    event_count: int
    slot_count: int
    duration_s: float
    skipped_frees: int
    trace_checksum: str
    file_bytes: int


def cache_folder() -> Path:
    """Where plans are kept: `hakmem/plans` in XDG_CACHE_HOME, or in ~/.cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    root = base if base.is_absolute() else Path.home() / ".cache"
    return root / "hakmem" / "plans"


def find_plan(trace_path: str | os.PathLike[str]) -> ReplayPlan:
    """Find the plan of a trace file in the cache; compile it if it is not there.

    If the trace is damaged, what precedes the damage is compiled.

    Raises
    ------
    BadParameter
        If there is no such file, or nothing in it to replay.
    DamagedTrace, WrongTraceVersion
        If it cannot be read as a trace.
    """
    path = Path(trace_path)
    try:
        status = path.stat()
    except OSError as error:
        raise BadParameter(f"trace {path}: {error.strerror}; give the path of a recorded trace") from None
    if path.is_dir():
        raise BadParameter(f"trace {path}: it is a folder; give the path of a recorded trace")
    checksum = _identify(path.resolve(), status.st_mtime_ns, status.st_size)
    folder = cache_folder()
    kept = read_replay_plan(_place(folder, checksum))
    if kept is not None and kept.trace_checksum == checksum:
        with contextlib.suppress(OSError):
            _note_use(kept.path)
        return kept
    with Trace.open(path) as trace:
        return compile_plan(trace, folder)


@lru_cache(maxsize=64)
def _identify(path: Path, modified_ns: int, size_bytes: int) -> str:
    """Checksum of a trace's events; remembered while the file is the same."""
    del modified_ns, size_bytes
    with Trace.open(path) as trace:
        return _checksum_of(trace)


def _checksum_of(trace: Trace) -> str:
    if trace.damage is None and trace.metadata.checksum:
        return trace.metadata.checksum
    return trace.compute_checksum()


def _place(folder: Path, checksum: str) -> Path:
    return folder / f"{checksum}{SUFFIX}"


def read_replay_plan(path: Path) -> ReplayPlan | None:
    """Read what a plan says; None if there is none, or it is damaged or of another version.

    All of it is compared with its checksums once a process, and again when the file is another.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        header = read_header(descriptor)
        if header is None:
            return None
        status = os.fstat(descriptor)
        if not _is_sound(path, status.st_ino, status.st_mtime_ns, status.st_size):
            return None
    finally:
        os.close(descriptor)
    return ReplayPlan(
        path=path,
        lane_count=header.lane_count,
        event_count=header.event_count,
        slot_count=header.slot_count,
        duration_s=header.duration_us / 1e6,
        skipped_frees=header.skipped_frees,
        trace_checksum=header.trace_checksum,
        file_bytes=header.file_bytes,
    )


@lru_cache(maxsize=64)
def _is_sound(path: Path, inode: int, modified_ns: int, size_bytes: int) -> bool:
    del inode, modified_ns, size_bytes
    with path.open("rb") as file:
        return is_plan_sound(file.fileno())


def compile_plan(trace: Trace, folder: Path) -> ReplayPlan:
    """Compile a trace into `folder`, in one pass and bounded memory, and make room in the cache for it.

    Raises
    ------
    BadParameter
        If there is nothing to replay, more threads live at once than can be replayed, or the folder
        cannot be written.
    DamagedTrace
        If events contradict each other.
    """
    checksum = _checksum_of(trace)
    name = trace.path.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name_now = tempfile.mkstemp(prefix=".compiling-", suffix=SUFFIX, dir=folder)
    except OSError as error:
        raise BadParameter(f"cache of replay plans {folder}: {error.strerror}; set XDG_CACHE_HOME") from None
    temporary = Path(name_now)
    try:
        try:
            _compile(trace.chunks(), checksum, descriptor, name)
        finally:
            os.close(descriptor)
        place = _place(folder, checksum)
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _make_room(folder, place)
    plan = read_replay_plan(place)
    if plan is None:
        raise BadParameter(f"replay plan {place}: it cannot be read back; check the disk")
    return plan


def _compile(chunks: Iterator[TraceChunk], checksum: str, descriptor: int, name: str) -> None:
    columns = ("kind", "thread", "object_id", "size_bytes", "alignment_bytes", "time_ns")
    with Compiler(descriptor) as compiler:
        for chunk in chunks:
            arrays = {column: np.ascontiguousarray(getattr(chunk, column)) for column in columns}
            if wrong := compiler.add(**arrays):
                raise DamagedTrace(f"{name}: {wrong}")
        if wrong := compiler.finish(checksum):
            raise BadParameter(f"{name}: {wrong}")


def _note_use(path: Path) -> None:
    """Set the time of access, which a file system may not keep by itself; not that of the content."""
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _make_room(folder: Path, newest: Path) -> None:
    """Remove the plans used longest ago until the rest fit; never the newest."""
    plans = []
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):  # another process may tidy up too
            status = path.stat()
            plans.append((status.st_atime_ns, status.st_size, path))
    total_bytes = sum(size for _, size, _ in plans)
    for _, size, path in sorted(plans):
        if total_bytes <= MAXIMUM_CACHE_BYTES:
            return
        if path != newest:
            with contextlib.suppress(OSError):
                path.unlink()
            total_bytes -= size
