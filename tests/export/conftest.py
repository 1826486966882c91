"""Tunables that no allocator has: the formats must not know any by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from workbench.allocators import Allocator
from workbench.control import ControlBlock, Tunable, Value


def make_tunable(name: str, type_: str, **fields: Any) -> Tunable:
    content: dict[str, Any] = {
        "name": name,
        "group": "Made up",
        "unit": "",
        "help": "0: nothing.",
        "type": type_,
        "choices": (),
        "scale": "linear",
        "effect": "live",
        "minimum": 0.0,
        "maximum": 1.0,
        "default": 0,
        "environment": "HAKMEM_" + name.upper().replace(".", "_"),
    }
    return Tunable(**content | fields)


@pytest.fixture(scope="session")
def tunables() -> Mapping[str, Tunable]:
    made = [
        make_tunable("pond.depth_percent", "int", unit="%", minimum=-1.0, maximum=99.0, default=80),
        make_tunable("pond.bytes", "int", unit="bytes", group="Water", maximum=2.0**40, default=4096),
        make_tunable("pond.load", "real", unit="fish/bucket", minimum=0.0, maximum=4.0, default=0.75),
        make_tunable("pond.frozen", "bool", default=False),
        make_tunable(
            "pond.colour", "choice", maximum=2.0, choices=("blue", "green", "brown"), default="blue"
        ),
    ]
    return {tunable.name: tunable for tunable in made}


@pytest.fixture(scope="session")
def allocator(tunables: Mapping[str, Tunable]) -> Allocator:
    block = SimpleNamespace(tunables=tunables, info=SimpleNamespace(build="9.9 gcc"))
    return Allocator("pond", "pond", macros="HAK_DEFAULT_", _block=cast(ControlBlock, block))


@pytest.fixture
def values() -> Mapping[str, Value]:
    return {
        "pond.depth_percent": -1,
        "pond.bytes": 2**40,
        "pond.load": 0.00001,
        "pond.frozen": True,
        "pond.colour": "brown",
    }


@pytest.fixture
def provenance() -> Mapping[str, str]:
    return {"workload": "larson", "seed": "12345", "process": "*/ /* ??/ odd \\\nHAKMEM_POND_BYTES=1 \u202e"}
