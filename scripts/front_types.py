"""Writes the panel's messages as declarations of TypeScript, for the check of the front end.

.venv/bin/python -m scripts.front_types FILE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import get_args

from msgspec import inspect

from workbench.panel.actions import Actions
from workbench.panel.experimenter import Experimenter
from workbench.panel.probes import ProbeDesk
from workbench.panel.protocol import FromKernel
from workbench.panel.pump import Pump
from workbench.panel.requests import RequestTable
from workbench.panel.session import LiveSession
from workbench.panel.settings import SettingsDesk
from workbench.panel.tuner import Tuner

PLAIN = {
    inspect.StrType: "string",
    inspect.BoolType: "boolean",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.NoneType: "null",
}


class Declarations:
    """Interfaces by name, in the order in which they are first used."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def name(self, described: inspect.Type) -> str:
        """How TypeScript calls a type; declares it if it has fields."""
        match described:
            case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
                self._declare(described)
                return described.cls.__name__
            case inspect.LiteralType(values=values):
                return " | ".join(json.dumps(value) for value in values)
            case inspect.UnionType(types=types):
                return " | ".join(dict.fromkeys(self.name(one) for one in types))
            case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
                return f"({self.name(item)})[]"
            case inspect.TupleType(item_types=items):
                return f"[{', '.join(self.name(item) for item in items)}]"
            case inspect.DictType(value_type=value):
                return f"{{ [key: string]: {self.name(value)} }}"
        return PLAIN[type(described)]

    def _declare(self, described: inspect.StructType | inspect.DataclassType | inspect.TypedDictType) -> None:
        name = described.cls.__name__
        if name in self.texts:
            return
        self.texts[name] = ""
        tag = getattr(described, "tag", None)
        lines = [f"  type: {json.dumps(tag)};\n"] if tag else []
        # The kernel sends all fields of a value; what a page sends may leave those with a default out.
        may_lack = tag is not None or isinstance(described, inspect.TypedDictType)
        for field in described.fields:
            mark = "?" if may_lack and not field.required else ""
            lines.append(f"  {field.encode_name}{mark}: {self.name(field.type)};\n")
        self.texts[name] = f"export interface {name} {{\n{''.join(lines)}}}\n"


def write_declarations() -> str:
    """Both directions, as one module of TypeScript."""
    declarations = Declarations()
    requests = RequestTable(Pump, LiveSession, SettingsDesk, ProbeDesk, Actions, Tuner, Experimenter)
    for name, members in (("Request", requests.types), ("FromKernel", get_args(FromKernel))):
        names = [declarations.name(inspect.type_info(member)) for member in members]
        declarations.texts[name] = f"export type {name} = {' | '.join(names)};\n"
    return "\n".join(declarations.texts.values())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(write_declarations(), encoding="utf-8")
