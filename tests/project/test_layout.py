"""layout.ld names only what is there: a function that is renamed would move silently."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

NATIVE = Path(__file__).resolve().parents[2] / "native"
SCRIPT = (NATIVE / "layout.ld").read_text(encoding="utf-8")


def test_each_function_that_it_names_exists() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in NATIVE.rglob("*.[ch]"))
    lines = "\n".join(re.findall(r"^ +\*.*", SCRIPT, flags=re.MULTILINE))
    names = set(re.findall(r"\.text\.(?:unlikely\.)?(\w+)(?=[ )])", lines)) - {"unlikely"}
    assert len(names) > 20
    assert [name for name in names if not re.search(rf"\b{name}\(", sources)] == []


def test_each_variable_that_it_names_exists() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in NATIVE.rglob("*.c"))
    names = re.findall(r"\.bss\.(\w+)(?=[ )])", "\n".join(re.findall(r"^ +\*.*", SCRIPT, flags=re.MULTILINE)))
    assert len(names) > 10
    assert [name for name in names if not re.search(rf"[ *]{name}(\[|;)", sources)] == []


def test_each_file_that_it_names_exists() -> None:
    names = re.findall(r"\*(\S+)\.c\.o\(", SCRIPT)
    assert len(names) > 10
    paths = [str(path.relative_to(NATIVE)) for path in NATIVE.rglob("*.c")]
    assert [name for name in names if not fnmatch.filter(paths, f"*{name}.c")] == []
