"""The files that belong to the project: what git tracks, or would if it were added."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@cache
def list_files() -> tuple[Path, ...]:
    """Paths of all project files, relative to the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return tuple(Path(name) for name in sorted(listing.split("\0")) if name and (REPOSITORY / name).is_file())


def read_text(path: Path) -> str | None:
    """Return a project file's text; None for pictures and other binary files."""
    try:
        return (REPOSITORY / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
