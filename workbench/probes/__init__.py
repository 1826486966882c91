"""Probes: figures of a running program that its allocator does not know, such as requests a second."""

from workbench.probes.given import find_command, parse_probe, probe_from_callable, read_probe
from workbench.probes.probe import Probe
from workbench.probes.process import process_probes
from workbench.probes.reader import ProbeReader, ProbeValue

__all__ = [
    "Probe",
    "ProbeReader",
    "ProbeValue",
    "find_command",
    "parse_probe",
    "probe_from_callable",
    "process_probes",
    "read_probe",
]
