"""The errors of the workbench: each is one clear line that names the thing, the value and the remedy."""

# ruff: noqa: N818, the names say what is wrong; "Error" at the end of each would not say more

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WorkbenchError(Exception):
    """Base of all errors that a user can do something about."""


class UnknownTunable(WorkbenchError):
    """No tunable of that name."""


class OutOfRange(WorkbenchError):
    """A value outside its range, or none of its choices."""


class ConstraintBroken(WorkbenchError):
    """Values that are each in range but do not go together."""


class StartOnly(WorkbenchError):
    """A tunable that takes effect at start only."""


class NotDone(WorkbenchError):
    """What was rightly asked for did not come about in time: the work failed, and the input was not wrong."""


class ReadOnlyBlock(WorkbenchError):
    """The process lets others read its control block, not change it."""


class Leased(WorkbenchError):
    """Somebody else holds a lease on the settings of a process, or ours has lapsed."""


class PartlySet(WorkbenchError):
    """Some processes of a group did not take a value; `generation` is that of those that did."""

    def __init__(self, text: str, generation: int = 0) -> None:
        super().__init__(text)
        self.generation = generation


class NoProcess(WorkbenchError):
    """The process does not run, or has no control block."""


class NotPermitted(WorkbenchError):
    """The process belongs to another user."""


class WrongAbi(WorkbenchError):
    """The control block was made by another, incompatible build."""


class DamagedBlock(WorkbenchError):
    """The file is no control block, or not a sound one."""


class UnknownMetric(WorkbenchError):
    """No metric, axis or event of that name."""


class UnknownWorkload(WorkbenchError):
    """No workload of that name."""


class BadParameter(WorkbenchError):
    """An argument that cannot be understood or used."""


class MissingAllocator(WorkbenchError):
    """The allocator's library is not installed."""


class CannotPreload(WorkbenchError):
    """The program ignores LD_PRELOAD."""


class CannotInject(WorkbenchError):
    """The program that runs cannot be made to load the agent."""


class DamagedTrace(WorkbenchError):
    """The file is no trace of allocations, or not a sound one."""


class WrongTraceVersion(WorkbenchError):
    """The trace was written by a workbench whose format this one does not know."""


class UnknownDataset(WorkbenchError):
    """No dataset of that name, or no datasets at all."""


class DamagedDataset(WorkbenchError):
    """A card or scenario that cannot be read, or a dataset that is not what its card says."""


class MissingProgram(WorkbenchError):
    """A program that a scenario runs is not installed."""


class DamagedSession(WorkbenchError):
    """The folder is no recording of a session, or not a sound one."""


class WrongRecordingVersion(WorkbenchError):
    """The recording was written by a workbench whose format this one does not know."""


class WorkerFailed(WorkbenchError):
    """A worker process ended without a result."""


class SchedulerLost(WorkbenchError):
    """The scheduler of a cluster went away while it was in use."""


class MixedResults(WorkbenchError):
    """Results that cannot be compared: of several machines or builds."""


class ProbeFailed(WorkbenchError):
    """A probe gave no figure; the text says why."""


class WrongResults(WorkbenchError):
    """A set of results that cannot be read, or belongs to another plan."""


class DamagedEvidence(WorkbenchError):
    """Evidence that cannot be read, contradicts itself, or does not fit the settings beside it."""


class WrongPlan(WorkbenchError):
    """A plan of runs with something wrong in it."""


# Kinds of names of which there may be many, and the command that lists them.
_LISTS = {
    "allocator": "workbench allocators",
    "dataset": "workbench datasets",
    "metric": "workbench metrics PID",
    "tunable": "workbench tunables",
    "workload": "workbench workloads",
}
_MOST_NAMES_TOLD = 12
# As difflib counts, twice the common letters by all letters: below it two names have little in common.
_NEAR = 0.7
_SHORTEST_PART = 3
_MOST_MEANT = 3


def describe_unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Word the message for a name that does not exist, with the nearest one that does.

    Parameters
    ----------
    what : str
        What the name should have been, such as "tunable".
    name : str
        The name that was given.
    known : iterable of str
        The names there are.
    """
    names = list(known)
    nearest = suggest_nearest(name, names)
    if nearest:
        return f"unknown {what} '{name}': {nearest}"
    if len(names) > _MOST_NAMES_TOLD and what in _LISTS:
        return f"unknown {what} '{name}': `{_LISTS[what]}` lists the {len(names)} there are"
    return f"unknown {what} '{name}': there is {', '.join(names) if names else 'none'}"


def suggest_nearest(name: str, known: Iterable[str]) -> str:
    """Ask whether the nearest name that exists was meant; empty: none is near.

    Near is a name with almost the same letters, or one of the few of which `name` is a part.
    """
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=_NEAR)
    if not nearest and len(name) >= _SHORTEST_PART:
        whole = [each for each in names if name in each]
        nearest = whole if len(whole) <= _MOST_MEANT else []
    return f"did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""
