"""The commands of the command line: where each is, and what it does in one line.

A command's module is imported when the command is run. So a command waits only for the libraries that it
needs itself, and `workbench --help` for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import click


class CommandPlace(NamedTuple):
    """The module that defines a command, and the command's line in `workbench --help`."""

    module: str
    help: str


def load_command(name: str) -> click.Command:
    """Import a command, and the libraries that it needs."""
    module = import_module(f"{__name__}.{COMMANDS[name].module}")
    found = [value for value in vars(module).values() if isinstance(value, click.Command)]
    return next(command for command in found if command.name == name)


#: By name, in the order in which `workbench --help` lists them.
COMMANDS: Mapping[str, CommandPlace] = {
    "lab": CommandPlace("lab", "Open JupyterLab on a notebook and print its URL."),
    "kernel": CommandPlace("kernel", "Install Jupyter kernels that run under an allocator."),
    "workloads": CommandPlace("catalogue", "List the workloads with their parameters."),
    "datasets": CommandPlace("datasets", "List, check and rebuild the traces of real programs."),
    "allocators": CommandPlace("catalogue", "List the allocators and how to install a missing one."),
    "run": CommandPlace("run", "Run a workload under an allocator and print the result."),
    "exec": CommandPlace("execution", "Run a program with the allocator preloaded."),
    "inject": CommandPlace("execution", "Make a running program tunable, without a restart."),
    "preload": CommandPlace("catalogue", "Print the path of the library to preload (LD_PRELOAD)."),
    "ps": CommandPlace("blocks", "List the processes that can be tuned."),
    "tunables": CommandPlace("blocks", "List the tunables of a process or of the allocator."),
    "set": CommandPlace("blocks", "Change tunables of a running process."),
    "do": CommandPlace("blocks", "Have a process do something, such as give memory back."),
    "metrics": CommandPlace("blocks", "Print every metric of a process once."),
    "memory": CommandPlace("memory", "Show where the resident memory of a process is."),
    "whatif": CommandPlace("whatif", "Tell what larger and smaller caches would do."),
    "watch": CommandPlace("watch", "Show the metrics and events of a process, live."),
    "heap": CommandPlace("heap", "Show which code holds the memory of a process."),
    "serve-metrics": CommandPlace("serve_metrics", "Serve metrics and settings for Prometheus and Grafana."),
    "export": CommandPlace("export", "Write the tunables of a process to a file."),
    "sessions": CommandPlace("sessions", "List, show and repeat recorded sessions."),
    "record": CommandPlace("record", "Run a program and record every allocation call it makes."),
    "replay": CommandPlace("run", "Replay a recorded trace under an allocator."),
    "trace": CommandPlace("trace", "Show what a trace holds, as tables or charts."),
    "compare": CommandPlace("compare", "Compare allocators, or settings of one, on workloads."),
    "experiment": CommandPlace("experiment", "Compare two settings on a running process or group."),
    "sweep": CommandPlace("sweep", "Run everything a plan lists; resumes after an interruption."),
    "tune": CommandPlace("tune", "Search for settings that beat the defaults."),
    "tune-live": CommandPlace("tune_live", "Search for better settings on a running process or group."),
    "verify": CommandPlace("verify", "Check the claims of an exported settings file."),
    "completion": CommandPlace("completion", "Print the script for completion in a shell."),
}
