"""The header in the hands of a compiler that forgives nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from workbench.allocators import Allocator
from workbench.control import Value
from workbench.export import write_defaults

WARNINGS = ["-Wall", "-Wextra", "-Wundef", "-Wshadow", "-Wcomment", "-Wtrigraphs", "-Werror"]
PROGRAM = """
#include DEFAULTS
#include DEFAULTS
#include <stdio.h>
int main(void)
{
    const double values[] = {HAK_DEFAULT_pond_depth_percent, HAK_DEFAULT_pond_bytes, HAK_DEFAULT_pond_load,
                             HAK_DEFAULT_pond_frozen, HAK_DEFAULT_pond_colour};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
        printf("%.17g\\n", values[i]);
    return 0;
}
"""


@pytest.mark.parametrize("standard", ["c11", "gnu11"])
def test_compiles_and_holds_the_values(
    tmp_path: Path,
    standard: str,
    allocator: Allocator,
    values: Mapping[str, Value],
    provenance: Mapping[str, str],
) -> None:
    write_defaults(tmp_path / "tuned.h", "header", values, provenance, allocator=allocator)
    (tmp_path / "main.c").write_text(PROGRAM)
    subprocess.run(
        ["cc", f"-std={standard}", *WARNINGS, '-DDEFAULTS="tuned.h"', "main.c", "-o", "main"],
        cwd=tmp_path,
        check=True,
    )
    printed = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    assert [float(line) for line in printed.split()] == [-1.0, 2.0**40, 0.00001, 1.0, 2.0]
    assert "#define HAK_DEFAULT_pond_colour 2 /* brown, default blue */" in (tmp_path / "tuned.h").read_text()


def test_values_are_numbers_as_the_allocator_reads_them(
    tmp_path: Path, allocator: Allocator, values: Mapping[str, Value]
) -> None:
    """It reads the text of the macro: digits, a sign, a point; no exponent, no parentheses."""
    write_defaults(tmp_path / "tuned.h", "header", values, {}, allocator=allocator)
    lines = (tmp_path / "tuned.h").read_text().splitlines()
    texts = [line.split()[2] for line in lines if line.startswith("#define HAK_DEFAULT_")]
    assert texts == ["-1", "0.00001", "1", "2", str(2**40)]
