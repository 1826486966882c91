"""What came of a run, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    elapsed_s, operations_per_s : float
        Without pauses.
    peak_resident_bytes : int
        For a crash, as last seen.
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
        With `samples_latency`, of the calls malloc (calloc and aligned_alloc too), realloc and free,
        those that were made: "malloc_count" (calls timed), "malloc_p50", "malloc_p99", "malloc_p99_9",
        "malloc_max" (ns, what reading the clock costs left out), and "clock_overhead", which that is.
    latency_histograms : mapping of str to tuple of (float, int)
        By call: pairs of a bucket's upper end in ns and its count, ascending.
    """

    status: str
    message: str = ""
    signal: str | None = None
    exit_code: int | None = None
    operations: int = 0
    elapsed_s: float = 0.0
    operations_per_s: float = 0.0
    peak_resident_bytes: int = 0
    checksum: str = ""
    stderr_tail: str = ""
    events: Mapping[str, int] = field(default_factory=dict)
    last_events: tuple[str, ...] = ()
    effective: Mapping[str, Value] = field(default_factory=dict)
    latency_ns: Mapping[str, float] = field(default_factory=dict)
    latency_histograms: Mapping[str, tuple[tuple[float, int], ...]] = field(default_factory=dict)

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
