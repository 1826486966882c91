"""The evidence for settings that a live experiment tried: its plan, every block of time, and the verdicts.

A file alone can show that the verdicts follow from the blocks. To run the experiment again needs a process.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self

import msgspec

from workbench.allocators import get_allocator, rows, spell
from workbench.control import Value
from workbench.errors import BadParameter, DamagedEvidence, WorkbenchError, WrongResults
from workbench.experiments.live_result import LiveResult
from workbench.export.evidence import refuse_other_settings
from workbench.plain_values import read_value

#: Tells this evidence from that of a comparison.
KIND: Final = "live experiment"
VERSION: Final = 1


@dataclass(frozen=True)
class LiveEvidence:
    """What an exported file says about a live experiment.

    Made by `from_result`; read from a file by `read_evidence`.

    Parameters
    ----------
    verdicts : mapping of str to str
        Ratio, interval and verdict in words, by probe.
    result : LiveResult
        Without its blocks where a file holds the claim alone.
    toml, toml_sha256 : str or None
        Name and hash of the TOML file that holds the whole evidence.
    """

    kind: Literal["live experiment"]
    version: Literal[1]
    verdicts: Mapping[str, str]
    result: LiveResult
    toml: str | None = field(default=None, compare=False)
    toml_sha256: str | None = field(default=None, compare=False)

    @classmethod
    def from_result(cls, result: LiveResult) -> Self:
        """Take the evidence for setting B; WrongResults if the experiment is not at a declared end."""
        if result.risk is None:
            raise WrongResults(
                f"{len(result.time_blocks)} of {result.plan.blocks} blocks are done: there is a verdict, and "
                "evidence, only after the declared ones"
            )
        return cls(KIND, VERSION, _word_verdicts(result), result)

    @property
    def settings(self) -> Mapping[str, Value]:
        """What is exported: setting B."""
        return self.result.plan.b

    @property
    def has_blocks(self) -> bool:
        """Whether the verdicts can be computed again."""
        return bool(self.result.time_blocks)

    @property
    def allocator(self) -> str:
        """Whose settings they are; BadParameter if it is none that the workbench knows."""
        kind = self.result.kind
        names = [row.name for row in rows() if row.kind == kind]
        if not names:
            raise BadParameter(f"the experiment was on {kind}, of which no settings can be exported")
        return names[0]

    @property
    def command(self) -> str:
        """The command that tries it again on a process, which stands in it as PID."""
        plan = self.result.plan
        words = ["workbench", "experiment", "PID"]
        for option, settings in (("--a", plan.a), ("--b", plan.b)):
            words += [word for name, value in settings.items() for word in (option, f"{name}={spell(value)}")]
        words += [word for probe in plan.probes for word in ("--probe", probe)]
        words += [word for guard in plan.guards for word in ("--guard", guard)]
        words += ["--blocks", str(plan.blocks), "--block-seconds", f"{plan.block_s:g}"]
        words += ["--wash-out", f"{plan.wash_out_s:g}", "--looks", str(plan.looks)]
        words += [] if plan.period_s is None else ["--period", f"{plan.period_s:g}"]
        return shlex.join(words)

    def describe_repetition(self, path: str | os.PathLike[str]) -> str:
        """How somebody tries the claim again."""
        again = (
            f"workbench verify {shlex.quote(os.fspath(path))} --pid PID" if self.has_blocks else self.command
        )
        return f"{os.fspath(path)}: its claim is about a running process; to try it again on yours: {again}"

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def shorten(self) -> Self:
        """The claim alone: no blocks."""
        return replace(self, result=replace(self.result, time_blocks=()))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Make it of what `to_dict` gave; DamagedEvidence with the field that is missing or wrong."""
        try:
            return read_value(cls, content, "evidence")
        except BadParameter as error:
            raise DamagedEvidence(f"evidence: {error}") from None

    def check_figures(self) -> None:
        """Compute the verdicts again from the blocks, if there are any; else DamagedEvidence."""
        result = self.result
        if not self.verdicts:
            raise DamagedEvidence("evidence.verdicts: there is none")
        if not self.has_blocks:
            return
        arms = [block.arm for block in result.time_blocks]
        if arms != result.plan.design.arms[: len(arms)] or result.risk is None:
            raise DamagedEvidence(
                "evidence.result: its blocks are not those of its plan, up to a declared end"
            )
        for name, right in _word_verdicts(result).items():
            if self.verdicts.get(name) != right:
                raise DamagedEvidence(
                    f"the verdict about {name} does not follow from its blocks: "
                    f"'{self.verdicts.get(name, '')}' stands there, '{right}' is right"
                )

    def check_settings(self, values: Mapping[str, Value]) -> None:
        """Compare the settings of a file with those tried; DamagedEvidence names each that differs."""
        defaults: Mapping[str, Value] = {}
        with contextlib.suppress(WorkbenchError):  # it is not installed here
            defaults = get_allocator(self.allocator).defaults
        refuse_other_settings(self.settings, values, defaults)


def _word_verdicts(result: LiveResult) -> dict[str, str]:
    return {
        probe.name: result.word_effect(probe, effect)
        for probe, effect in zip(result.judged, result.effects.values(), strict=True)
    }
