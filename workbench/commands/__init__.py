"""The commands of the command line, one module a group of them."""

from collections.abc import Sequence

import click

from workbench.commands.blocks import metrics, ps, set_tunables, tunables
from workbench.commands.catalogue import allocators, preload, workloads
from workbench.commands.compare import compare
from workbench.commands.datasets import datasets
from workbench.commands.execution import execute
from workbench.commands.export import export
from workbench.commands.lab import lab
from workbench.commands.record import record
from workbench.commands.recordings import recordings
from workbench.commands.replay import replay
from workbench.commands.run import run
from workbench.commands.sweep import sweep
from workbench.commands.trace import trace
from workbench.commands.tune import tune
from workbench.commands.verify import verify
from workbench.commands.watch import watch

#: In the order in which `workbench --help` lists them.
COMMANDS: Sequence[click.Command] = (
    lab,
    workloads,
    datasets,
    allocators,
    run,
    execute,
    preload,
    ps,
    tunables,
    set_tunables,
    metrics,
    watch,
    export,
    recordings,
    record,
    replay,
    trace,
    compare,
    sweep,
    tune,
    verify,
)
