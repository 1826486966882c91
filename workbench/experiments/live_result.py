"""A live experiment as it was declared, and what came of it: values that are kept in a folder."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

from workbench.control import Value
from workbench.display import Displayed
from workbench.errors import BadParameter, WrongPlan, WrongResults
from workbench.experiments.inference import FloatArray
from workbench.experiments.switchback import Arm, Design, Effect, judge_blocks
from workbench.plain_values import read_value
from workbench.probes import Probe
from workbench.probes.probe import Better
from workbench.table import Table
from workbench.units import format_rough

if TYPE_CHECKING:
    import pandas as pd

_FILE = "experiment.json"
#: Why it ended, after Ctrl-C.
INTERRUPTED = "ended by Ctrl-C"
#: How the reason begins for which it ended at a look.
ALL_TOLD = "all was told"
_GUARD = re.compile(r"\s*(?P<probe>[\w.-]+)\s*(?P<sign>[<>])\s*(?P<limit>[-+\d.eE]+)\s*")
Kind = TypeVar("Kind")

#: Readings that a block must have room for, behind its wash-out: a rate is between two of them.
LEAST_READINGS = 3
# A block that is longer by so much, and by such a share, is not what was planned.
_LATE_S, _LATE_SHARE = 1.0, 0.1


class Guard(msgspec.Struct, frozen=True):
    """A condition that a probe must fulfil all the time, such as "errors < 5"."""

    probe: str
    is_below: bool
    limit: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it; BadParameter with an example if it is none."""
        match = _GUARD.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            return cls(match["probe"], match["sign"] == "<", float(match["limit"]))
        except ValueError:
            raise BadParameter(f"guard '{text}': give PROBE<LIMIT or PROBE>LIMIT, as in errors<5") from None

    def is_kept(self, value: float) -> bool:
        """Whether a value fulfils it."""
        return value < self.limit if self.is_below else value > self.limit

    def __str__(self) -> str:
        return f"{self.probe}{'<' if self.is_below else '>'}{self.limit:g}"


class LivePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A live experiment as it is declared before it begins.

    Parameters
    ----------
    a, b : mapping of str to Value
        The two settings, of the same tunables; the process goes back to A.
    blocks, looks, seed : int
        As in `Design`.
    block_s : float
        Length of a block, with its wash-out.
    wash_out_s : float
        The first part of a block, which is not measured.
    probes : tuple of str
        What is judged, as it is given on a command line.
    guards : tuple of str
        What ends the experiment at once, such as "errors<5".
    period_s : float or None
        Time between two readings of a probe; None: each probe's own.
    """

    a: Mapping[str, Value]
    b: Mapping[str, Value]
    blocks: int
    block_s: float = 20.0
    wash_out_s: float = 2.0
    looks: int = 1
    seed: int = 1
    probes: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    period_s: float | None = None

    @property
    def design(self) -> Design:
        """How the two settings alternate."""
        return Design(self.blocks, self.looks, self.seed)

    @property
    def total_s(self) -> float:
        """Length of all blocks."""
        return self.blocks * self.block_s

    def is_overlong(self, length_s: float) -> bool:
        """Whether a block of this length took far longer than planned."""
        return length_s - self.block_s > max(_LATE_S, _LATE_SHARE * self.block_s)

    def describe(self) -> str:
        """Both settings in words."""
        return f"{spell_settings(self.b)} (B) against {spell_settings(self.a)} (A)"

    def check(self, probes: Mapping[str, Probe]) -> None:
        """See whether it can lead to a verdict.

        Raises
        ------
        WrongPlan, OutOfRange, BadParameter
            With what is wrong.
        """
        self.design.check()
        if not probes:
            raise WrongPlan("an experiment needs a probe: say what is to be judged")
        if self.a.keys() != self.b.keys() or not self.a:
            raise WrongPlan("A and B need values of the same tunables, at least one")
        if not 0 <= self.wash_out_s < self.block_s:
            raise WrongPlan(
                f"a wash-out of {self.wash_out_s:g} s leaves nothing of blocks of {self.block_s:g} s"
            )
        for probe in probes.values():
            least_s = self.wash_out_s + LEAST_READINGS * probe.period_s
            if self.block_s < least_s:
                raise WrongPlan(
                    f"probe {probe.name} is read every {probe.period_s:g} s: give blocks of at least "
                    f"{least_s:g} s, with their wash-out of {self.wash_out_s:g} s"
                )


class JudgedProbe(msgspec.Struct, frozen=True):
    """A probe as a result remembers it; `unit` is that of what is shown."""

    name: str
    unit: str
    better: Better = ""


class TimeBlock(msgspec.Struct, frozen=True):
    """One block of time.

    Parameters
    ----------
    began_s : float
        Since the experiment began.
    values : mapping of str to float or None
        What each probe showed behind the wash-out: the mean of a gauge, the rate of a counter.
    length_s : float
        How long it took, with the time in which the machine slept; 0 where an earlier version did not tell.
    """

    arm: Arm
    began_s: float
    values: Mapping[str, float | None]
    length_s: float = 0.0


@dataclass(frozen=True, repr=False)
class LiveResult(Displayed):
    """What came of a live experiment.

    Parameters
    ----------
    target, kind, build : str
        The process or group, its allocator, and how that was built.
    machine, software, date : str
        Where and when it was, in a line each.
    time_blocks : tuple of TimeBlock
        Those that were measured to their end.
    ended : str
        Why it ended before its last block; empty if it did not.
    restored : str
        What it left behind.
    """

    plan: LivePlan
    target: str
    kind: str
    build: str
    machine: str
    software: str
    date: str
    judged: tuple[JudgedProbe, ...]
    time_blocks: tuple[TimeBlock, ...] = ()
    ended: str = ""
    restored: str = ""

    @property
    def pairs(self) -> int:
        """Complete pairs of blocks."""
        return len(self.time_blocks) // 2

    @property
    def is_whole(self) -> bool:
        """Whether it came to a declared end."""
        return not self.ended or self.ended.startswith(ALL_TOLD)

    @property
    def risk(self) -> float | None:
        """Risk of a wrong verdict that is due now; None if no verdict was declared for now."""
        return self.plan.design.find_risk(self.pairs)

    @property
    def overlong(self) -> list[str]:
        """A line for each block that took far longer than planned, and is not judged."""
        return [
            f"block {number} took {block.length_s:.1f} s in place of {self.plan.block_s:g} s, as if the "
            "machine had slept or its clock had jumped: it is not judged"
            for number, block in enumerate(self.time_blocks, 1)
            if self.plan.is_overlong(block.length_s)
        ]

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.ended == INTERRUPTED

    def levels(self, probe: str) -> FloatArray:
        """A figure in each block, NaN where it was not measured."""
        import numpy as np

        return np.array(
            [math.nan if (one := block.values.get(probe)) is None else one for block in self.time_blocks]
        )

    @property
    def effects(self) -> dict[str, Effect]:
        """What B does, by probe."""
        arms: list[Arm] = [block.arm for block in self.time_blocks]
        return {
            probe.name: judge_blocks(
                self.levels(probe.name),
                arms,
                is_higher_better=probe.better != "lower",
                is_memory=probe.unit == "bytes",
                risk=self.risk,
            )
            for probe in self.judged
        }

    def describe(self, probe: JudgedProbe, effect: Effect) -> str:
        """An effect's verdict in plain words; "higher" and "lower" where nobody said what is better."""
        if self.risk is None:
            return "no verdict before the declared blocks"
        words = effect.describe()
        return words if probe.better else {"better": "higher", "worse": "lower"}.get(words, words)

    def word_effect(self, probe: JudgedProbe, effect: Effect) -> str:
        """Ratio, interval and verdict in one line."""
        ratio = effect.ratio
        interval = f"B / A {ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f}), " if ratio.low else ""
        return interval + self.describe(probe, effect)

    def to_table(self) -> Table:
        """A row a probe."""
        import numpy as np

        rows = []
        for probe, effect in zip(self.judged, self.effects.values(), strict=True):
            levels = self.levels(probe.name)
            sides = [
                [
                    level
                    for level, block in zip(levels, self.time_blocks, strict=True)
                    if block.arm == arm and np.isfinite(level)
                ]
                for arm in ("A", "B")
            ]
            medians = [format_rough(float(np.median(side)), probe.unit) if side else "–" for side in sides]
            ratio = effect.ratio
            interval = f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})" if ratio.low else "–"
            rows.append((probe.name, *medians, interval, self.describe(probe, effect)))
        notes = [*self.overlong, *([self.ended] if self.ended else [])]
        return Table(
            ("probe", "A", "B", "B / A, 95 % interval", "verdict"),
            rows,
            right=("A", "B"),
            wrapped=("verdict",),
            caption=f"{self.target}: {self.plan.describe()}, "
            f"{len(self.time_blocks)} of {self.plan.blocks} blocks of {self.plan.block_s:g} s",
            notes=[*notes, *([self.restored] if self.restored else [])],
        )

    def to_frame(self) -> pd.DataFrame:
        """A row a block; a column for each probe, in its unit."""
        import pandas as pd

        return pd.DataFrame(
            {"block": number, "arm": block.arm, "began_s": block.began_s, **block.values}
            for number, block in enumerate(self.time_blocks, 1)
        )

    def __repr__(self) -> str:
        told = ", ".join(
            f"{probe.name} {self.describe(probe, effect)}"
            for probe, effect in zip(self.judged, self.effects.values(), strict=True)
        )
        return f"<LiveResult of {self.target}, {len(self.time_blocks)} of {self.plan.blocks} blocks: {told}>"

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write it into a folder; what was there is replaced as a whole."""
        save_value(self, Path(folder) / _FILE)

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self:
        """Read it from its folder; WrongResults if there is none."""
        return read_saved(cls, Path(folder) / _FILE, "live experiment")


def save_value(value: object, path: Path) -> None:
    """Write a typed value as JSON; a file that is there is replaced as a whole, and a folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
    new.replace(path)


def read_saved(kind: type[Kind], path: Path, what: str) -> Kind:
    """Read what `save_value` wrote; WrongResults if there is no such thing."""
    if not path.exists():
        wrong = f"it holds no {what}" if path.parent.is_dir() else "there is no such folder"
        raise WrongResults(f"{path.parent}: {wrong}; give the --output of a {what}")
    try:
        return read_value(kind, msgspec.json.decode(path.read_bytes()), what)
    except (OSError, msgspec.MsgspecError, BadParameter) as error:
        raise WrongResults(f"{path}: it is no {what} ({error})") from None


def spell_settings(settings: Mapping[str, Value]) -> str:
    """Write "NAME=60, NAME=512"."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())
