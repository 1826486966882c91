"""Studies of running processes: settings searched in live experiments, and the page of the result."""

from __future__ import annotations

import html
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.api.arguments import checks_arguments
from workbench.api.live import BLOCK_S, BLOCKS, WASH_OUT_S, draw_seed
from workbench.api.processes import attach
from workbench.api.progress import Bar
from workbench.control import ControlBlock, Value
from workbench.display import render_html
from workbench.experiments.live_result import spell_settings
from workbench.experiments.result_folder import prepare_folder
from workbench.probes import Probe
from workbench.probes.probe import Better
from workbench.tuning import (
    Bounds,
    LiveSearch,
    LiveStudy,
    LiveStudyPlan,
    LiveStudyProgress,
    prepare_search,
)

if TYPE_CHECKING:
    from workbench.processes.group import Group

#: The page of a study, in its folder.
PAGE = "study.html"


@checks_arguments
def tune_live(
    target: int | str | Group,
    search: Sequence[str] | Mapping[str, Bounds | Sequence[Value]],
    *,
    probes: Sequence[str | Probe],
    better: Better = "",
    a: Mapping[str, Value] | None = None,
    candidates: int = LiveStudyPlan.candidates,
    most_changes_per_hour: int = LiveStudyPlan.most_changes_per_hour,
    hours: float = LiveStudyPlan.hours,
    blocks: int = BLOCKS,
    block_s: float = BLOCK_S,
    wash_out_s: float = WASH_OUT_S,
    looks: int = 1,
    guards: Sequence[str] = (),
    period_s: float | None = None,
    seed: int | None = None,
    kind: str | None = None,
    keep: bool = False,
    output: str | os.PathLike[str] | None = None,
) -> LiveStudy:
    """Search settings on a running process: each candidate takes turns with the best so far.

    What wins is compared once more with what the process had before. The process goes back to that at the
    end, also if this program is killed. Interrupt it to end it early: what was measured is kept.

    Parameters
    ----------
    target : int or str
        A pid, or a group such as "command:postgres".
    search : sequence of str, or mapping of str to Bounds or sequence
        Tunables; with a mapping, the bounds or the values to try.
    probes : sequence of str or Probe
        The first is tuned for; none of the others may become worse.
    better : {"", "lower", "higher"}
        Which way is an improvement of the first probe, where the probe does not say.
    a : mapping of str to Value, optional
        What the process has before and goes back to, where it cannot tell that itself.
    candidates : int
        How many settings are tried at most.
    most_changes_per_hour : int
        How often the settings may change; the study waits where it would be more.
    hours : float
        Length of the whole study at most.
    blocks, block_s, wash_out_s, looks, guards, period_s, seed
        Those of each experiment, as in `experiment`.
    keep : bool
        Whether the process is left with what is proposed.
    output : path, optional
        A folder that keeps the study, with its page. A former study there stays, as study.1.json.

    Raises
    ------
    WorkbenchError
        If it cannot be done so: the settings are then what they were.
    """
    axes = search if isinstance(search, Mapping) else dict.fromkeys(search, Bounds())
    plan = LiveStudyPlan(
        {name: axis if isinstance(axis, Bounds) else tuple(axis) for name, axis in axes.items()},
        candidates,
        a or {},
        most_changes_per_hour,
        hours,
        blocks,
        block_s,
        wash_out_s,
        looks,
        draw_seed(seed),
        tuple(guards),
        period_s,
    )
    with attach(target, kind, names=axes) as block:
        one = prepare_search(block, plan, probes, better=better)
        return run_search(one, block, keep=keep, output=output)


def run_search(
    search: LiveSearch,
    block: ControlBlock,
    *,
    keep: bool = False,
    output: str | os.PathLike[str] | None = None,
) -> LiveStudy:
    """Run a study with a bar of progress, and keep what was measured after every candidate."""
    if output is not None:
        prepare_folder(output, "study.json")

    def advance(now: LiveStudyProgress) -> None:
        one = now.experiment
        tried = spell_settings(now.settings)
        what = (
            f"candidate {now.number + 1} of {now.candidates}" if now.number < now.candidates else "at the end"
        )
        place = "waits: no more changes in this hour" if one.waits else f"block {one.number} of {one.blocks}"
        bar.move(completed=now.number + one.number / one.blocks, text=f"{what}, {tried}: {place}")

    def note(study: LiveStudy) -> None:
        trial = study.trials[-1]
        ratio = "" if trial.value is None else f" {trial.value:.3f}"
        if not bar.disable:
            bar.say(f"trial {trial.number}: {trial.outcome}{ratio} {spell_settings(trial.settings)}")
        if output is not None:
            study.save(output)

    search.on_progress, search.on_trial = advance, note
    with Bar("tune", total=search.plan.candidates + 1) as bar:
        study = search.run()
    if keep and study.proposal:
        block.set(study.proposal)
        study = replace(study, is_kept=True)
    if output is not None:
        study.save(output)
        write_study_page(study, Path(output))
    return study


def tell_export(study: LiveStudy, folder: str | os.PathLike[str] | None) -> str:
    """How what is proposed gets into a file; empty if nothing is."""
    if not study.proposal:
        return ""
    if folder is None:
        return "To ship it, run a study with --export FILE or --output FOLDER; the evidence goes with it."
    where = shlex.quote(os.fspath(folder))
    return f"To ship it: workbench export --experiment {where} --format env -o tuned.env"


def write_study_page(study: LiveStudy, folder: Path) -> None:
    """Write the page of a study into its folder."""
    from workbench.plots import draw_blocks, draw_trials  # slow to import
    from workbench.plots.page import write_page

    lines = [*study.describe(), tell_export(study, folder)]
    words = "\n".join(f"<p>{html.escape(line)}</p>" for line in lines if line)
    figures = [("trials", draw_trials(study.to_frame(), study.objective.name))] if study.trials else []
    if study.confirmation is not None and study.confirmation.time_blocks:
        figures.append(("comparison", draw_blocks(study.confirmation)))
    table = render_html(replace(study.to_table(), notes=()))
    write_page(folder / PAGE, f"Live tuning of {study.target}", words + table, figures)
