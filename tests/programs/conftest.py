"""Runs a program without and with hakmem preloaded, each in a folder of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from workbench.allocators import run_environment
from workbench.processes import check_preloadable, preload_environment

CAP_S = 120.0

# A program says the same under another user's settings: only what it needs stands in its environment.
FIXED = {
    "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z",
    "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_AUTHOR_NAME": "Author",
    "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z",
    "GIT_COMMITTER_EMAIL": "author@example.org",
    "GIT_COMMITTER_NAME": "Author",
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONMALLOC": "malloc",
}


@dataclass(frozen=True)
class Finished:
    """What a run left behind."""

    status: int
    stdout: bytes
    stderr: bytes
    files: dict[str, bytes]


def run(command: Sequence[str | Path], folder: Path, stdin: bytes, is_preloaded: bool) -> Finished:
    """Run one command in a new folder, with everything it writes there."""
    folder.mkdir()
    check_preloadable([str(word) for word in command])
    environment = run_environment(None) | FIXED | {"HOME": str(folder), "TMPDIR": str(folder)}
    if is_preloaded:
        environment = preload_environment({}, environment)
    done = subprocess.run(
        command, input=stdin, capture_output=True, timeout=CAP_S, env=environment, cwd=folder, check=False
    )
    kept = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.is_symlink()
    }
    return Finished(done.returncode, done.stdout, done.stderr, kept)


@pytest.fixture
def run_both_ways(tmp_path: Path) -> Callable[..., Finished]:
    """Run a command plainly, then preloaded: status, output, errors and files must be the same."""

    def run_both(*command: str | Path, stdin: bytes = b"") -> Finished:
        count = len(list(tmp_path.glob("plain-*")))
        plain = run(command, tmp_path / f"plain-{count}", stdin, is_preloaded=False)
        preloaded = run(command, tmp_path / f"preloaded-{count}", stdin, is_preloaded=True)
        assert plain.status == 0, plain.stderr.decode(errors="replace")
        assert b"hakmem" not in preloaded.stderr
        assert (preloaded.status, preloaded.stdout, preloaded.stderr) == (
            plain.status,
            plain.stdout,
            plain.stderr,
        )
        assert preloaded.files.keys() == plain.files.keys()
        different = [name for name in plain.files if plain.files[name] != preloaded.files[name]]
        assert different == []
        return preloaded

    return run_both


@pytest.fixture
def run_logged(tmp_path: Path) -> Callable[..., str]:
    """Run a command preloaded with the capacity log on; gives what it wrote to standard error."""

    def run_one(*command: str | Path) -> str:
        environment = preload_environment({"log.capacity": True}, os.environ | FIXED)
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CAP_S,
            env=environment,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr.decode()

    return run_one
