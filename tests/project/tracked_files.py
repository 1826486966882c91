"""The files of the project: those that git tracks, or all files where there is no git.

What is tested is what is committed. Notebooks, datasets and documents are read as git has them (from its
index), for a checkout is also used: JupyterLab saves notebooks with their outputs, datasets are recorded
again. Sources are read from their folders, where only who works on the project changes them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
_SOURCES = ("benchmarks", "native", "scripts", "tests", "workbench")
# What is no part of the project, where git cannot tell.
_NOT_OURS = {"build", "dist", "recordings", "reports", "sessions", "studies", "__pycache__"}
_REGULAR = ("100644", "100755")


@cache
def list_files() -> tuple[Path, ...]:
    """Paths of all project files, relative to the repository."""
    blobs = list_blobs()
    if blobs is None:
        return tuple(sorted(_walk(REPOSITORY)))
    return tuple(path for path in sorted(blobs) if _is_committed(path) or (REPOSITORY / path).is_file())


def read_text(path: Path) -> str | None:
    """Return a project file's text; None for pictures and other binary files."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return None


def read_bytes(path: Path) -> bytes:
    """Return a project file's content: as git has it, if it is no source."""
    blobs = list_blobs()
    if blobs is None or not _is_committed(path):
        return (REPOSITORY / path).read_bytes()
    return _read_blobs()[blobs[path]]


def write_committed(folder: str, target: Path) -> None:
    """Write the project's files below a folder to another place, as they are committed."""
    for path in list_files():
        if path.is_relative_to(folder):
            written = target / path.relative_to(folder)
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(read_bytes(path))


@cache
def list_blobs() -> dict[Path, str] | None:
    """Names of the contents in git's index, by path; None if this is no checkout or git is not there."""
    try:
        top = _ask_git("rev-parse", "--show-toplevel").decode().rstrip("\n")
        listing = _ask_git("ls-files", "--stage", "-z")
    except (OSError, subprocess.CalledProcessError):
        return None
    if Path(top) != REPOSITORY:  # unpacked inside somebody else's
        return None
    found = {}
    for entry in filter(None, listing.split(b"\0")):
        facts, _, name = entry.partition(b"\t")
        mode, digest, _ = facts.decode().split()
        if mode in _REGULAR:
            found[Path(os.fsdecode(name))] = digest
    return found


def _is_committed(path: Path) -> bool:
    return path.parts[0] not in _SOURCES


@cache
def _read_blobs() -> dict[str, bytes]:
    """Contents of all files that are read from git."""
    digests = sorted({digest for path, digest in (list_blobs() or {}).items() if _is_committed(path)})
    output = _ask_git("cat-file", "--batch", questions="".join(f"{digest}\n" for digest in digests))
    found = {}
    position = 0
    for digest in digests:
        end = output.index(b"\n", position)
        size = int(output[position:end].split()[2])
        found[digest] = output[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
    return found


def _ask_git(*words: str, questions: str = "") -> bytes:
    return subprocess.run(
        ["git", *words], cwd=REPOSITORY, input=questions.encode(), check=True, capture_output=True
    ).stdout


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path.name not in _NOT_OURS and (not path.name.startswith(".") or path.name == ".ci"):
                yield from _walk(path)
        elif path.is_file():
            yield path.relative_to(REPOSITORY)
