"""What is wrong in a file is said by file, line and name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench.allocators import Allocator
from workbench.errors import BadParameter, OutOfRange, UnknownTunable, WorkbenchError
from workbench.export import read_defaults, render_defaults, write_defaults

CASES = [
    ("a.env", "HAKMEM_POND_DEPHT_PERCENT=1\n", UnknownTunable, ["line 1", "HAKMEM_POND_DEPTH_PERCENT"]),
    ("a.env", "\nHAKMEM_POND_DEPTH_PERCENT=100\n", OutOfRange, ["line 2", "pond.depth_percent", "100", "99"]),
    ("a.env", "HAKMEM_POND_DEPTH_PERCENT\n", BadParameter, ["line 1", "NAME=value"]),
    ("a.env", "HAKMEM_POND_COLOUR=red\n", WorkbenchError, ["pond.colour", "red", "green"]),
    ("a.env", "HAKMEM_POND_COLOUR='red\n", BadParameter, ["line 1"]),
    ("a.env", "HAKMEM_POND_COLOUR=red wine\n", BadParameter, ["line 1", "quote"]),
    ("a.env", "HAKMEM_POND_LOAD=\n", WorkbenchError, ["pond.load"]),
    ("a.toml", '[tunables]\n"pond.dept_percent" = 1\n', UnknownTunable, ["pond.depth_percent"]),
    ("a.toml", '[tunables]\n"pond.load" = 9.5\n', OutOfRange, ["pond.load", "9.5", "4"]),
    ("a.toml", '[tunables]\n"pond.load" = nan\n', WorkbenchError, ["pond.load"]),
    ("a.toml", '[tunables]\n"pond.load" = [1]\n', BadParameter, ["pond.load"]),
    ("a.toml", "[tunables]\nx\n", BadParameter, ["not TOML", "line 2"]),
    ("a.toml", "[ponds]\nx = 1\n", BadParameter, ["ponds", "[tunables]"]),
    ("a.toml", "tunables = 1\n", BadParameter, ["[tunables]"]),
    ("a.h", "#define HAK_DEFAULT_pond_lode 1\n", UnknownTunable, ["line 1", "HAK_DEFAULT_pond_load"]),
    ("a.h", "/*\n*/\n#define HAK_DEFAULT_pond_load 5\n", OutOfRange, ["line 3", "pond.load", "4"]),
    ("a.h", "#define HAK_DEFAULT_pond_colour 3\n", OutOfRange, ["pond.colour", "2 = brown"]),
    ("a.h", "#define HAK_DEFAULT_pond_colour brown\n", OutOfRange, ["pond.colour", "brown"]),
    ("a.h", "#define HAK_DEFAULT_pond_load 1\n#define HAK_DEFAULT_pond_load 2\n", BadParameter, ["line 2"]),
    ("a.h", "int x;\n", BadParameter, ["line 1", "int x;"]),
    ("a.txt", "", BadParameter, ["a.txt"]),
    ("a.txt", "hello\n", BadParameter, ["a.txt"]),
]


@pytest.mark.parametrize(("name", "text", "expected", "said"), CASES)
def test_is_said(
    tmp_path: Path,
    allocator: Allocator,
    name: str,
    text: str,
    expected: type[WorkbenchError],
    said: list[str],
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(expected) as caught:
        read_defaults(path, allocator=allocator)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for words in said:
        assert words in message


def test_everything_wrong_is_said_at_once(tmp_path: Path, allocator: Allocator) -> None:
    path = tmp_path / "a.env"
    path.write_text("HAKMEM_POND_DEPHT_PERCENT=1\nHAKMEM_POND_LOAD=5\nHAKMEM_POND_FROZEN=1\n")
    with pytest.raises(UnknownTunable, match=r"line 1.*DEPHT.*line 2.*pond\.load"):
        read_defaults(path, allocator=allocator)


def test_file_that_is_none(tmp_path: Path, allocator: Allocator) -> None:
    with pytest.raises(BadParameter, match=r"gone\.env: No such file"):
        read_defaults(tmp_path / "gone.env", allocator=allocator)
    with pytest.raises(BadParameter, match="directory"):
        read_defaults(tmp_path, allocator=allocator)
    (tmp_path / "a.env").write_bytes(os.urandom(8) + b"\xff\xfe\x00")
    with pytest.raises(BadParameter, match="not a text file"):
        read_defaults(tmp_path / "a.env", allocator=allocator)


def test_what_people_write_is_understood(tmp_path: Path, allocator: Allocator) -> None:
    path = tmp_path / "mine"
    path.write_text(
        "; mine\n\n  export HAKMEM_POND_BYTES='1MiB'\nHAKMEM_POND_FROZEN=on\nHAKMEM_POND_FROZEN=off\n"
    )
    assert read_defaults(path, allocator=allocator).values == {"pond.bytes": 2**20, "pond.frozen": False}
    path.write_text('[tunables]\npond.bytes = 4096\npond.frozen = true\npond.colour = "green"\n')
    expected = {"pond.bytes": 4096, "pond.frozen": True, "pond.colour": "green"}
    assert read_defaults(path, allocator=allocator).values == expected
    path.write_text("#define HAK_DEFAULT_pond_depth_percent (-1) // never\n")
    assert read_defaults(path, allocator=allocator).values == {"pond.depth_percent": -1}


def test_writing_is_checked(tmp_path: Path, allocator: Allocator) -> None:
    with pytest.raises(UnknownTunable, match=r"pond\.lode.*pond\.load"):
        write_defaults(tmp_path / "a", "env", {"pond.lode": 1.0}, {}, allocator=allocator)
    with pytest.raises(BadParameter, match=r"yaml.*env, toml, header"):
        render_defaults("yaml", {}, {}, allocator)
    with pytest.raises(BadParameter, match="no such folder"):
        write_defaults(tmp_path / "gone" / "a", "env", {}, {}, allocator=allocator)
