"""Resident memory and name of a process, from /proc."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import NoProcess


def resident_bytes(pid: int) -> int:
    """Memory a process has resident now, in bytes; NoProcess if there is none of that number."""
    return _read_status(pid, "VmRSS:")


def peak_resident_bytes(pid: int) -> int:
    """Most memory a process had resident so far, in bytes; NoProcess if there is none of that number."""
    return _read_status(pid, "VmHWM:")


def name_process(pid: int) -> str:
    """Name of a process as `ps` shows it; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _read_status(pid: int, key: str) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise NoProcess(f"there is no process {pid}; it may have ended") from None
    for line in text.splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    return 0  # a zombie has no memory
