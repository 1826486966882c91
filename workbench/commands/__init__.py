"""The commands of the command line: where each is, and what it does in one line.

A command's module is imported when the command is run. So a command waits only for the libraries that it
needs itself, and `workbench --help` for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True)
class CommandPlace:
    """Where a command is defined, and its line in `workbench --help`."""

    module: str
    attribute: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        command = getattr(import_module(f"{__name__}.{self.module}"), self.attribute)
        assert isinstance(command, click.Command)
        return command


#: By name, in the order in which `workbench --help` lists them.
COMMANDS: Mapping[str, CommandPlace] = {
    "lab": CommandPlace("lab", "lab", "Open JupyterLab on a notebook and print its URL."),
    "workloads": CommandPlace("catalogue", "workloads", "List the workloads with their parameters."),
    "datasets": CommandPlace("datasets", "datasets", "List, check and rebuild the traces of real programs."),
    "allocators": CommandPlace(
        "catalogue", "allocators", "List the allocators and how to install a missing one."
    ),
    "run": CommandPlace("run", "run", "Run a workload under an allocator and print the result."),
    "exec": CommandPlace("execution", "execute", "Run a program with the allocator preloaded."),
    "preload": CommandPlace("catalogue", "preload", "Print the path of the library to preload (LD_PRELOAD)."),
    "ps": CommandPlace("blocks", "ps", "List the processes that can be tuned."),
    "tunables": CommandPlace("blocks", "tunables", "List the tunables of a process or of the allocator."),
    "set": CommandPlace("blocks", "set_tunables", "Change tunables of a running process."),
    "do": CommandPlace(
        "action", "do_action", "Have a running process do something, such as give memory back."
    ),
    "metrics": CommandPlace("blocks", "metrics", "Print every metric of a process once."),
    "watch": CommandPlace("watch", "watch", "Show the metrics and events of a process, live."),
    "serve-metrics": CommandPlace(
        "serve_metrics", "serve_metrics", "Serve metrics, settings and probes for Prometheus and Grafana."
    ),
    "export": CommandPlace("export", "export", "Write the tunables of a process to a file."),
    "sessions": CommandPlace("sessions", "sessions", "List, show and repeat recorded sessions."),
    "record": CommandPlace("record", "record", "Run a program and record every allocation call it makes."),
    "replay": CommandPlace("replay", "replay", "Replay a recorded trace under an allocator."),
    "trace": CommandPlace("trace", "trace", "Show what a trace holds, as tables or charts."),
    "compare": CommandPlace("compare", "compare", "Compare allocators, or settings of one, on workloads."),
    "sweep": CommandPlace("sweep", "sweep", "Run everything a plan lists; resumes after an interruption."),
    "tune": CommandPlace("tune", "tune", "Search for settings that beat the defaults."),
    "verify": CommandPlace("verify", "verify", "Check the claims of an exported settings file."),
    "completion": CommandPlace("completion", "completion", "Print the script for completion in a shell."),
}
