"""What /proc tells of a process: its name, its memory, what it has used, when it began."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import NoProcess

_GONE = ("Z", "X", "x")
_FAULTS, _START = 7, 19  # of the fields of /proc/PID/stat behind the name


@dataclass(frozen=True)
class Usage:
    """What processes have used: user and system time, and page faults."""

    processor_s: float = 0.0
    page_faults: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.processor_s + other.processor_s, self.page_faults + other.page_faults)

    def __sub__(self, other: Usage) -> Usage:
        """What was used since; a child that nobody waited for may have taken its part with it."""
        return Usage(
            max(0.0, self.processor_s - other.processor_s), max(0, self.page_faults - other.page_faults)
        )


def read_usage(pid: int) -> Usage:
    """What a process and the children that it waited for have used; nothing once it is gone."""
    # Faults of its own and of its children, the same of major ones, then clock ticks in the same way.
    numbers = list(map(int, _read_stat(pid)[_FAULTS : _FAULTS + 8]))
    return Usage(sum(numbers[4:]) / os.sysconf("SC_CLK_TCK"), sum(numbers[:4]))


def resident_bytes(pid: int) -> int:
    """Memory a process has resident now, in bytes; NoProcess if there is none of that number."""
    return _read_memory(pid, "VmRSS")


def peak_resident_bytes(pid: int) -> int:
    """Most memory a process had resident so far, in bytes; NoProcess if there is none of that number."""
    return _read_memory(pid, "VmHWM")


def reset_peak_resident_bytes() -> None:
    """Let `peak_resident_bytes` of this process begin anew; where the system refuses, it goes on."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def name_process(pid: int) -> str:
    """Name of a process as `ps` shows it; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def read_status(pid: int) -> dict[str, str]:
    """The lines of /proc/PID/status by their names; OSError if there is no such process."""
    lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def read_start(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None if it has ended, OSError if nobody can tell."""
    fields = _read_stat(pid)
    return None if not fields or fields[0] in _GONE else int(fields[_START])


def _read_stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name; none if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read_memory(pid: int, key: str) -> int:
    try:
        told = read_status(pid).get(key, "0")  # a zombie has no memory
    except (FileNotFoundError, ProcessLookupError):
        raise NoProcess(f"there is no process {pid}; it may have ended") from None
    return int(told.split()[0]) * 1024
