"""The environment file in the hands of those who will read it: shells and systemd."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from workbench.allocators import Allocator
from workbench.control import Value
from workbench.export import write_defaults

EXPECTED = {
    "HAKMEM_POND_DEPTH_PERCENT": "-1",
    "HAKMEM_POND_BYTES": str(2**40),
    "HAKMEM_POND_LOAD": "0.00001",
    "HAKMEM_POND_FROZEN": "1",
    "HAKMEM_POND_COLOUR": "brown",
}


@pytest.fixture
def path(
    tmp_path: Path,
    allocator: Allocator,
    values: Mapping[str, Value],
    provenance: Mapping[str, str],
) -> Path:
    file = tmp_path / "tuned.env"
    write_defaults(file, "env", values, provenance, allocator=allocator)
    return file


def read_as_systemd(text: str) -> dict[str, str]:
    """As systemd.exec(5) says of EnvironmentFile=: comments start with # or ;, a backslash at the end
    of a line joins the next one, quotes are taken off, nothing is expanded."""
    found = {}
    for line in re.sub(r"\\\n", "", text).split("\n"):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        name, sign, value = stripped.partition("=")
        assert sign and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name), line
        found[name] = value.strip("'\"")
    return found


def test_systemd_reads_it(path: Path) -> None:
    assert read_as_systemd(path.read_text(encoding="utf-8")) == EXPECTED


def test_shell_exports_it(path: Path) -> None:
    done = subprocess.run(
        ["sh", "-euc", 'set -a; . "$1"; exec env', "sh", path],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        check=True,
    )
    assert done.stderr == ""
    seen = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert {name: text for name, text in seen.items() if name.startswith("HAKMEM_")} == EXPECTED


def test_shell_sources_it(path: Path) -> None:
    done = subprocess.run(
        ["sh", "-euc", '. "$1"; echo "$HAKMEM_POND_COLOUR"', "sh", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "brown\n"
