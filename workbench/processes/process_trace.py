"""One process image's spool on its way into a trace file."""

from __future__ import annotations

import bisect
import contextlib
import os
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from workbench import __version__
from workbench.bindings.resolver import SpoolState
from workbench.processes.memory import read_start
from workbench.symbols import read_build
from workbench.traces import Site, TraceMetadata, TraceWriter
from workbench.traces.spool import Spool

_LINE = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ \d+ *(.*)")


@dataclass(frozen=True)
class RecordedTrace:
    """A trace that was recorded: its file, what it comes to, and the size of the file."""

    path: Path
    metadata: TraceMetadata
    stored_bytes: int

    @property
    def bytes_per_event(self) -> float:
        """File size by events; 0 without events."""
        count = self.metadata.event_count
        return self.stored_bytes / count if count else 0.0


class ProcessTrace:
    """Reads a spool, of which `head` is the first file, and writes its trace, piece by piece.

    `find_path` names the trace's file, by the program's name; `recording` is the same in all traces of one
    recording; `level` is that of compression.
    """

    def __init__(self, head: Path, find_path: Callable[[str], Path], recording: str, level: int) -> None:
        self._spool = Spool(head)
        try:
            state = self._spool.read_state()
            self.pid = state.pid
            self.parent_pid = state.parent_pid
            self.program = _name_program(state)
            self.result: RecordedTrace | None = None
            self._born = read_start(state.pid)
            self._modules = _ModuleMaps(self._spool.stem.with_name(self._spool.stem.name + ".modules"))
            self._writer = TraceWriter.open(
                find_path(self.program),
                program=self.program,
                command=state.command,
                date=datetime.fromtimestamp(state.start_realtime_ns / 1e9, UTC).isoformat(timespec="seconds"),
                versions={
                    "workbench": __version__,
                    "kernel": platform.release(),
                    "c_library": " ".join(platform.libc_ver()),
                },
                pid=state.pid,
                parent_pid=state.parent_pid,
                recording=recording,
                level=level,
            )
        except BaseException:
            self._spool.stop()
            self._spool.close()
            raise
        self.event_count = 0
        self.is_open = True

    @property
    def path(self) -> Path:
        """Path of the trace."""
        return self._writer.path

    @property
    def pending_events(self) -> int:
        """Events in memory that are not in the file yet."""
        return self._writer.pending_events

    def is_running(self) -> bool:
        """Whether its process is still there; it may run another program by now."""
        try:
            return self._born is not None and read_start(self.pid) == self._born
        except OSError:  # no descriptor is free to look with
            return True

    def finish(self, *, is_running: bool = False, end: str = "", is_replaced: bool = False) -> None:
        """Take the rest, and close the trace.

        `end` says how the process ended, if that is known. One that `is_running` goes on unrecorded; one that
        `is_replaced` went on as another program (exec).
        """
        if is_running:
            self._spool.stop()
        goal = self._spool.read_state().next
        while self._spool.position < goal:
            before = self._spool.position
            self.read_on(is_final=not is_running)
            if self._spool.position == before:
                break
        state = self._spool.read_state()
        totals = self._spool.read_totals()
        text, is_complete = _describe_end(state, end, is_running=is_running, is_replaced=is_replaced)
        metadata = self._writer.close(
            complete=is_complete and not totals.lost_records,
            end=text,
            unknown_frees=totals.unknown_frees,
            lost_events=totals.lost_records,
            builds=self._modules.read_builds(),
        )
        self._spool.close()
        self.result = RecordedTrace(self.path, metadata, self.path.stat().st_size)
        self.is_open = False

    def abandon(self, reason: str) -> None:
        """Record no more for this reason, and keep what there is, perhaps not even a file. Raises nothing."""
        if self.is_open:
            self.is_open = False
            with contextlib.suppress(Exception):
                self._spool.stop()
                unknown_frees = self._spool.read_totals().unknown_frees
                metadata = self._writer.abandon(f"gave up: {reason}", unknown_frees=unknown_frees)
                self.result = RecordedTrace(self.path, metadata, self.path.stat().st_size)
            with contextlib.suppress(Exception):
                self._spool.close()

    def flush(self) -> None:
        """Write what waits in memory."""
        self._writer.flush()

    def rename(self, path: Path) -> None:
        """Give the file another name; it goes on being written."""
        self._writer.rename(path)
        if self.result is not None:
            self.result = replace(self.result, path=path)

    def read_on(self, *, is_final: bool = False) -> bool:
        """Take what can be taken now, at most a segment; False if there is nothing."""
        found = self._spool.read(is_final=is_final)
        if found is None:
            return False
        chunk, new_sites = found
        self._writer.add_sites([self._modules.find(*site) for site in new_sites])
        self._writer.append(chunk, peak_live_bytes=self._spool.read_totals().peak_live_bytes)
        self.event_count += len(chunk)
        return True


def _name_program(state: SpoolState) -> str:
    """The name it was called by, if that is a name of its file, as of programs that are several in one."""
    called = shutil.which(state.command[0]) if state.command else None
    with contextlib.suppress(OSError):
        if called is not None and Path(called).samefile(state.program):
            return Path(called).name
    return Path(state.program).name or "unknown"


def _describe_end(state: SpoolState, end: str, *, is_running: bool, is_replaced: bool) -> tuple[str, bool]:
    if is_running:
        return "still running", False
    if state.stopped:
        return f"stopped: {os.strerror(state.stopped)}", False
    if is_replaced:
        return "exec", True
    if end:
        return end, not end.startswith("signal")
    return ("exit", True) if state.ended else ("killed", False)


class _Mapping(NamedTuple):
    start: int
    end: int
    base: int  # where the module's first byte lies
    module: str


class _ModuleMaps:
    """Finds the modules of return addresses, by the copies of its memory map that the process made.

    They are in the spool's `.modules` file, which may grow, and need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0
        self._rest = b""
        self._copies: list[list[_Mapping]] = []
        self._bases: dict[str, int] = {}
        self._found: set[str] = set()  # modules of call sites

    def find(self, address: int, copies: int) -> Site:
        """Find a module. Of the copies that there were when a call came from it the last counts most."""
        self._read_on()
        last = min(max(copies - 1, 0), len(self._copies) - 1)
        for number in [*range(last, len(self._copies)), *range(last - 1, -1, -1)]:
            mappings = self._copies[number]
            at = bisect.bisect_right(mappings, address, key=lambda mapping: mapping.start) - 1
            if at >= 0 and address < mappings[at].end:
                mapping = mappings[at]
                self._found.add(mapping.module)
                return Site(mapping.module, address - mapping.base) if mapping.module else Site("", address)
        return Site("", address)

    def read_builds(self) -> dict[str, str]:
        """Read the build IDs of the modules that call sites lie in, where they have one."""
        builds = {module: read_build(module) for module in sorted(self._found) if module}
        return {module: build for module, build in builds.items() if build}

    def _read_on(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_bytes)
                text = file.read()
        except FileNotFoundError:
            return
        self._read_bytes += len(text)
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            if line.startswith(b"@"):
                self._copies.append([])
                self._bases = {}
            elif self._copies and (match := _LINE.fullmatch(line)):
                self._add(match)

    def _add(self, match: re.Match[bytes]) -> None:
        start, end, offset = (int(match[number], 16) for number in (1, 2, 4))
        name = match[5].decode("utf-8", "surrogateescape")  # with a mark if another file may lie at that path
        module = name if name.startswith("/") else ""
        if offset == 0 or module not in self._bases:
            self._bases[module] = start - offset
        self._copies[-1].append(_Mapping(start, end, self._bases[module], module))
