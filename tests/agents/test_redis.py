"""Debian's redis-server under its own jemalloc, tuned while it is under load, with nothing lost."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil

from tests.agents.conftest import AGENT, resident_bytes, wait_for
from tests.programs.redis_server import connect, serve
from workbench.control import ControlBlock, find_blocks

COUNT = 20000


def test_redis_is_tuned_under_load_and_loses_nothing(tmp_path: Path) -> None:
    prefix = ["env", f"LD_PRELOAD={AGENT}"]
    load = [
        "redis-benchmark",
        "-s",
        str(tmp_path / "socket"),
        "-q",
        "-n",
        str(COUNT),
        "-d",
        "3000",
        "-c",
        "20",
    ]
    with (
        serve(tmp_path, prefix) as pid,
        connect(tmp_path) as client,
        ControlBlock.open(pid, "jemalloc") as block,
        subprocess.Popen([*load, "-t", "rpush"], stdout=subprocess.DEVNULL) as process,
    ):
        sets = 0
        while process.poll() is None:
            block.set({"arena.i.dirty_decay_ms": 1000 * (sets % 3), "background_thread": sets % 2 == 0})
            block.act("purge")
            sets += 1
        assert process.returncode == 0
        assert block.action_counts()["purge"] == (sets, sets)
        assert client.ask("llen", "mylist") == COUNT
        block.set({"arena.i.dirty_decay_ms": -1, "background_thread": False})
        block.effective()

        # A child that saves, for as long as it takes us to see it, has a block of its own.
        client.ask("config", "set", "rdb-key-save-delay", 2000000)
        client.ask("bgsave")
        wait_for(lambda: any(find_blocks(child.pid, "jemalloc") for child in psutil.Process(pid).children()))

        full = resident_bytes(pid)
        assert block.snapshot().fold("stats.allocated") > COUNT * 3000
        client.ask("del", "mylist")
        assert resident_bytes(pid) > full - (10 << 20)  # nothing decays
        block.act("purge")
        assert block.action_counts()["purge"] == (sets + 1, sets + 1)
        assert resident_bytes(pid) < full - (40 << 20)
        assert client.ask("ping") == b"PONG"
