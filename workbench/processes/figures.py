"""Figures: numbers that a program tells of itself, or that a probe reads while it runs."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from workbench.errors import BadParameter
from workbench.plain_values import show
from workbench.probes import read_probe

_FORM = re.compile(
    r"(?P<name>[^:,=]+)(:(?P<unit>[^,=]*))?(,(?P<better>higher|lower))?=(?P<kind>regex|json|probe):(?P<where>.+)"
)


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A number in the output of a command, or of a probe; `regex`, `json` or `probe` says where.

    Parameters
    ----------
    name : str
        For people; unique in a comparison.
    unit : str
    better : {"lower", "higher"}
        Which is better.
    regex : str
        The last match counts, or its first group if it has one.
    json : str
        Names and places that lead to it, with points between: "results.0.rate". The output, or its last
        line that is JSON, is read.
    probe : str
        A built-in probe of the program's processes, such as "process.context_switches", or
        NAME:UNIT=SOURCE. The mean of a gauge counts, or how much a counter grew during the run.
    """

    name: str
    unit: str = ""
    better: str = "lower"
    regex: str = ""
    json: str = ""
    probe: str = ""

    @classmethod
    def parse(cls, text: str) -> Figure:
        """Read NAME:UNIT,higher=regex:PATTERN, json:PATH or probe:NAME; unit and what is better may lack.

        BadParameter if it has another form.
        """
        if (found := _FORM.fullmatch(text)) is None:
            raise BadParameter(
                f"'{text}' is not NAME:UNIT,higher=regex:PATTERN, json:PATH or probe:NAME; "
                "higher or lower says which is better"
            )
        words = found.groupdict()
        figure = cls(words["name"], words["unit"] or "", words["better"] or "lower")
        return msgspec.structs.replace(figure, **{words["kind"]: words["where"]})

    def read(self, output: str, probed: Mapping[str, float | str]) -> float:
        """Find it in what a program wrote, or its probe showed; BadParameter if there is no finite number.

        `probed` has a number for each probe, or the reason why there is none.
        """
        value = probed.get(self.name, "") if self.probe else self._find(output)
        if self.probe and isinstance(value, str):
            raise BadParameter(f"figure {self.name}: {value.removeprefix(f'{self.name}: ')}")
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if isinstance(value, bool) or not math.isfinite(number):
            raise BadParameter(f"figure {self.name}: {show(value)} is not a finite number")
        return number

    def _find(self, output: str) -> Any:
        if self.regex:
            matches = list(re.finditer(self.regex, output, re.MULTILINE))
            if not matches:
                raise BadParameter(f"figure {self.name}: nothing in the output matches {show(self.regex)}")
            return matches[-1][1 if matches[-1].re.groups else 0]
        value: Any = _read_json(output)
        for part in self.json.split("."):
            try:
                value = value[int(part) if isinstance(value, list) else part]
            except (LookupError, TypeError, ValueError):
                raise BadParameter(f"figure {self.name}: the output has no {self.json} in JSON") from None
        return value


def check_figures(figures: Iterable[Figure]) -> None:
    """See whether figures make sense together; BadParameter names the one that does not."""
    names = set()
    for one in figures:
        if sum(map(bool, (one.regex, one.json, one.probe))) != 1:
            raise BadParameter(f"figure {one.name}: it needs regex, json or probe, one of them")
        if one.probe:
            read_probe(one.probe, os.getpid())
        if one.better not in ("lower", "higher"):
            raise BadParameter(f"figure {one.name}: better is lower or higher, not {show(one.better)}")
        try:
            re.compile(one.regex)
        except re.error as error:
            raise BadParameter(
                f"figure {one.name}: {show(one.regex)} is no regular expression ({error})"
            ) from None
        if one.name in names:
            raise BadParameter(f"figure {one.name} stands twice; give each a name of its own")
        names.add(one.name)


def _read_json(output: str) -> object:
    """All of it, or the last line that is JSON; None if there is none."""
    for text in (output, *reversed(output.splitlines())):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    return None
