"""Runs the fuzz targets, two at a time, from the kept corpus: `run.py SECONDS [--keep] [TARGET ...]`.

What is found stays in build/fuzz/findings; `--keep` makes the kept corpus anew from all that reached
something, as small as it can be. Called by `make fuzz`, which builds the targets written in C.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from workbench.control import sweep_dead_blocks

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BUILD = REPOSITORY / "build" / "fuzz"
FINDINGS = BUILD / "findings"
NATIVE = {"fuzz_api": 2000, "fuzz_block": 9000}  # and the longest input, in bytes
PYTHON = {"fuzz_traces": 4096, "fuzz_recordings": 4096}
IN_MEMORY = Path("/dev/shm")
KEPT_BYTES = 50_000  # of each target, at most
# Beside the time asked for: start, imports, and the corpus read once.
SPARE_S = 300


def corpus_file(name: str) -> Path:
    """Where the kept corpus of a target stands."""
    return HERE / "corpus" / f"{name}.zip"


def read_corpus(name: str) -> Iterator[bytes]:
    """The kept inputs of a target."""
    if corpus_file(name).is_file():
        with zipfile.ZipFile(corpus_file(name)) as archive:
            for entry in archive.namelist():
                yield archive.read(entry)


def _seeds(name: str) -> Iterator[bytes]:
    yield from read_corpus(name)
    if name in PYTHON:
        from tests.fuzz.hostile import TARGETS

        yield from TARGETS[name][1]()


def _command(name: str) -> list[str]:
    if name in NATIVE:
        return [str(BUILD / name)]
    return [sys.executable, str(HERE / "fuzz_python.py"), name]


def _folder(name: str) -> Path:
    """What a target has reached in this build folder; begins with what is kept."""
    folder = BUILD / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    for content in _seeds(name):
        (folder / hashlib.sha256(content).hexdigest()[:20]).write_bytes(content)
    return folder


def _run(command: list[str], environment: dict[str, str], seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment,
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=seconds + SPARE_S,
        check=False,
    )


def fuzz(name: str, seconds: int) -> str:
    """One line on how it went; it begins with the target's name, and a failure ends with `found`."""
    FINDINGS.mkdir(parents=True, exist_ok=True)
    longest = (NATIVE | PYTHON)[name]
    words = [f"-max_total_time={seconds}", f"-max_len={longest}", "-rss_limit_mb=2048", "-timeout=60"]
    command = [*_command(name), *words, f"-artifact_prefix={FINDINGS}/{name}-", str(_folder(name))]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HAKMEM_")}
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as scratch:
        done = _run(command, environment | {"TMPDIR": scratch}, seconds)
    (BUILD / f"{name}.log").write_text(done.stdout, encoding="utf-8")
    lines = done.stdout.splitlines()
    if done.returncode != 0:
        return "\n".join([*lines[-30:], f"{name}: status {done.returncode}, see {FINDINGS}: found"])
    reached = next((line for line in reversed(lines) if "DONE" in line), "")
    cover = reached.partition("cov:")[2].split()
    runs = next((line.split()[1] for line in reversed(lines) if line.startswith("Done ")), "0")
    return f"{name}: {runs} inputs in {seconds} s, {cover[0] if cover else '?'} edges reached, nothing found"


def keep(name: str) -> None:
    """Makes the kept corpus anew: the fewest inputs that reach what all reach, the shortest first."""
    reached = _folder(name)
    if name in NATIVE:  # libFuzzer's Python build cannot merge
        merged = BUILD / "merged" / name
        shutil.rmtree(merged, ignore_errors=True)
        merged.mkdir(parents=True)
        command = [*_command(name), "-merge=1", str(merged), str(reached)]
        subprocess.run(command, check=True, timeout=SPARE_S, capture_output=True)
        reached = merged
    corpus_file(name).parent.mkdir(exist_ok=True)
    contents = sorted((path.read_bytes() for path in reached.iterdir()), key=lambda data: (len(data), data))
    total = 0
    with zipfile.ZipFile(corpus_file(name), "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            total += len(content)
            if total > KEPT_BYTES:
                break
            archive.writestr(zipfile.ZipInfo(str(number)), content, zipfile.ZIP_DEFLATED)


def main() -> int:
    """The status is 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=int)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    wanted = parser.parse_args()
    # atheris has packages for x86-64 alone.
    names = wanted.targets or [*NATIVE, *(PYTHON if find_spec("atheris") else ())]
    sys.path.insert(0, str(REPOSITORY))
    with ThreadPoolExecutor(2) as workers:
        lines = list(workers.map(lambda name: fuzz(name, wanted.seconds), names))
    print(*lines, sep="\n")  # noqa: T201
    sweep_dead_blocks()  # those of the targets, which libFuzzer ends without a word
    if wanted.keep:
        for name in names:
            keep(name)
    return int(any(line.endswith("found") and not line.endswith("nothing found") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
