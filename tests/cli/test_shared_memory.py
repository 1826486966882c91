"""/dev/shm missing, full, read-only or somebody else's: one line with folder, reason and remedy, no hang."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.cli.terminal import WORKBENCH

CAP_S = 120.0

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts another /dev/shm")

_TMPFS = "mount -t tmpfs tmpfs /dev/shm"
CASES = {
    "read-only": (
        "mount -t tmpfs -o ro tmpfs /dev/shm",
        "/dev/shm/hakmem-0 cannot be made: /dev/shm is read-only; remount it",
    ),
    "missing": (
        "mount -t tmpfs -o mode=755 tmpfs /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9",
        "/dev/shm/hakmem-0 cannot be made: /dev/shm does not exist; mount a tmpfs there",
    ),
    "somebody else's": (
        f"{_TMPFS} && mkdir -m 700 /dev/shm/hakmem-0 && chown 61237 /dev/shm/hakmem-0",
        "/dev/shm/hakmem-0 is not a folder of user 0 alone (mode 0700): have it removed",
    ),
    "full": (
        "mount -t tmpfs -o size=64k tmpfs /dev/shm && head -c 64k /dev/zero >/dev/shm/file",
        "/dev/shm/hakmem-0 has no room for the 5.7 MiB that it may take: remove files in /dev/shm",
    ),
}


def run_with(prepare: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A workbench command with another /dev/shm, in a mount namespace of its own."""
    script = f'mount --make-rprivate / && {prepare} && exec "$0" "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(WORKBENCH), *arguments],
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(done.stderr.strip())
    return done


@pytest.mark.parametrize("case", CASES)
def test_a_program_runs_and_it_is_said_why_it_has_no_block(case: str) -> None:
    prepare, reason = CASES[case]
    done = run_with(prepare, "exec", "--", "echo", "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("workbench: echo runs without a control block: ")
    assert reason in line


def test_nothing_is_said_where_no_block_is_wanted() -> None:
    done = run_with(CASES["read-only"][0] + " && export HAKMEM_CONTROL=off", "exec", "--", "echo", "hello")
    assert (done.stdout, done.stderr) == ("hello\n", "")


@pytest.mark.parametrize("allocator", ["hakmem", "glibc"])
@pytest.mark.parametrize("case", ["read-only", "missing", "somebody else's"])
def test_a_run_that_nobody_could_resume_ends_with_the_reason(case: str, allocator: str) -> None:
    prepare, reason = CASES[case]
    done = run_with(prepare, "run", "pair", "--operations", "1000", "--allocator", allocator)
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert allocator in line
    assert reason in line


def test_a_comparison_ends_with_the_reason() -> None:
    prepare, reason = CASES["read-only"]
    words = ["--rounds", "1", "--operations", "1000", "--allocators", "hakmem,glibc"]
    done = run_with(prepare, "compare", "pair", *words)
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert reason in line
