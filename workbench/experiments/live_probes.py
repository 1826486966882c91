"""What a live experiment can judge: figures of the process, metrics of its allocator and of its workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from workbench.control import ControlBlock
from workbench.errors import BadParameter
from workbench.probes import Probe, process_probes, read_probe
from workbench.probes.probe import Better
from workbench.processes.group_block import GroupBlock


def list_probes(block: ControlBlock, workload: ControlBlock | None) -> list[str]:
    """Names that `make_probe` knows; the throughput of a workload is the first."""
    metrics = [metric for one in (workload, block) if one for metric in one.metrics.values()]
    measured = [metric.name for metric in metrics if not metric.is_derived]
    return list(dict.fromkeys([*find_throughput(workload), *process_probes(block.info.pid), *measured]))


def find_throughput(workload: ControlBlock | None) -> list[str]:
    """The metric that counts the operations of a workload; none if there is no workload."""
    metrics = workload.metrics.values() if workload is not None else ()
    return [metric.name for metric in metrics if metric.role == "operations"]


def make_probe(block: ControlBlock, given: str | Probe, period_s: float | None) -> Probe:
    """A probe by what somebody gave; BadParameter if it is none.

    Parameters
    ----------
    given : str or Probe
        "process.resident", the name of a metric, or "NAME:UNIT,higher=SOURCE".
    period_s : float or None
        Time between two readings; None: the probe's own.
    """
    if isinstance(given, Probe):
        probe = given
    else:
        probe = _read_metric(block, given) or read_probe(
            given, lambda: [one.info.pid for one in block.members]
        )
    return probe if period_s is None else replace(probe, period_s=period_s)


def list_sources(probes: Sequence[Probe]) -> tuple[str, ...]:
    """Probes as a command line gives them; a Python function has only a name."""
    return tuple(probe.source or probe.name for probe in probes)


def find_shown_unit(probe: Probe) -> str:
    """Unit of what is judged: of a counter its rate."""
    return f"{probe.metric.unit}/s" if probe.metric.kind == "counter" else probe.metric.unit


def _read_metric(block: ControlBlock, name: str) -> Probe | None:
    """A probe that reads a metric; None if neither allocator nor workload has one of that name."""
    workload = None if isinstance(block, GroupBlock) else block.open_workload()
    source = next((one for one in (block, workload) if one is not None and name in one.metrics), None)
    if source is None:
        return None
    if source.metrics[name].is_derived:
        raise BadParameter(f"metric {name} is made of others; name one that is measured")
    better: Better = "higher" if name in find_throughput(workload) else ""
    return Probe(source.metrics[name], lambda: source.snapshot().fold(name), better=better, source=name)
