"""Settings as files: written with where they come from, and read back."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.allocators import Allocator, allocator_of
from workbench.api.arguments import checks_arguments
from workbench.api.processes import attach
from workbench.control import ControlBlock, Value, describe_counts
from workbench.errors import BadParameter
from workbench.export import (
    Provenance,
    choose_allocator,
    choose_format,
    describe_provenance,
    read_defaults,
    write_defaults,
)
from workbench.interrupt import ending_at_once

if TYPE_CHECKING:  # slow to import, and the settings of a process need none of it
    from workbench.experiments import Comparison
    from workbench.experiments.live_result import LiveResult
    from workbench.export.evidence import Evidence
    from workbench.export.live_evidence import LiveEvidence
    from workbench.tuning import LiveStudy, Study


@checks_arguments
def export_settings(
    source: int | ControlBlock | Comparison | Study | LiveResult | LiveStudy | Mapping[str, Value],
    path: str | os.PathLike[str],
    *,
    variant: str | None = None,
) -> None:
    """Write settings to a file, with where they come from; an existing settings file is replaced.

    Parameters
    ----------
    source : int, ControlBlock, Comparison, Study, LiveResult, LiveStudy or mapping
        A process by its pid, its control block; a comparison, study or live experiment, whose figures become
        the evidence that `verify` looks at; or values by the name of their tunable.
    path : path
        Its ending tells the format, such as .env, .toml or .service.conf.
    variant : str, optional
        Whose settings are meant, if the comparison has several variants.

    Raises
    ------
    BadParameter
        If the ending tells no format, nothing of the source can be exported, or the file cannot be written.
    UnknownTunable, OutOfRange
        If a value is none of this allocator.
    """
    format_name = choose_format(path)
    if isinstance(source, int):
        with attach(source) as block:
            export_settings(block, path)
    elif isinstance(source, ControlBlock):
        values, provenance, allocator = describe_block(source)
        write_defaults(path, format_name, values, provenance, allocator=allocator)
    elif isinstance(source, Mapping):
        provenance = describe_provenance(source, allocator := choose_allocator(source))
        write_defaults(path, format_name, source, provenance, allocator=allocator)
    else:
        with ending_at_once():
            from workbench.export.evidence_files import write_evidence

        write_evidence(path, make_evidence(source, variant))


@checks_arguments
def read_settings(path: str | os.PathLike[str]) -> dict[str, Value]:
    """Read the values of a settings file in any of the formats, by the name of their tunable.

    Raises
    ------
    UnknownTunable, OutOfRange, BadParameter
        With the file, the line and the name of everything wrong in it.
    """
    return dict(read_defaults(path).values)


def make_evidence(
    source: Comparison | Study | LiveResult | LiveStudy, variant: str | None = None
) -> Evidence | LiveEvidence:
    """The evidence for a variant of a comparison, what a study found to be better, or B of an experiment.

    BadParameter if there is no such variant, or nothing beats the defaults; WrongResults if the comparison is
    not at its end.
    """
    with ending_at_once():
        from workbench.experiments import Comparison
        from workbench.experiments.live_result import LiveResult
        from workbench.export.evidence import Evidence
        from workbench.export.live_evidence import LiveEvidence

    if isinstance(source, LiveResult):
        return LiveEvidence.from_result(source)
    if not isinstance(source, Comparison):
        from workbench.tuning import LiveStudy  # slow to import, and a comparison needs none of it

        if isinstance(source, LiveStudy):
            if source.confirmation is None or not source.proposal:
                raise BadParameter("nothing was exported, since nothing is proposed")
            return LiveEvidence.from_result(source.confirmation)
        held_out = source.read_held_out()
        names = () if held_out is None else held_out.confirmed + held_out.traded
        if held_out is None or not names:
            raise BadParameter("nothing was exported, since nothing beats the defaults")
        source, variant = held_out.comparison, variant or names[0]
    return Evidence.from_comparison(source, variant)


def describe_block(block: ControlBlock) -> tuple[Mapping[str, Value], Provenance, Allocator]:
    """What a start has to be given to have a block's requested values, their origin, and whose they are."""
    allocator, info = allocator_of(block), block.info
    values = allocator.choose_given(block.requested().values)
    work = _read_work(info.path)
    provenance = describe_provenance(
        values,
        allocator,
        workload=str(work.get("run.workload", "")),
        parameters={
            name.removeprefix("parameter."): float(value)
            for name, value in work.items()
            if name.startswith("parameter.")
        },
        threads=work.get("run.threads"),
        seed=work.get("run.seed"),
        process=f"{info.pid}, {info.command}",
    )
    return values, provenance, allocator


def describe_blocks(
    blocks: Sequence[ControlBlock], whose: str
) -> tuple[Mapping[str, Value], Provenance, Allocator]:
    """As `describe_block`, for processes whose requested values are the same; BadParameter if they differ."""
    values, provenance, allocator = describe_block(blocks[0])
    if len(blocks) == 1:
        return values, provenance, allocator
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    for block in blocks:
        if allocator_of(block).name != allocator.name:
            raise BadParameter(f"{whose}: its processes have several allocators; choose one with --kind")
        for name, value in allocator.choose_given(block.requested().values).items():
            texts[name][block.tunables[name].format_bare(value)] += 1
    differing = {name: counts for name, counts in texts.items() if len(counts) > 1}
    if differing:
        told = "; ".join(f"{name} is {describe_counts(counts)}" for name, counts in differing.items())
        raise BadParameter(
            f"{whose}: its {len(blocks)} processes differ: {told}; "
            f"`workbench set {whose} NAME=VALUE` makes them alike"
        )
    return values, {**provenance, "process": f"{whose}, {len(blocks)} processes"}, allocator


def _read_work(path: Path) -> Mapping[str, Value]:
    """What the workload runner in the same process says of its run; nothing for another program."""
    beside = path.with_suffix(".workload")
    if not beside.exists():
        return {}
    with ControlBlock.open(beside) as block:
        return block.requested().values
