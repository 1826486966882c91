"""Metrics, settings and probes of running processes as OpenMetrics, for Prometheus and Grafana."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from workbench.control import BlockInfo, ControlBlock, Metric
from workbench.errors import WorkbenchError
from workbench.probes import ProbeReader, process_probes

#: The base unit that Prometheus's naming asks for, and how many of ours it is.
_BASE_UNITS = {"ms": ("seconds", 1e3), "ns": ("seconds", 1e9), "s": ("seconds", 1.0), "%": ("ratio", 100.0)}


class ProcessCollector(Collector):
    """Collects the control blocks that there are at each scrape.

    `find` returns the blocks to show; beside them stand the probes, of which a gap is left out.
    """

    def __init__(self, find: Callable[[], Iterable[BlockInfo]], probes: ProbeReader | None = None) -> None:
        self._find, self._probes = find, probes

    def collect(self) -> Iterator[Family]:
        """One family a metric name, with a sample for each process that has it."""
        families: dict[str, Family] = {}
        labels_of: dict[int, dict[str, str]] = {}
        for info in self._find():
            # The program's name alone: arguments may hold what is nobody's business.
            program = (info.command.split() or [""])[0].rpartition("/")[2]
            labels = labels_of[info.pid] = {"pid": str(info.pid), "program": program}
            with suppress(WorkbenchError), ControlBlock.open(info.path) as block:  # it may end meanwhile
                _collect_block(block, families, labels | {"kind": info.kind})
        for pid, labels in labels_of.items():
            for probe in process_probes(pid).values():
                with suppress(WorkbenchError):
                    _add(families, "", probe.metric, labels, probe.read())
        for value in self._probes.latest().values() if self._probes is not None else ():
            if not value.reason:
                _add(families, "probe", value.probe.metric, {}, value.value)
        yield from families.values()

    def describe(self) -> Iterable[Family]:
        """Nothing is known before the first scrape."""
        return []


def make_registry(
    find: Callable[[], Iterable[BlockInfo]], probes: ProbeReader | None = None
) -> CollectorRegistry:
    """Make the registry that prometheus_client's servers and writers take."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ProcessCollector(find, probes))
    return registry


def _collect_block(block: ControlBlock, families: dict[str, Family], labels: dict[str, str]) -> None:
    kind = labels["kind"]
    for reading in block.snapshot().readings():
        metric = reading.metric
        if metric.role in ("thread id", "adopted"):
            continue
        groups: Mapping[str, float] = reading.groups or {"": reading.value}
        for group, value in groups.items():
            _add(families, kind, metric, labels | ({"group": group} if reading.groups else {}), value)
        if metric.role:  # the same name for every allocator
            alike = Metric(
                metric.role, unit=metric.unit, kind=metric.kind, help=f"Metrics with the role {metric.role}."
            )
            _add(families, "allocator", alike, labels | {"metric": metric.name}, reading.value)
    effective = block.effective().values
    for name, tunable in block.tunables.items():
        described = Metric(name, unit=tunable.unit, help=tunable.help)
        _add(families, f"{kind}_setting", described, labels, tunable.to_word(effective[name]))


def _add(
    families: dict[str, Family], prefix: str, metric: Metric, labels: dict[str, str], value: float
) -> None:
    """Add one sample; a value that is none is left out."""
    if not math.isfinite(value):
        return
    unit, divisor = _BASE_UNITS.get(metric.unit, (metric.unit, 1.0))
    unit = _spell(unit.replace("/", " per "))
    name = _spell(f"{prefix} {metric.name}").removesuffix("_total")
    for own in (metric.unit, "percent" if metric.unit == "%" else unit):
        name = name.removesuffix(f"_{own}")
    name = f"{name}_{unit}" if unit else name
    family = families.get(name)
    if family is None:
        make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = families[name] = make(name, metric.help or metric.name, labels=tuple(labels))
        family.unit = unit
    family.add_sample(name + ("_total" if family.type == "counter" else ""), labels, value / divisor)


def _spell(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_").lower()
