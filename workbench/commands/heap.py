"""heap: who asked for the memory of a running process, from sampled allocations."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.commands.arguments import FiniteRange, PidType, path_option, rows_option
from workbench.commands.completion import complete_pid
from workbench.commands.output import Answer, answering
from workbench.errors import BadParameter
from workbench.units import format_rough

if TYPE_CHECKING:
    import pandas as pd

    from workbench.samples import HeapProfile

_TABLE = "table"
_FORMATS = (_TABLE, "pprof", "collapsed", "page")


@click.command()
@click.argument("pid", metavar="PID", type=PidType(), shell_complete=complete_pid)
@click.option(
    "--since",
    "since_s",
    type=FiniteRange(min=0.1, max=86400),
    metavar="SECONDS",
    help="Wait for this time, then show what grew in it.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(_FORMATS),
    default=_TABLE,
    show_default=True,
    help="pprof: a file for pprof and speedscope. collapsed: one line for each stack, for "
    "flame graphs. page: an icicle chart that opens offline.",
)
@path_option("-o", "--output", help="Write a file of the other formats here.")
@rows_option
@answering
def heap(pid: int, since_s: float | None, format_name: str, output: Path | None, rows: int) -> Answer:
    """Show which code holds the memory of a process.

    The process must take samples: `workbench set PID sample.interval_bytes=524288` begins that. Blocks that
    it allocated earlier are not seen.
    """
    from workbench.samples import read_heap, tabulate_stacks, write_collapsed, write_pprof  # slow to import

    if format_name != _TABLE and (output is None or since_s is not None):
        raise BadParameter(f"--format {format_name} needs -o FILE, and does not go with --since")
    profile = read_heap(pid)
    if format_name != _TABLE and output is not None:
        if format_name == "page":
            from workbench.plots import draw_heap  # slow to import

            content = draw_heap(profile).to_html().encode()
        else:
            content = write_pprof(profile) if format_name == "pprof" else write_collapsed(profile).encode()
        output.write_bytes(content)
        return Answer({"output": output.absolute(), "samples": len(profile.samples)}, str(output.absolute()))
    notes = [f"workbench: {profile.lost} samples were lost: choose a larger interval"] if profile.lost else []
    if since_s is not None:
        time.sleep(since_s)
        later = read_heap(pid)
        grown = later.grown_since(profile)
        value = {"pid": pid, "seconds": since_s, "grown": _list_stacks(later, grown)}
        shown = (
            tabulate_stacks(later, grown.head(rows), f"what grew in {since_s:g} s")
            if len(grown)
            else "nothing grew"
        )
        return Answer(value, shown, notes=notes)
    in_use, (allocated, seconds) = profile.in_use(), profile.allocated()
    total, error = in_use["bytes"].sum(), (in_use["bytes_error"] ** 2).sum() ** 0.5
    rounding = profile.rounding()["lost_bytes"].sum()
    value = {
        "pid": pid,
        "bytes": total,
        "bytes_error": error,
        "rounding_bytes": rounding,
        "lost": profile.lost,
        "seconds": seconds,
        "in_use": _list_stacks(profile, in_use),
        "allocated": _list_stacks(profile, allocated),
    }
    return Answer(
        value,
        f"process {pid}: {_bytes(total)} ± {_bytes(error)} in use, of which rounding takes "
        f"{_bytes(rounding)}; {len(profile.samples)} samples",
        tabulate_stacks(profile, in_use.head(rows), "\nin use"),
        tabulate_stacks(profile, allocated.head(rows), f"\nallocated in the last {seconds:.3g} s", seconds),
        notes=notes,
    )


def _list_stacks(profile: HeapProfile, stacks: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {"frames": [vars(frame) for frame in profile.stacks[stack]]}
        | {str(name): value for name, value in row.items()}
        for stack, row in zip(stacks.index, stacks.to_dict("records"), strict=True)
    ]


def _bytes(number: float) -> str:
    return format_rough(number, "bytes")
