"""What is compared: columns of results, with their unit and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

from workbench.errors import BadParameter, describe_unknown
from workbench.experiments.result import ELAPSED, PAGE_FAULTS, Result
from workbench.processes.figures import Figure


@dataclass(frozen=True)
class Measure:
    """Something that is compared: a column of the results.

    Parameters
    ----------
    name : str
        For people.
    column : str
        Field of `Result`, or a name of its `latency_ns` or `figures`.
    unit : str
    is_higher_better : bool
    is_latency : bool
        Whether it comes from the runs that sample latency.
    is_figure : bool
        Whether it is one of the figures of commands.
    """

    name: str
    column: str
    unit: str
    is_higher_better: bool = False
    is_latency: bool = False
    is_figure: bool = False

    def read(self, result: Result) -> float:
        """Its value in a result; NaN if there is none, or if the run failed."""
        values = result.latency_ns if self.is_latency else result.figures if self.is_figure else vars(result)
        value = values.get(self.column)
        return float(value) if value is not None and result.is_measured else math.nan

    def benefit(self, ratio: float) -> float:
        """A ratio turned such that more than 1 is better."""
        return ratio if self.is_higher_better else 1 / ratio


#: Operations of all threads in a second.
THROUGHPUT = Measure("throughput", "operations_per_s", "operations/s", is_higher_better=True)
#: The most memory that the process had resident.
PEAK_RESIDENT = Measure("peak resident", "peak_resident_bytes", "bytes")
#: Of commands only; what else runs on the machine lengthens their elapsed time more than this.
PROCESSOR_TIME = Measure("processor time", "processor_s", "s")
#: Only commands have it; their throughput is its inverse.
ELAPSED_TIME = Measure("elapsed", ELAPSED, "s", is_figure=True)
#: In the order in which they are told.
MEASURES = (
    THROUGHPUT,
    ELAPSED_TIME,
    PROCESSOR_TIME,
    PEAK_RESIDENT,
    Measure("mean resident", "mean_resident_bytes", "bytes"),
    Measure("page faults", PAGE_FAULTS, "faults", is_figure=True),
    Measure("cached", "mean_cached_bytes", "bytes"),
    Measure("malloc p99", "malloc_p99", "ns", is_latency=True),
    Measure("malloc p99.9", "malloc_p99_9", "ns", is_latency=True),
    Measure("free p99", "free_p99", "ns", is_latency=True),
    Measure("free p99.9", "free_p99_9", "ns", is_latency=True),
)


def figure_measure(figure: Figure) -> Measure:
    """What a figure of a command is when it is compared."""
    return Measure(figure.name, figure.name, figure.unit, figure.better == "higher", is_figure=True)


def find_measure(name: str) -> Measure:
    """A measure by its name; BadParameter if there is none."""
    known = {measure.name: measure for measure in MEASURES}
    if name not in known:
        raise BadParameter(describe_unknown("measure", name, known))
    return known[name]
