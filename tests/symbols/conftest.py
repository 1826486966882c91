"""A small program, built in several ways."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = """
namespace shop {
__attribute__((noinline)) int add(int one, int other)
{
    return one + other; // line 5
}
}
int main(int count, char **) { return shop::add(count, -count); }
"""
LINE = 5
Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Build the program with options of the compiler; each call makes another file."""
    source = tmp_path / "shop.cpp"
    source.write_text(SOURCE)

    def build(*options: str) -> Path:
        path = tmp_path / f"shop{len(list(tmp_path.iterdir()))}"
        command = ["g++", "-O1", "-Wl,--build-id", *options, "-o", str(path), str(source)]
        subprocess.run(command, check=True, capture_output=True)
        return path

    return build


def find_offset(path: Path, symbol: str = "shop3add") -> int:
    """Where `shop::add`, or another function, lies from the file's first byte in memory."""
    lines = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout.splitlines(
        keepends=True
    )
    address = next(int(line.split()[0], 16) for line in lines if symbol in line)
    headers = subprocess.run(["readelf", "-lW", path], check=True, capture_output=True, text=True).stdout
    first = next(line.split() for line in headers.splitlines() if line.strip().startswith("LOAD"))
    return address - int(first[2], 16)
