"""redis-server under `workbench exec`, its thresholds moved all over their ranges while it serves."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs.redis_server import CAP_S, Client, connect, serve
from workbench.allocators import run_environment
from workbench.control import ControlBlock, Tunable, Value
from workbench.errors import ConstraintBroken

WORKBENCH = Path(sys.executable).parent / "workbench"
EXEC = (WORKBENCH, "exec", "--")
KEYS = 20_000
BATCH = 500
# Left alone: one that makes the program run out of memory, as it is meant to, and those that print.
LEFT_ALONE = {"ss.max_chunks", "log.capacity", "log.acquire"}
# What a person might type meanwhile, in this order; each is a set as a whole.
TYPED = [
    ["tls.min_slots=1", "tls.initial_slots=1", "tls.max_slots=1"],
    ["route.profile=off", "l25.max_shards=1", "big.max_bytes=0", "ss.purge_delay_ms=0"],
    ["tls.max_slots=4096", "tls.initial_slots=4096", "tls.prewarm_slots=64", "route.profile=hot"],
    ["mid.ring_min_slots=0", "mid.ring_slots=0", "mid.ring_max_slots=0", "remote.batch=1", "check.level=3"],
    ["big.max_bytes=64GiB", "ss.purge_delay_ms=-1", "ss.retain_chunks=1024", "route.profile=full"],
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of a server; its name is short, since a socket's path has room for 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        yield Path(name)


def value_of(number: int) -> bytes:
    """From a few bytes to some 100 KB; most are small."""
    size = number * 7919 % 400 if number % 200 else number * 104729 % 100_000
    return (b"%d:" % number) * (1 + size // 4)


def write_keys(client: Client, numbers: range) -> None:
    written = [("SET", f"key:{number}", value_of(number)) for number in numbers]
    removed = [("DEL", f"key:{number}") for number in numbers]
    assert set(client.ask_all([*written, *removed, *written])) == {b"OK", 1}


def assert_all_there(folder: Path) -> None:
    with connect(folder) as client:
        assert client.ask("DBSIZE") == KEYS
        for start in range(0, KEYS, BATCH):
            batch = range(start, start + BATCH)
            found = client.ask_all([("GET", f"key:{number}") for number in batch])
            assert found == [value_of(number) for number in batch]


def pick(numbers: random.Random, tunable: Tunable) -> Value:
    """An end of the range, the default, or a point between."""
    ends = (tunable.minimum, tunable.maximum)
    word = numbers.choice((*ends, tunable.to_word(tunable.default), numbers.uniform(*ends)))
    return tunable.from_word(word if tunable.type == "real" else float(round(word)))


def move_thresholds(block: ControlBlock, numbers: random.Random) -> int:
    """Set one to four of them; gives how many sets were accepted: some break a constraint."""
    live = [t for t in block.tunables.values() if t.effect != "start" and t.name not in LEFT_ALONE]
    chosen = numbers.sample(live, numbers.randint(1, 4))
    try:
        block.set({tunable.name: pick(numbers, tunable) for tunable in chosen})
    except ConstraintBroken:
        return 0
    return 1


def type_settings(pid: int, failed: list[str]) -> None:
    for assignments in TYPED:
        done = subprocess.run(
            [WORKBENCH, "set", str(pid), *assignments],
            capture_output=True,
            text=True,
            timeout=CAP_S,
            check=False,
        )
        # Refused as a whole if the other mover's values break a constraint with these: that is all.
        if done.returncode != 0 and "constraint" not in done.stderr and "must be" not in done.stderr:
            failed.append(done.stderr)


def drive(folder: Path) -> subprocess.Popen[bytes]:
    """redis-benchmark, in a database of its own."""
    kinds = "set,get,incr,lpush,lrange_100,sadd,hset,zadd,mset"
    options = ["--dbnum", "1", "-q", "-c", "20", "-r", "20000", "-d", "700", "-n", "15000", "-t", kinds]
    return subprocess.Popen(
        ["redis-benchmark", "-s", folder / "socket", *options],
        env=run_environment(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_nothing_is_lost_while_thresholds_move(folder: Path) -> None:
    numbers = random.Random(1)
    accepted = 0
    failed: list[str] = []
    with serve(folder, EXEC) as pid, ControlBlock.open(pid) as block:
        assert block.info.command.startswith("redis-server")
        typist = threading.Thread(target=type_settings, args=(pid, failed))
        typist.start()
        benchmark = drive(folder)
        with connect(folder) as client:
            for start in range(0, KEYS, BATCH):
                write_keys(client, range(start, start + BATCH))
                accepted += sum(move_thresholds(block, numbers) for _ in range(10))
                if start == KEYS // 2:  # forks
                    assert client.ask("BGSAVE") == b"Background saving started"
            while typist.is_alive() or benchmark.poll() is None:
                accepted += move_thresholds(block, numbers)
                client.ask("SET", "extra", value_of(accepted))
            typist.join()
            _, errors = benchmark.communicate(timeout=CAP_S)
            assert benchmark.returncode == 0, errors
            client.ask("DEL", "extra")
        assert failed == []
        assert accepted > 100
        snapshot = block.snapshot()
        assert snapshot.fold("check.corruptions") == 0
        assert_all_there(folder)
        with connect(folder) as client:
            assert client.ask("SAVE") == b"OK"
            assert client.ask("FLUSHALL") == b"OK"
    assert (folder / "errors").read_bytes() == b""
    # What it saved is read by a server that runs without hakmem.
    with serve(folder, ()):
        assert_all_there(folder)


def test_without_hakmem_the_same_is_kept(folder: Path) -> None:
    with serve(folder, ()):
        benchmark = drive(folder)
        with connect(folder) as client:
            for start in range(0, KEYS, BATCH):
                write_keys(client, range(start, start + BATCH))
        _, errors = benchmark.communicate(timeout=CAP_S)
        assert benchmark.returncode == 0, errors
        assert_all_there(folder)
    assert (folder / "errors").read_bytes() == b""


def test_its_own_measure_of_memory_is_served(folder: Path) -> None:
    with serve(folder, EXEC), connect(folder) as client:
        before = client.ask("MEMORY", "USAGE", "nothing")
        write_keys(client, range(10))
        assert before is None
        usage = client.ask("MEMORY", "USAGE", "key:9")
        assert isinstance(usage, int)
        assert usage > len(value_of(9))
        assert client.ask("MEMORY", "PURGE") == b"OK"
