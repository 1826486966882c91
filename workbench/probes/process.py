"""The built-in probes: what the system tells of a process, or of all processes of a group, in /proc."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from workbench.control import Metric
from workbench.control.metric import MetricKind
from workbench.errors import ProbeFailed
from workbench.probes.probe import Better, Probe
from workbench.units import KIB

Pids = Callable[[], Iterable[int]]
#: What a figure consists of, by process or thread.
Parts = dict[int, float]
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def process_probes(pids: Pids | int) -> dict[str, Probe]:
    """Make the built-in probes of a process.

    Parameters
    ----------
    pids : int or callable
        The process; or a function that returns the processes of a group as they are now. Figures of a group
        are sums; a process that has ended keeps its part of a counter. The cgroup is that of the first.

    Returns
    -------
    dict of str to Probe
        By name. Those that cost the system much are read once a second, the others ten times.
    """
    group = (lambda: (pids,)) if isinstance(pids, int) else pids
    probes = [
        Probe(
            Metric(f"process.{name}", "Process", unit, text, name.replace("_", " ").capitalize(), kind),
            _Sum(group, read, kind == "counter"),
            period_s,
            better,
        )
        for name, unit, kind, read, period_s, better, text in _PROCESS
    ]
    probes += [
        Probe(
            Metric(f"cgroup.{name}", "Process", unit, text, f"Memory cgroup: {name}"),
            lambda read=read: read(_first(group)),  # type: ignore[misc]  # mypy infers no type of a default
            better="lower" if name != "limit" else "",
        )
        for name, unit, read, text in _CGROUP
    ]
    return {probe.name: probe for probe in probes}


class _Sum:
    """Sums a figure over processes. A counter never falls: what ended processes had counted stays."""

    def __init__(self, pids: Pids, read: Callable[[int], Parts], is_counter: bool) -> None:
        self._pids, self._read, self._is_counter = pids, read, is_counter
        self._before: Parts = {}
        self._ended = 0.0

    def __call__(self) -> float:
        parts: Parts = {}
        error: OSError | None = None
        for pid in self._pids():
            try:
                parts |= self._read(pid)
            except OSError as reason:  # it ended meanwhile, or is another user's
                error = reason
        if not parts:
            why = error.strerror if error is not None else "there is none"
            raise ProbeFailed(f"no process could be read: {why}")
        if self._is_counter:
            # A part that is missing, or smaller, was of a process or thread that has ended.
            self._ended += sum(was for key, was in self._before.items() if parts.get(key, -1.0) < was)
            self._before = parts
        return self._ended + sum(parts.values())


def _first(pids: Pids) -> int:
    for pid in pids():
        return pid
    raise ProbeFailed("there is no process")


def _stat(pid: int, *fields: int) -> Parts:
    """Sum fields of /proc/<pid>/stat, counted from 1 (proc(5)). The second may hold spaces."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    words = text[text.rindex(")") + 2 :].split()
    return {pid: sum(int(words[field - 3]) for field in fields)}


def _rollup(pid: int, name: str) -> Parts:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    match = re.search(rf"^{name}: +(\d+) kB", text, re.MULTILINE)
    return {pid: int(match[1]) * KIB if match else 0}


def _context_switches(pid: int) -> Parts:
    parts: Parts = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # the thread ended
            text = (task / "status").read_text(encoding="utf-8")
            parts[int(task.name)] = sum(map(int, re.findall(r"voluntary_ctxt_switches:\s+(\d+)", text)))
    return parts


def _find_cgroup(pid: int) -> tuple[Path, bool]:
    """The folder of a process's memory cgroup, and whether it is of version 2."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ProbeFailed(f"/proc/{pid}/cgroup: {error.strerror}") from None
    for line in sorted(lines, reverse=True):  # version 1, where it has the memory controller, goes first
        _, controllers, path = line.split(":", 2)
        is_new = not controllers
        if not is_new and "memory" not in controllers.split(","):
            continue
        kind = "cgroup2" if is_new else r"cgroup \S+ \S*\bmemory\b"
        mount = re.search(rf"^\S+ \S+ \S+ (\S+) (\S+) .* - {kind}", mounts, re.MULTILINE)
        if mount:
            folder = Path(mount[2], os.path.relpath(path, mount[1]))
            if folder.is_dir():
                return folder, is_new
            if Path(mount[2], "memory.usage_in_bytes").exists():  # a container sees its own group as the root
                return Path(mount[2]), is_new
    raise ProbeFailed(f"process {pid} is in no memory cgroup that can be read here")


def _cgroup(pid: int, new_name: str, old_name: str) -> float:
    folder, is_new = _find_cgroup(pid)
    name = new_name if is_new else old_name
    try:
        text = (folder / name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ProbeFailed(f"{folder / name}: {error.strerror}") from None
    if text == "max" or int(text) >= 2**62:  # version 1 writes the largest multiple of a page
        raise ProbeFailed("the cgroup has no limit")
    return int(text)


def _pressure_percent(pid: int) -> float:
    folder, is_new = _find_cgroup(pid)
    if not is_new:
        raise ProbeFailed("cgroups of version 1 tell no pressure")
    try:
        text = (folder / "memory.pressure").read_text(encoding="utf-8")
    except OSError as error:
        raise ProbeFailed(f"{folder / 'memory.pressure'}: {error.strerror}") from None
    match = re.search(r"^some avg10=([\d.]+)", text, re.MULTILINE)
    if match is None:
        raise ProbeFailed(f"{folder / 'memory.pressure'}: it has no line 'some avg10='")
    return float(match[1])


_PROCESS: tuple[tuple[str, str, MetricKind, Callable[[int], Parts], float, Better, str], ...] = (
    ("processor_time", "s", "counter", lambda pid: {pid: _stat(pid, 14, 15)[pid] / _TICKS_PER_S}, 0.1, "",
     "Processor time, user and system; its rate is how many processors are busy."),
    ("resident", "bytes", "gauge", lambda pid: _rollup(pid, "Rss"), 1.0, "lower", "Resident memory."),
    ("proportional", "bytes", "gauge", lambda pid: _rollup(pid, "Pss"), 1.0, "lower",
     "Resident memory, in which a page that several processes share counts in equal parts."),
    ("huge_pages", "bytes", "gauge", lambda pid: _rollup(pid, "AnonHugePages"), 1.0, "",
     "Anonymous memory in huge pages."),
    ("minor_faults", "faults", "counter", lambda pid: _stat(pid, 10), 0.1, "lower",
     "Page faults that needed no disk."),
    ("major_faults", "faults", "counter", lambda pid: _stat(pid, 12), 0.1, "lower",
     "Page faults that had to read from disk."),
    ("context_switches", "switches", "counter", _context_switches, 1.0, "lower",
     "Context switches of all threads."),
)  # fmt: skip
_CGROUP: tuple[tuple[str, str, Callable[[int], float], str], ...] = (
    ("memory", "bytes", lambda pid: _cgroup(pid, "memory.current", "memory.usage_in_bytes"),
     "Memory of the cgroup."),
    ("limit", "bytes", lambda pid: _cgroup(pid, "memory.max", "memory.limit_in_bytes"),
     "Memory limit of the cgroup."),
    ("pressure", "%", _pressure_percent,
     "Share of the last 10 s in which some process of the cgroup waited for memory."),
)  # fmt: skip
