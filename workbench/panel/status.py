"""The status line in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """What the status line tells. Numbers are NaN where they are not known.

    Parameters
    ----------
    state : str
        "idle", "running", "paused", "attached", "ended" or "crashed".
    subject : str
        What runs, e.g. "larson under hakmem".
    operations_per_s, pinned_operations_per_s, resident_bytes : float
        Now, of the pinned run, now.
    change : str
        The latest change of a tunable, e.g. "tls.grow_percent 80 → 60 %".
    threads, adopted : int
        Threads of the process, and how many act on that change.
    note : str
        Anything else; of "ended" and "crashed", the whole sentence.
    """

    state: str
    subject: str = ""
    operations_per_s: float = math.nan
    pinned_operations_per_s: float = math.nan
    resident_bytes: float = math.nan
    change: str = ""
    threads: int = 0
    adopted: int = 0
    note: str = ""


def write_status(status: Status) -> str:
    """One line for people."""
    if status.state == "idle":
        return status.note or "ready: choose a workload and press Start, or attach to a running process"
    if status.state in ("ended", "crashed"):
        return status.note
    head = f"{status.state} {status.subject}"
    if status.state == "attached":
        head = f"attached to {status.subject}"
    facts = [head]
    if status.state in ("running", "attached", "paused"):
        if not math.isnan(status.operations_per_s):
            facts.append(f"{format_rate(status.operations_per_s)} ops/s{_compare(status)}")
        if not math.isnan(status.resident_bytes):
            facts.append(f"{status.resident_bytes / 2**20:.1f} MiB resident")
    line = ", ".join(facts)
    if status.change:
        line += f"; {status.change}"
        if status.threads:
            threads = "thread" if status.threads == 1 else "threads"
            line += f" adopted by {status.adopted} of {status.threads} {threads}"
    if status.note:
        line += f"; {status.note}"
    return line


def _compare(status: Status) -> str:
    pinned = status.pinned_operations_per_s
    if math.isnan(pinned) or pinned <= 0:
        return ""
    percent = (status.operations_per_s / pinned - 1) * 100
    sign = "−" if percent < 0 else "+"
    return f" ({sign}{abs(percent):.0f} % against the pinned run)"


def format_rate(rate: float) -> str:
    """'41.2 M', '870 k', '12'."""
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if rate >= factor:
            return f"{rate / factor:.3g}{suffix}"
    return f"{rate:.0f}"
