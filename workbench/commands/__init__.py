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
    "datasets": CommandPlace("datasets", "datasets", "List, verify and rebuild the recordings of programs."),
    "allocators": CommandPlace("catalogue", "allocators", "List the allocators; how to get a missing one."),
    "run": CommandPlace("run", "run", "Run a workload under an allocator and print what came of it."),
    "exec": CommandPlace("execution", "execute", "Run a program with the allocator preloaded."),
    "preload": CommandPlace("catalogue", "preload", "Print the path of the library to preload (LD_PRELOAD)."),
    "ps": CommandPlace("blocks", "ps", "List the processes that can be tuned."),
    "tunables": CommandPlace("blocks", "tunables", "List the tunables, of a process or as built."),
    "set": CommandPlace("blocks", "set_tunables", "Change tunables of a running process."),
    "metrics": CommandPlace("blocks", "metrics", "Print every metric of a process once."),
    "watch": CommandPlace("watch", "watch", "Watch a process live, its metrics and latest events."),
    "export": CommandPlace("export", "export", "Write the tunables of a process or file as a file."),
    "sessions": CommandPlace("sessions", "sessions", "List, show and repeat recorded sessions."),
    "record": CommandPlace("record", "record", "Run a program and record every allocation call it makes."),
    "replay": CommandPlace("replay", "replay", "Replay a recorded trace under an allocator."),
    "trace": CommandPlace("trace", "trace", "Tell what a trace holds, as tables or as charts."),
    "compare": CommandPlace("compare", "compare", "Compare allocators, or settings of hakmem, on workloads."),
    "sweep": CommandPlace("sweep", "sweep", "Run the trials of a plan; goes on where it was killed."),
    "tune": CommandPlace("tune", "tune", "Search settings that beat the defaults."),
    "verify": CommandPlace("verify", "verify", "Run the claim of an exported settings file again."),
}
