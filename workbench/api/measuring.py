"""What measures for longer: comparisons, sweeps, studies, and claims that are verified."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.allocators import allocators
from workbench.api.arguments import checks_arguments
from workbench.api.live import repeat_experiment
from workbench.api.progress import open_results, show_progress
from workbench.api.running import find_replayed
from workbench.control import Value
from workbench.errors import BadParameter, DamagedEvidence
from workbench.experiments import (
    Comparison,
    ComparisonPlan,
    Plan,
    Results,
    Run,
    Span,
    Variant,
    Work,
    read_sweep_plan,
    run_comparison,
    run_sweep,
)
from workbench.experiments.comparison import list_warmup
from workbench.experiments.programs import make_programs
from workbench.export import read_defaults
from workbench.export.evidence import Evidence
from workbench.export.evidence_files import find_other_toml, read_evidence
from workbench.export.live_evidence import LiveEvidence
from workbench.export.verification import (
    Verification,
    find_differences,
    find_obstacles,
    judge_claims,
    plan_verification,
)
from workbench.probes import Probe
from workbench.processes.figures import Figure
from workbench.workloads import REPLAY

if TYPE_CHECKING:
    from workbench.export.live_verification import LiveVerification
    from workbench.processes.group import Group

#: Rounds of a comparison, and seconds of a run, unless somebody says otherwise.
ROUNDS = 10
SECONDS = 1.0

Axis = Sequence[Value] | Span


@checks_arguments
def compare(
    variants: Sequence[str | Variant] | None = None,
    works: Sequence[str | Work] = (),
    *,
    rounds: int = ROUNDS,
    looks: int = 1,
    seconds: float | None = None,
    operations: int | None = None,
    threads: int | None = None,
    seed: int = 1,
    parameters: Mapping[str, float] | None = None,
    latency: bool = False,
    order_seed: int = 1,
    output: str | os.PathLike[str] | None = None,
    command: str | Sequence[str] = (),
    command_name: str | Sequence[str] = (),
    shell: bool = False,
    prepare: str | None = None,
    warmup: int = 0,
    timeout_s: float | None = None,
    figures: Sequence[str | Figure] = (),
    ignore_failure: bool = False,
    any_output: bool = False,
    environment: Mapping[str, str] | None = None,
    server: str | None = None,
    ready: str | None = None,
    stop: str | None = None,
    ready_timeout_s: float | None = None,
    preload_client: bool = False,
) -> Comparison:
    """Compare allocators, or settings of one, on workloads, traces and programs of yours.

    Every round runs each variant once on each work, in random order; ratios are of pairs of one round. A
    verdict requires that the 99 % confidence interval of the ratio lies entirely outside ±1 %.

    Parameters
    ----------
    variants : sequence of str or Variant, optional
        Names of allocators, or `Variant` with settings; the first is the baseline. By default all allocators
        that are installed.
    works : sequence of str or Work
        Names of workloads or datasets, or paths of traces. A trace is replayed once.
    rounds : int
        With fewer than 8 there is no verdict.
    looks : int
        Number of analyses, the last one included; the comparison stops once every verdict is decided.
    seconds, operations : optional
        Length of a run; 1 s by default.
    threads : int, optional
        Each workload's own number by default.
    seed : int
        Seed of the first round's runs; round k has seed + k.
    parameters : mapping of str to float, optional
        Parameters of the workloads.
    latency : bool
        Whether single calls are timed as well, in runs of their own.
    order_seed : int
        Seed of the random order.
    output : path, optional
        Folder that keeps the results; the same call goes on where it was interrupted.
    command, command_name : str or sequence of str
        Programs to run in this folder, and what they are called.
    shell, prepare, warmup, timeout_s, ignore_failure, any_output : optional
        As the options of `workbench compare --command`.
    figures : sequence of str or Figure
        Numbers in a command's output, "NAME:UNIT,higher=regex:PATTERN" for instance.
    environment : mapping of str to str, optional
        Variables for the commands and the server.
    server, ready, stop, ready_timeout_s, preload_client : optional
        As the options of `workbench compare --server`: what the commands are clients of.

    Raises
    ------
    WrongPlan, OutOfRange, UnknownWorkload, UnknownDataset, MissingAllocator, UnknownTunable, ConstraintBroken
        If it cannot be run. Nothing has run then.
    WrongResults, MixedResults
        If the folder holds results of another plan, machine or build.

    Examples
    --------
    >>> wb.compare(["glibc", "hakmem"], works=["random_mixed"], rounds=20)
    >>> wb.compare(["glibc", "hakmem"], command="./build.sh", warmup=1)
    """
    if variants is None:
        variants = [allocator.name for allocator in allocators() if allocator.available]
    commands = [command] if isinstance(command, str) else command
    programs = make_programs(
        commands,
        [command_name] if isinstance(command_name, str) else command_name,
        by_shell=shell,
        prepare=prepare,
        timeout_s=timeout_s,
        figures=figures,
        ignore_failure=ignore_failure,
        environment=environment,
        server=server,
        ready=ready,
        stop=stop,
        ready_timeout_s=ready_timeout_s,
        preload_client=preload_client or None,
    )
    made = make_works(works, parameters, threads=threads, seconds=seconds, operations=operations, seed=seed)
    plan = ComparisonPlan(
        (*made, *programs),
        tuple(Variant(one, one) if isinstance(one, str) else one for one in variants),
        rounds,
        looks,
        order_seed,
        latency,
        warmup,
        ends_on_failure=bool(commands) and not ignore_failure,
        compares_output=bool(commands) and not any_output and server is None,
    )
    plan.check()
    with open_results(output) as results:
        return run_rounds(plan, results)


def make_works(
    works: Sequence[str | Work],
    parameters: Mapping[str, float] | None = None,
    *,
    threads: int | None = None,
    seconds: float | None = None,
    operations: int | None = None,
    seed: int = 1,
) -> tuple[Work, ...]:
    """Works by their names: workloads, all of the same length, and traces, each replayed once.

    UnknownDataset if a trace is not there.
    """
    if operations is None and seconds is None:
        seconds = SECONDS
    return tuple(
        work
        if isinstance(work, Work)
        else make_replay(work, seed)
        if find_replayed(work) is not None
        else Work(work, Run(work, parameters or {}, threads, seed, seconds=seconds, operations=operations))
        for work in works
    )


def make_replay(trace: str, seed: int = 1) -> Work:
    """The replay of a dataset, or of a trace by its path."""
    return Work(Path(trace).stem, Run(REPLAY, trace=trace, seed=seed))


def run_rounds(plan: ComparisonPlan, results: Results, title: str = "") -> Comparison:
    """Run what is missing of a comparison, with a bar.

    An interrupt leaves it with KeyboardInterrupt; `conclude` tells what the results so far say.
    """
    run_ids = {cell.run.resolve().id for cell in plan.list_cells()}
    done = len(results.ids & run_ids)
    total = len(run_ids) + len(list_warmup(plan, results))
    title = title or f"{len(plan.works)} workloads, {len(plan.variants)} variants, {plan.rounds} rounds"
    with show_progress(title, total, done) as advance:
        return run_comparison(plan, results, advance)


@checks_arguments
def plan_sweep(
    works: Sequence[str | Work],
    axes: Mapping[str, Axis],
    *,
    rounds: int = 1,
    seconds: float | None = None,
    operations: int | None = None,
    threads: int | None = None,
    seed: int = 1,
    parameters: Mapping[str, float] | None = None,
) -> Plan:
    """Plan a sweep: every combination of the axes' values, on each of the works.

    Parameters
    ----------
    works : sequence of str
        As in `compare`.
    axes : mapping of str to sequence
        Values by the name of a tunable, of a parameter (`parameter.NAME`), or of threads, seed, allocator.
    rounds : int
        Repeats of each combination; round k has seed + k.
    seconds, operations, threads, seed, parameters : optional
        As in `compare`.

    Raises
    ------
    WrongPlan
        With every value that is wrong, and its range.
    """
    made = make_works(works, parameters, threads=threads, seconds=seconds, operations=operations, seed=seed)
    return Plan.from_grid([work.run for work in made], axes, rounds)


@checks_arguments
def sweep(
    plan: Plan | str | os.PathLike[str], *, order_seed: int = 1, output: str | os.PathLike[str] | None = None
) -> Results:
    """Run what is missing of a sweep, in random order.

    Parameters
    ----------
    plan : Plan or path
        From `plan_sweep`, or a TOML file (docs/experiments.md).
    order_seed : int
        Seed of the random order.
    output : path, optional
        Folder that keeps the results; the same call goes on where it was interrupted. PLAN.results beside
        the file of a plan by default; a plan made in Python keeps none by default.

    Returns
    -------
    Results
        `to_frame` has a row a run.

    Raises
    ------
    WrongPlan, WrongResults
        If the plan or the folder cannot be used.
    """
    if not isinstance(plan, Plan):
        output = Path(plan).with_suffix(".results") if output is None else output
        plan = read_sweep_plan(plan)
    with open_results(output) as results:
        done = sum(run.resolve().id in results.ids for run in plan.runs)
        with show_progress(f"{len(plan)} runs", len(plan), done) as advance:
            run_sweep(plan, results, advance, order_seed=order_seed)
        return results


@checks_arguments
def verify(
    path: str | os.PathLike[str],
    *,
    target: int | str | Group | None = None,
    probes: Sequence[Probe] = (),
    rounds: int | None = None,
    full: bool = False,
    same_seeds: bool = False,
    output: str | os.PathLike[str] | None = None,
    run_commands: bool = False,
) -> Verification | LiveVerification:
    """Run the claim of an exported settings file again, and say what is left of it.

    Parameters
    ----------
    path : path
        A file that `export_settings` wrote of a comparison or of a live experiment.
    target : int, str or Group, optional
        For a live experiment: the pid or group on which it is run again, with the plan of the claim.
    probes : sequence of Probe
        For a live experiment: its Python functions, of which the file holds the names only.
    rounds : int, optional
        10 by default; with `full` as many as the claim was made with.
    full : bool
    same_seeds : bool
        Whether to use the seeds of the claim; by default seeds that it has not seen.
    output : path, optional
        Folder that keeps the results; the same call goes on where it was interrupted.
    run_commands : bool
        Whether the commands that the file names, as programs or probes, may run: it must be trusted.

    Raises
    ------
    BadParameter
        If the file has no evidence, or the claim cannot be tried here: with the reasons.
    DamagedEvidence
        If the file was changed.
    """
    if target is not None:
        return repeat_experiment(
            path, target, probes=probes, same_seeds=same_seeds, run_commands=run_commands, output=output
        )
    evidence, obstacles, differences = read_claim(path, run_commands=run_commands)
    if obstacles:
        raise BadParameter(f"{path}: the claim cannot be tried here: {'; '.join(obstacles)}")
    plan = plan_verification(evidence, "full" if full else "quick", rounds=rounds, keeps_seeds=same_seeds)
    with open_results(output) as results:
        comparison = run_rounds(plan, results, f"{path}, {plan.rounds} rounds")
    return judge_claims(evidence, comparison, tuple(differences))


def read_claim(
    path: str | os.PathLike[str], *, run_commands: bool = False
) -> tuple[Evidence, list[str], list[str]]:
    """The evidence of an exported file, checked; all for which it cannot be tried here; what differs here.

    BadParameter if the file has no evidence, or that of a live experiment, which needs a running process;
    DamagedEvidence if it was changed.
    """
    evidence = read_evidence(path)
    if evidence is None:
        raise BadParameter(
            f"{path}: it carries no evidence; `workbench compare ... --export FILE` writes files that do"
        )
    if isinstance(evidence, LiveEvidence):
        raise BadParameter(evidence.describe_repetition(path))
    obstacles = find_obstacles(evidence)
    if not obstacles and not run_commands:
        commands = dict.fromkeys(
            shlex.join([*(f"{name}={text}" for name, text in work.run.environment.items()), *words])
            for work in evidence.comparison_plan.works
            for words in work.run.list_commands()
        )
        if commands:
            obstacles = [
                f"it runs `{'`, `'.join(commands)}`; if you trust the file, allow it (--run-commands)"
            ]
    if not obstacles:
        try:
            evidence.check_settings(read_defaults(path).values)
        except DamagedEvidence as error:
            raise DamagedEvidence(f"{path}: {error}") from None
    return evidence, obstacles, find_other_toml(path, evidence) + find_differences(evidence)
