"""What came of a run, as a value, and how it is read from what a worker reported."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.control import Value
from workbench.display import Displayed
from workbench.table import Table
from workbench.units import format_rough


@dataclass(frozen=True, repr=False)
class Outcome(Displayed):
    """What came of a run.

    Parameters
    ----------
    status : str
        "completed"; "stopped" on request; "crashed" by a signal; "failed": said so itself, with exit
        code 1 or more; "timed out".
    message : str
        One line for people: empty if completed.
    signal : str or None
        Name of the signal that ended it, e.g. "SIGSEGV".
    exit_code : int or None
        None if a signal ended it.
    operations : int
        Operations of all threads; after a crash, as far as they were published.
    elapsed_s : float
        Without pauses.
    peak_resident_bytes : int
        For a crash, as last seen. For a command, memory of it and its children together, as sampled; at
        least that of the largest of them.
    checksum : str
        Checksum of the requests; empty unless the run ended by itself.
    stderr_tail : str
        The last of what it wrote to standard error.
    events : mapping of str to int
        How many of each kind the allocator's control block told.
    last_events : tuple of str
        The latest of them, one line each, oldest first.
    effective : mapping of str to Value
        All of hakmem's tunables as they were in effect at the end; empty for other allocators.
    latency_ns : mapping of str to float
        With `samples_latency`: for malloc (with calloc and aligned_alloc), realloc and free, if they were
        called, "malloc_count" (calls timed), "malloc_p50", "malloc_p99", "malloc_p99_9" and "malloc_max",
        in ns without "clock_overhead", the time that it takes to read the clock.
    latency_histograms : mapping of str to tuple of (float, int)
        By call: pairs of a bucket's upper end in ns and its count, ascending.
    probed : mapping of str to float or str
        For a command with probes: the number of each figure, or the reason why there is none.
    processor_s, page_faults, mean_resident_bytes, sample_count, output_tail
        For a command only: user and system time and page faults of it and of the children it waited for;
        mean memory; how often that was sampled; the last of what it wrote.
    """

    status: str
    message: str = ""
    signal: str | None = None
    exit_code: int | None = None
    operations: int = 0
    elapsed_s: float = 0.0
    peak_resident_bytes: int = 0
    checksum: str = ""
    stderr_tail: str = ""
    events: Mapping[str, int] = field(default_factory=dict)
    last_events: tuple[str, ...] = ()
    effective: Mapping[str, Value] = field(default_factory=dict)
    latency_ns: Mapping[str, float] = field(default_factory=dict)
    latency_histograms: Mapping[str, tuple[tuple[float, int], ...]] = field(default_factory=dict)
    processor_s: float = 0.0
    page_faults: int = 0
    mean_resident_bytes: int = 0
    sample_count: int = 0
    output_tail: str = ""
    probed: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def operations_per_s(self) -> float:
        """Throughput without pauses; 0 if no time passed."""
        return self.operations / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def to_table(self) -> Table:
        """One row."""
        columns = ("status", "operations", "elapsed", "throughput", "peak resident")
        row = (
            self.status,
            f"{self.operations:,}",
            f"{self.elapsed_s:.3f} s",
            format_rough(self.operations_per_s, "operations/s"),
            format_rough(self.peak_resident_bytes, "bytes"),
        )
        return Table(columns, [row], right=columns[1:], notes=[self.message] if self.message else [])

    def __repr__(self) -> str:
        (row,) = self.to_table().rows
        return f"<Outcome {row[0]}: {row[1]} operations in {row[2]}, {row[3]}, {row[4]} resident at most>"


def read_outcome(
    output: bytes,
    complaints: bytes,
    code: int,
    *,
    reason: str = "",
    failure: str = "",
    seen: Outcome | None = None,
) -> Outcome:
    """Say what came of a worker, by the last of what it wrote and its exit code, negative for a signal.

    `reason` says why this side ended it ("stopped" or "timed out"), `failure` what went wrong on this side.
    What was seen of it stands in for the report that a crashed worker cannot make.
    """
    seen = seen or Outcome("")
    told = _read_report(output)
    tail = complaints.decode(errors="replace")
    status, message = _judge(told, code, reason, tail.strip().splitlines())
    if failure:
        status, message = "failed", failure
    latency = told.get("latency", {})
    calls = {call: summary for call, summary in latency.items() if isinstance(summary, dict)}
    latency_ns = {
        f"{call}_{name}": float(summary[name])
        for call, summary in calls.items()
        for name in ("count", "p50", "p99", "p99_9", "max")
    }
    return replace(
        seen,
        status=status,
        message=message,
        signal=name_signal(-code) if code < 0 else None,
        exit_code=code if code >= 0 else None,
        operations=int(told.get("operations", seen.operations)),
        elapsed_s=float(told.get("elapsed_s", seen.elapsed_s)),
        peak_resident_bytes=int(told.get("peak_resident_bytes", seen.peak_resident_bytes)),
        checksum=str(told.get("checksum", "")),
        stderr_tail=tail,
        latency_ns={"clock_overhead": float(latency["clock_overhead_ns"]), **latency_ns} if latency else {},
        latency_histograms={
            call: tuple((float(upper_ns), int(count)) for upper_ns, count in summary["buckets"])
            for call, summary in calls.items()
        },
    )


def name_signal(number: int) -> str:
    """Such as "SIGSEGV"; a real-time signal has a number only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def describe_kill(number: int) -> str:
    """How a signal ended a process, and where to look for who sent it, if nothing else can tell."""
    hint = " (by the kernel for want of memory, which `dmesg` tells, or by somebody's kill)"
    return f"ended by {name_signal(number)}{hint if number == signal.SIGKILL else ''}"


def _judge(told: Mapping[str, Any], code: int, reason: str, said: list[str]) -> tuple[str, str]:
    if reason == "timed out":
        return "timed out", "it did not end in time and was killed"
    if reason == "stopped" and code == -signal.SIGKILL:
        return "stopped", "it was killed on request"
    if code < 0:
        last = f"; it said: {said[-1]}" if said else ""
        return "crashed", f"the worker was {describe_kill(-code)}{last}"
    if code == 0 and told.get("status") in ("completed", "stopped"):
        status = str(told["status"])
        return status, "" if status == "completed" else "it was stopped on request"
    return "failed", said[-1] if said else f"it ended with exit code {code} and no word"


def _read_report(output: bytes) -> dict[str, Any]:
    """The line of JSON, the last the runner prints; empty if there is none."""
    for line in reversed(output.splitlines()):
        with contextlib.suppress(ValueError):
            if isinstance(told := json.loads(line), dict):
                return told
    return {}
