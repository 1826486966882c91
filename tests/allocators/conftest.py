"""A second tunable allocator, built from pond.c, and the row of the table that it needs."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from workbench.allocators import TABLE_VARIABLE, Allocator, get_allocator

NATIVE = Path(__file__).parents[2] / "native"
INCLUDED = ("block", "include", "system", f"processor/{platform.machine()}")
ROW = """
[pond]
kind = "pond"
library = "{library}"
package = "libpond"
variables = ["POND_"]
steady = {{ "pond.fish" = "carp" }}
presets.flood = {{ help = "As deep as can be.", values = {{ "pond.depth" = 64 }} }}
"""


@pytest.fixture(scope="session")
def pond_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, built with the same writer of control blocks as every other."""
    library = tmp_path_factory.mktemp("allocators") / "libpond.so"
    sources = [*NATIVE.glob("block/writer*.c"), *NATIVE.glob("system/*.c")]
    subprocess.run(
        [os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror"]
        + ["-shared", "-fPIC", "-fvisibility=hidden"]
        + [
            f"-I{NATIVE / folder}"
            for folder in ("block", "include", "system", f"processor/{platform.machine()}")
        ]
        + [str(path) for path in (Path(__file__).with_name("pond.c"), *sources)]
        + ["-o", str(library)],
        check=True,
        timeout=60,
    )
    return library


@pytest.fixture
def pond(pond_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Allocator:
    """The allocator, known here and to every command that a test starts."""
    table = tmp_path / "allocators.toml"
    table.write_text(ROW.format(library=pond_library))
    monkeypatch.setenv(TABLE_VARIABLE, str(table))
    return get_allocator("pond")
