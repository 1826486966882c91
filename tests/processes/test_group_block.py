"""All processes of a group as one control block: set, summed, joined later, ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import workbench as wb
from tests.control.made_up import make_block
from tests.processes.test_group import CAP_S, SERVER, await_value, fork_worker, run_server
from workbench.control import DO, ControlBlock, find_blocks
from workbench.errors import BadParameter, NoProcess, OutOfRange, PartlySet
from workbench.processes.group import GROUP_VARIABLE, find_groups, parse_group
from workbench.processes.group_block import GroupBlock


def await_that(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + CAP_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_it_is_set_like_one_process_and_who_comes_later_has_its_values() -> None:
    with run_server() as server, run_server() as stranger:
        workers = [fork_worker(server) for _ in range(2)]
        await_that(lambda: len(parse_group(f"parent:{server.pid}").blocks()) == 3)
        with wb.attach(f"parent:{server.pid}") as block:
            assert isinstance(block, GroupBlock)
            assert block.pids == sorted([server.pid, *workers])
            assert str(block) == f"parent:{server.pid} (3 processes)"
            before = block.requested()
            generation = block.set({"tls.grow_percent": "61 %", "trim": DO})
            assert block.requested().generation == generation > before.generation
            for pid in block.pids:
                await_value(pid, "tls.grow_percent", 61)
            assert all(asked >= 3 for asked, _ in [block.action_counts()["trim"]])
            await_value(stranger.pid, "tls.grow_percent", 80)
            # Another's set is seen, and told as what differs.
            with wb.attach(workers[0]) as one:
                one.set({"tls.max_slots": 512})
            await_that(lambda: block.differing() == {"tls.max_slots": "2048 in 2, 512 in 1"})
            assert block.requested().values["tls.max_slots"] == 2048
            # The next worker is forked from the parent, and another process did not set its value there.
            with wb.attach(server.pid) as one:
                one.set({"tls.grow_percent": 80})
            late = fork_worker(server)
            await_value(late, "tls.grow_percent", 61)
            await_that(lambda: any("began: " in line for line in block.take_news()))
        with pytest.raises(NoProcess):
            block.set({"tls.grow_percent": 62})


def test_who_does_not_take_a_value_is_named_and_the_others_have_it() -> None:
    with run_server() as server:
        worker = fork_worker(server)
        await_that(lambda: bool(find_blocks(pid=worker)))
        with wb.attach(worker) as one:
            one.set({"tls.initial_slots": 1000})
        with wb.attach(f"parent:{server.pid}") as block:
            with pytest.raises(
                PartlySet, match=rf"1 of 2 processes did not take it: .* \({worker}\)"
            ) as refused:
                block.set({"tls.max_slots": 512})
            assert refused.value.generation == block.requested().generation
            await_value(server.pid, "tls.max_slots", 512)
            await_value(worker, "tls.max_slots", 2048)
            with pytest.raises(OutOfRange):
                block.set({"tls.max_slots": -1})


def test_each_process_is_given_back_what_it_had() -> None:
    with run_server() as server:
        worker = fork_worker(server)
        await_that(lambda: bool(find_blocks(pid=worker)))
        with wb.attach(worker) as one:
            one.set({"tls.grow_percent": 70, "tls.max_slots": 512})
        with wb.attach(f"parent:{server.pid}") as block:
            assert isinstance(block, GroupBlock)
            block.set({"tls.grow_percent": 61, "tls.adapt_refills": 5})
            late = fork_worker(server)
            await_that(lambda: late in block.pids)
            with wb.attach(late) as one:  # set after it came, by somebody else
                one.set({"tls.max_slots": 1024})
            generation = block.restore()
            assert block.requested().generation == generation
            for pid, percent, slots in ((server.pid, 80, 2048), (worker, 70, 512), (late, 80, 2048)):
                with wb.attach(pid) as one:
                    values = one.requested().values
                assert (values["tls.grow_percent"], values["tls.max_slots"]) == (percent, slots)
                assert values["tls.adapt_refills"] == one.tunables["tls.adapt_refills"].default
            # What comes now is left alone.
            last = fork_worker(server)
            await_that(lambda: last in block.pids)
            await_value(last, "tls.grow_percent", 80)


def test_a_named_group_has_its_file_again_and_who_started_later_what_it_held(named: Path) -> None:
    group = parse_group(f"group:{named.name}")
    group.keep({"tls.grow_percent": "70", "tls.max_slots": "nan"})
    with run_server(**{GROUP_VARIABLE: str(named)}), GroupBlock(group) as block:
        text = named.read_text()
        block.set({"tls.grow_percent": 61, "tls.adapt_refills": 5})
        assert group.kept() == {"tls.grow_percent": "61", "tls.max_slots": "nan", "tls.adapt_refills": "5"}
        with run_server(**{GROUP_VARIABLE: str(named), "HAKMEM_TLS_INITIAL_SLOTS": "32"}) as late:
            await_that(lambda: late.pid in block.pids)
            await_value(late.pid, "tls.grow_percent", 61)
            block.restore()
            with wb.attach(late.pid) as one:
                values = one.requested().values
            assert (values["tls.grow_percent"], values["tls.initial_slots"]) == (70, 32)
            assert values["tls.adapt_refills"] == one.tunables["tls.adapt_refills"].default
        assert named.read_text() == text


def test_a_process_that_becomes_another_program_is_followed() -> None:
    first = "import os, sys; print(os.getpid(), flush=True); input()"
    become = f"{first}; os.execv(sys.executable, [sys.executable, '-c', {SERVER!r}])"
    with run_server(program=become) as server, wb.attach(f"parent:{server.pid}") as block:
        assert isinstance(block, GroupBlock)
        block.set({"tls.grow_percent": 61})
        before = block.snapshot().fold("thread.operations")
        assert fork_worker(server) == server.pid  # as a program tells when it begins
        await_value(server.pid, "tls.grow_percent", 61)
        assert block.snapshot().fold("thread.operations") >= before
        assert [one.alive() for one in block.members] == [True]


def test_what_a_process_counted_stays_when_it_ends() -> None:
    with run_server() as server:
        worker = fork_worker(server)
        await_that(lambda: bool(find_blocks(pid=worker)))
        with wb.attach(f"parent:{server.pid}") as block:
            await_that(lambda: block.snapshot().fold("thread.operations") > 20_000)  # the worker's blocks
            assert block.snapshot().fold("threads.live") == 2
            assert len(block.events()) > 0
            assert isinstance(block, GroupBlock)
            before = block.snapshot()
            os.kill(worker, signal.SIGKILL)
            await_that(lambda: block.pids == [server.pid])
            after = block.snapshot()
            assert after.fold("thread.operations") >= before.fold("thread.operations")
            assert after.fold("threads.live") == 1
            assert after.value("thread.operations", before) >= 0
            assert block.alive()


def test_what_is_wrong_with_a_group_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadParameter, match="'postgres' is neither a pid nor a group such as 'command:postgr"):
        wb.attach("postgres")
    with pytest.raises(BadParameter, match="unknown selector of a group 'name': there is parent, command"):
        wb.attach("name:postgres")
    with pytest.raises(NoProcess, match="there is no such process"):
        wb.attach("command:^no such program$")
    with run_server() as server, pytest.raises(NoProcess, match="no process of it can be tuned"):
        wb.attach(f"parent:{server.pid}", kind="nothing")
    monkeypatch.setattr("workbench.processes.group._MOST_PROCESSES", 1)
    with run_server() as server:
        fork_worker(server)
        with pytest.raises(BadParameter, match="has 2 processes, more than 1: choose fewer"):
            wb.attach(f"parent:{server.pid}")


def test_groups_are_found_among_processes() -> None:
    with run_server() as server, run_server() as other:
        worker = fork_worker(server)
        await_that(lambda: bool(find_blocks(pid=worker)))
        infos = [info for info in find_blocks() if info.pid in (server.pid, worker, other.pid)]
        found = {str(group): words for group, words in find_groups(infos).items()}
        name = Path(f"/proc/{server.pid}/comm").read_text(encoding="utf-8").strip()
        assert found == {
            f"command:^{name}$": f"{name}: 3 processes",
            f"parent:{server.pid}": f"{name} {server.pid} with its children: 2 processes",
        }
        assert {info.pid for info in parse_group(f"command:^{name}$").blocks()} >= {server.pid, worker}


def test_the_descriptors_of_a_process_of_another_build_are_its_own() -> None:
    with make_block() as pond, pond.open() as block, make_block(kind="lake", build="newer") as other:
        assert block.open_alike(pond.path).tunables is block.tunables
        with block.open_alike(other.path) as opened:
            assert opened.tunables is not block.tunables
            assert opened.info.kind == "lake"
            assert isinstance(opened, ControlBlock)
