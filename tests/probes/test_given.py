"""Probes that the user gives: what they read, and what each failure says."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbench.errors import BadParameter, ProbeFailed
from workbench.probes import ProbeReader, parse_probe, probe_from_callable, read_probe

PAGE = """# HELP requests Requests.
# TYPE requests counter
requests_total{code="200"} 41
requests_total{code="500"} 2
# TYPE depth gauge
depth 7.5
# TYPE limit gauge
limit +Inf
"""
# What a careless exporter serves.
MANY = "".join(f'opened{{shard="{number}"}} {number}\n' for number in range(1000))


class Pages(BaseHTTPRequestHandler):
    """Serves the pages above; an error, another format, another machine."""

    def do_GET(self) -> None:
        pages = {
            "/metrics": PAGE,
            "/html": "<html>{}</html>",
            "/many": MANY,
            "/text": "depth deep\n",
            "/none": "",
        }
        status = 200 if self.path in pages else 302 if self.path == "/away" else 500
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://192.0.2.1/metrics")
        self.end_headers()
        self.wfile.write(pages.get(self.path, "<html>{}</html>").encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_command_prints_the_number() -> None:
    probe = parse_probe("queue:jobs,lower=echo depth; echo 12")
    assert (probe.name, probe.metric.unit, probe.metric.kind, probe.better) == (
        "queue",
        "jobs",
        "gauge",
        "lower",
    )
    assert probe.read() == 12


def test_a_file_holds_the_number(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    path.write_text("33 jobs\n")
    assert parse_probe(f"queue=file:{path}").read() == 33


@pytest.mark.parametrize(
    ("series", "value"),
    [
        ('metrics#requests{code="500"}', 2),
        ('metrics#requests_total{code="200"}', 41),
        ("metrics#depth", 7.5),
        ('many#opened{shard="999"}', 999),
    ],
)
def test_a_series_of_an_address(address: str, series: str, value: float) -> None:
    assert parse_probe(f"x,counter={address}/{series}").read() == value


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("echo hello", "gave 'hello'; a number is wanted"),
        ("true", "gave nothing; a number is wanted"),
        ("echo inf", "gave inf; a finite number is wanted"),
        ("echo no luck >&2; exit 3", "status 3: no luck"),
        ("no-such-program", "status 127"),
        ("false", "x: the command ended with status 1"),
        ("file:/nonexistent/queue", "No such file"),
        ("file:/dev/null", "is no file"),
        ("file:/proc/self/status", "a number is wanted"),
        ("ADDRESS/metrics#requests", r'2 series fit; name one, such as requests{code="200"}'),
        ("ADDRESS/metrics#responses", "no metric responses"),
        ("ADDRESS/metrics#limit", "gave inf; a finite number is wanted"),
        ("ADDRESS/many#opened", r'1000 series fit; name one, such as opened{shard="0"}'),
        ("ADDRESS/text#depth", "not in Prometheus's format"),
        ("ADDRESS/none#depth", "no metric depth"),
        ("yes | head -n 100000", "gave 'y'; a number is wanted"),
        ("ADDRESS/missing#depth", "500"),
        ("ADDRESS/html#depth", "not in Prometheus's format"),
        ("ADDRESS/away#depth", "302"),
        ("http://127.0.0.1:1/metrics#depth", "refused"),
    ],
)
def test_a_failure_is_a_reason(address: str, source: str, reason: str) -> None:
    probe = parse_probe(f"x={source.replace('ADDRESS', address)}")
    with pytest.raises(ProbeFailed, match=re.escape(reason)) as failed:
        probe.read()
    assert "\n" not in str(failed.value)
    assert not str(failed.value).endswith(": ")
    with ProbeReader([probe]) as reader:
        reader.await_first(10)
        assert f"x: {reader.latest()['x'].reason}" == str(failed.value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "NAME:UNIT=SOURCE"),
        ("rps", "NAME:UNIT=SOURCE"),
        ("process.nope", "unknown probe 'process.nope': there is process.processor_time, "),
        ("process.residend", "did you mean 'process.resident'?; or give NAME:UNIT=SOURCE, such as rps:"),
        ("a b=echo 1", "NAME:UNIT=SOURCE"),
        ("x,fast=echo 1", "NAME:UNIT=SOURCE"),
        ("x=http://127.0.0.1/metrics", "name the metric after #"),
        ("x=http://example.org/metrics#depth", "not this machine"),
    ],
)
def test_a_wrong_text_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(BadParameter, match=re.escape(wrong)) as alone:
        parse_probe(text)
    with pytest.raises(BadParameter) as beside:  # the built-in ones
        read_probe(text, os.getpid())
    assert str(alone.value) == str(beside.value)


def test_a_command_that_hangs_is_ended_with_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.probes.given._TIMEOUT_S", 0.3)
    with pytest.raises(ProbeFailed, match="took more than"):
        parse_probe("x=sleep 1000 & sleep 1000").read()


def test_a_function_must_be_one() -> None:
    with pytest.raises(BadParameter, match="cannot be called"):
        probe_from_callable("x", 3)  # type: ignore[arg-type]
    with pytest.raises(BadParameter, match="out of range"):
        probe_from_callable("x", lambda: 1, period_s=0)
