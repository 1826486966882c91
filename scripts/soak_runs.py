"""What the rows of `make soak` have in common: commands with a log and a time limit, the preload."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.allocators import run_environment
from workbench.processes import preload_environment

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / "build"
LOGS = BUILD / "soak"


class NotKept(Exception):  # noqa: N818 (a word like those of workbench.errors)
    """A row's promise was not kept; the message says how."""


def run_logged(
    name: str,
    command: Sequence[str | Path],
    cap_s: float,
    environment: Mapping[str, str] | None = None,
    *,
    folder: Path = REPOSITORY,
    may_fail: bool = False,
) -> str:
    """What a command printed, run in the folder, also kept in the row's log.

    Raises
    ------
    NotKept
        If its status is not 0 (unless it may fail), or it took too long.
    """
    base = {key: value for key, value in os.environ.items() if not key.startswith("HAKMEM_")}
    words = [str(word) for word in command]
    with (LOGS / f"{name}.log").open("a", encoding="utf-8") as log:
        print("$", *words, file=log, flush=True)
        try:
            done = subprocess.run(
                words,
                env=base | dict(environment or {}),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=cap_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotKept(f"{Path(words[0]).name} did not end in {cap_s:.0f} s") from None
        log.write(done.stdout)
    if done.returncode != 0 and not may_fail:
        last = (done.stdout.strip().splitlines() or [""])[-1]
        raise NotKept(f"{Path(words[0]).name} ended with status {done.returncode}: {last[:200]}")
    return done.stdout


def preloaded(settings: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The environment of a program under the allocator."""
    return dict(preload_environment(dict(settings or {}), run_environment(None)))
