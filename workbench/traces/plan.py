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
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from workbench.bindings.replay import EVENT_COLUMNS, Compiler, is_plan_sound, read_header
from workbench.errors import BadParameter, DamagedTrace
from workbench.traces.reader import Trace
from workbench.units import GIB

SUFFIX = ".plan"
#: The cache gives up the plans used longest ago above this size.
MAXIMUM_CACHE_BYTES = 4 * GIB


@dataclass(frozen=True)
class ReplayPlan:
    """A plan in the cache, as its header tells."""

    path: Path
    lane_count: int  # threads of the replay
    event_count: int  # allocations, reallocs and frees of one replay
    slot_count: int  # entries of the table of live objects, 16 bytes each in the replayer
    duration_s: float  # of the recording
    skipped_frees: int  # of objects whose allocation is not in the trace; they are left out
    trace_checksum: str  # of the trace it was compiled from
    file_bytes: int


def cache_folder() -> Path:
    """Where plans are kept: `hakmem/plans` in XDG_CACHE_HOME, or in ~/.cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    root = base if base.is_absolute() else Path.home() / ".cache"
    return root / "hakmem" / "plans"


def find_plan(trace_path: str | os.PathLike[str]) -> ReplayPlan:
    """Find the plan of a trace file in the cache; compile it if it is not there.

    If the trace is damaged, what precedes the damage is compiled. BadParameter if there is no such file, or
    nothing in it to replay; DamagedTrace or WrongTraceVersion if it cannot be read as a trace.
    """
    path = Path(trace_path)
    try:
        status = path.stat()
    except OSError as error:
        raise BadParameter(f"trace {path}: {error.strerror}; give the path of a recorded trace") from None
    if path.is_dir():
        raise BadParameter(f"trace {path}: it is a folder; give the path of a recorded trace")
    checksum = _identify(path.resolve(), status.st_mtime_ns, status.st_size)
    place = cache_folder() / f"{checksum}{SUFFIX}"
    kept = read_replay_plan(place)
    if kept is not None and kept.trace_checksum == checksum:
        with contextlib.suppress(OSError):
            _note_use(place)
        return kept
    with Trace.open(path) as trace:
        _compile_plan(trace, checksum, place)
    _make_room(place)
    plan = read_replay_plan(place)
    if plan is None:
        raise BadParameter(f"replay plan {place}: it cannot be read back; check the disk")
    return plan


@lru_cache(maxsize=64)
def _identify(path: Path, modified_ns: int, size_bytes: int) -> str:
    """Checksum of a trace's events; remembered while the file is the same."""
    del modified_ns, size_bytes
    with Trace.open(path) as trace:
        return trace.metadata.checksum or trace.compute_checksum()


def read_replay_plan(path: Path) -> ReplayPlan | None:
    """Read what a plan says; None if there is none, or it is damaged or of another version.

    All of it is compared with its checksums once a process, and again when the file is another.
    """
    try:
        with path.open("rb") as file:
            header, status = read_header(file.fileno()), os.fstat(file.fileno())
    except OSError:
        return None
    if header is None or not _is_sound(path, status.st_ino, status.st_mtime_ns, status.st_size):
        return None
    told = {name: header[name] for name in header.keys() & ReplayPlan.__dataclass_fields__.keys()}
    return ReplayPlan(path=path, duration_s=header["duration_us"] / 1e6, **told)


@lru_cache(maxsize=64)
def _is_sound(path: Path, inode: int, modified_ns: int, size_bytes: int) -> bool:
    del inode, modified_ns, size_bytes
    with path.open("rb") as file:
        return is_plan_sound(file.fileno())


def _compile_plan(trace: Trace, checksum: str, place: Path) -> None:
    """Compile a trace in one pass and bounded memory; errors as of `find_plan`."""
    folder, name = place.parent, trace.path.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".compiling-", suffix=SUFFIX, dir=folder)
    except OSError as error:
        raise BadParameter(f"cache of replay plans {folder}: {error.strerror}; set XDG_CACHE_HOME") from None
    try:
        with os.fdopen(descriptor), Compiler(descriptor) as compiler:
            for chunk in trace.chunks():
                columns = {name: getattr(chunk, name) for name in EVENT_COLUMNS}
                if wrong := compiler.add(len(chunk), columns):
                    raise DamagedTrace(f"{name}: {wrong}")
            if wrong := compiler.finish(checksum):
                raise BadParameter(f"{name}: {wrong}")
        Path(temporary).replace(place)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _note_use(path: Path) -> None:
    """Set the time of access, which a file system may not keep by itself; not that of the content."""
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _make_room(newest: Path) -> None:
    """Remove the plans used longest ago until the rest fit; never the newest."""
    plans = []
    for path in newest.parent.glob(f"*{SUFFIX}"):
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
