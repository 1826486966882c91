"""The reader of probes: a rate of each counter, and a gap with its reason where a probe fails or hangs."""

from __future__ import annotations

import contextlib
import math
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from workbench.errors import BadParameter
from workbench.probes import ProbeReader, ProbeValue, parse_probe, probe_from_callable, process_probes

CAP_S = 60


def await_that(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + CAP_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_a_counter_has_a_rate_and_one_that_begins_anew_has_a_gap() -> None:
    figures = iter([100.0, 160.0, 5.0])
    given = threading.Semaphore(0)
    now_s = [0.0]

    def count() -> float:
        given.acquire()
        now_s[0] += 2.0
        return next(figures)

    probe = probe_from_callable("requests", count, "requests", kind="counter", period_s=0.01)
    with ProbeReader([probe], clock=lambda: now_s[0]) as reader:
        assert reader.latest()["requests"].reason
        for value, rate in [(100.0, None), (160.0, 30.0), (5.0, None)]:
            given.release()
            shown = await_value(reader, "requests", value)
            assert (shown.rate, shown.reason, shown.shown_unit) == (rate, "", "requests/s")
            assert math.isnan(shown.shown) if rate is None else shown.shown == rate
        given.release()
        await_that(lambda: "StopIteration" in reader.latest()["requests"].reason)


def test_a_probe_that_hangs_delays_nobody_and_says_so() -> None:
    hold = threading.Event()
    now_s = [0.0]
    hanging = probe_from_callable("hanging", lambda: float(hold.wait(CAP_S)), period_s=0.01)
    other = probe_from_callable("other", lambda: 7.0, period_s=0.01)
    with ProbeReader([hanging, other], clock=lambda: now_s[0]) as reader:
        await_that(lambda: reader.latest()["other"].value == 7.0)
        now_s[0] = 30.0
        await_that(lambda: reader.latest()["other"].value == 7.0)
        assert reader.latest()["hanging"].reason == "it has not answered for 30 s"
        hold.set()
        await_that(lambda: reader.latest()["hanging"].value == 1.0)


def test_what_disappears_is_a_gap_until_it_is_there_again(tmp_path: Path) -> None:
    path, script = tmp_path / "queue", tmp_path / "count.sh"
    path.write_text("3")
    script.write_text("#!/bin/sh\necho 4\n")
    script.chmod(0o755)
    given = [parse_probe(f"file=file:{path}"), parse_probe(f"command={script}")]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        given.append(parse_probe(f"address=http://127.0.0.1:{listener.getsockname()[1]}/#x"))
        threading.Thread(target=answer_all, args=(listener,), daemon=True).start()
        with (
            subprocess.Popen(["sleep", "3600"]) as process,
            ProbeReader(
                replace(one, period_s=0.02)
                for one in (*given, process_probes(process.pid)["process.resident"])
            ) as reader,
        ):
            for name, value in (("file", 3), ("command", 4), ("address", 5)):
                await_value(reader, name, value)
            await_that(lambda: reader.latest()["process.resident"].value > 0)
            path.unlink()
            script.unlink()
            listener.close()
            process.kill()
            process.wait()
            reasons = {
                "file": "No such file",
                "command": "status 127",
                "address": "refused",
                "process.resident": "No such",
            }
            for name, reason in reasons.items():
                await_reason(reader, name, reason)
                assert math.isnan(reader.latest()[name].value)
            path.write_text("6")
            await_value(reader, "file", 6)


def test_a_command_that_hangs_ends_with_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with ProbeReader([parse_probe(f"x=sleep 3600 & echo $! > {path}; wait")]):
        await_that(lambda: path.exists() and path.read_text().endswith("\n"))
        pid = int(path.read_text())
    await_that(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def await_reason(reader: ProbeReader, name: str, reason: str) -> None:
    await_that(lambda: reason in reader.latest()[name].reason)


def answer_all(listener: socket.socket) -> None:
    """Serve a page to whoever asks, until the socket is closed."""
    with contextlib.suppress(OSError):
        while True:
            with listener.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nx 5\n")


def await_value(reader: ProbeReader, name: str, value: float) -> ProbeValue:
    await_that(lambda: reader.latest()[name].value == value)
    return reader.latest()[name]


@pytest.mark.parametrize("figure", ["many", None, float("nan"), float("inf")])
def test_what_is_no_number_is_a_reason(figure: object) -> None:
    probe = probe_from_callable("x", lambda: figure, period_s=0.01)  # type: ignore[arg-type, return-value]
    with ProbeReader([probe]) as reader:
        await_that(lambda: "number is wanted" in reader.latest()["x"].reason)


def test_names_differ_and_a_removed_probe_is_gone() -> None:
    probe = probe_from_callable("x", lambda: 1.0)
    with ProbeReader([probe]) as reader:
        with pytest.raises(BadParameter, match="one of that name"):
            reader.add(probe)
        reader.remove("x")
        assert reader.latest() == {}
        reader.add(probe)
        assert list(reader.latest()) == ["x"]
