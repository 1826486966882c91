"""Traces of real programs that ship with the workbench, and the scenarios that record them again."""

from workbench.datasets.catalogue import Card, known_datasets, load, verify
from workbench.datasets.rebuild import Scenario, rebuild, scenarios
from workbench.traces.places import datasets_folder, find, find_trace

__all__ = [
    "Card",
    "Scenario",
    "datasets_folder",
    "find",
    "find_trace",
    "known_datasets",
    "load",
    "rebuild",
    "scenarios",
    "verify",
]
