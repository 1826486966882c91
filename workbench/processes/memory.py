"""What /proc tells of a process: its name, its memory, when it began."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import NoProcess

_GONE = ("Z", "X", "x")
_START = 19  # of the fields of /proc/PID/stat behind the name


def resident_bytes(pid: int) -> int:
    """Memory a process has resident now, in bytes; NoProcess if there is none of that number."""
    return _read_memory(pid, "VmRSS")


def peak_resident_bytes(pid: int) -> int:
    """Most memory a process had resident so far, in bytes; NoProcess if there is none of that number."""
    return _read_memory(pid, "VmHWM")


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
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = text.rpartition(") ")[2].split()
    return None if state in _GONE else int(fields[_START - 1])


def _read_memory(pid: int, key: str) -> int:
    try:
        told = read_status(pid).get(key, "0")  # a zombie has no memory
    except (FileNotFoundError, ProcessLookupError):
        raise NoProcess(f"there is no process {pid}; it may have ended") from None
    return int(told.split()[0]) * 1024
