"""A block that no allocator publishes shows itself in every command: all comes from its descriptors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from tests.cli.terminal import Finished, assert_refused, run_workbench, start, wait_until
from workbench.export import FORMATS

PROGRAM = """
import sys
from tests.control.made_up import make_block
with make_block(rows={"thread": 2}) as block:
    block.write("thread.id", [11, 12, 0, 0, 0, 0, 0, 0])
    block.write("fish.caught", 3)
    block.write("fish.count", [10, 20, 30, 40])
    block.write("pond.casts", 6)
    block.adopt()
    block.adopt_always()
    print("ready", flush=True)
    sys.stdin.read()
"""

# Its process has an allocator of its own besides.
KIND = ["--kind", "pond"]


@pytest.fixture
def pond() -> Iterator[int]:
    """Pid of a process that publishes a pond."""
    with start([sys.executable, "-c", PROGRAM]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid


def read(done: Finished, key: str) -> dict[str, dict[str, object]]:
    return {entry["name"]: entry for entry in done.json[key]}


def test_ps(pond: int) -> None:
    entries = [entry for entry in run_workbench("ps", "--json").json if entry["pid"] == pond]
    assert ("pond", "made up") in [(entry["kind"], entry["build"]) for entry in entries]


def test_tunables(pond: int) -> None:
    entries = read(run_workbench("tunables", pond, *KIND, "--json"), "tunables")
    assert entries["fish.colour"]["choices"] == ["blue", "green", "brown"]
    assert entries["pond.depth"]["unit"] == "m"
    assert entries["pond.depth"]["requested"] == 4
    text = run_workbench("tunables", pond, *KIND).stdout
    for words in ("pond.depth", "1 to 40 m", "blue, green, brown", "1 MiB", "new threads", "start"):
        assert words in text
    assert "adopted by 2 of 2 threads" in text


def test_set(pond: int) -> None:
    done = run_workbench(
        "set", pond, "pond.depth=7 m", "pond.frozen=on", "fish.colour=green", "fish.share=1.5"
    )
    assert (done.status, done.stderr) == (0, "")
    assert "pond.depth: 4 m -> 7 m" in done.stdout

    def is_effective() -> bool:
        entries = read(run_workbench("tunables", pond, *KIND, "--json"), "tunables")
        return [
            entries[name]["effective"] for name in ("pond.depth", "pond.frozen", "fish.colour", "fish.share")
        ] == [7, True, "green", 1.5]

    wait_until(is_effective)


def test_wrong_set(pond: int) -> None:
    assert_refused(run_workbench("set", pond, *KIND, "pond.deph=7"), "pond.deph", "pond.depth")
    assert_refused(run_workbench("set", pond, "pond.depth=41"), "pond.depth", "41", "1", "40")
    assert_refused(run_workbench("set", pond, "pond.lowest=9"), "pond.lowest", "pond.depth")
    assert_refused(run_workbench("set", pond, "pond.shores=5"), "pond.shores", "start")
    assert_refused(run_workbench("set", pond, "fish.colour=red"), "fish.colour", "green")


def test_metrics(pond: int) -> None:
    entries = read(run_workbench("metrics", pond, *KIND, "--json"), "metrics")
    assert entries["fish.caught"]["value"] == 3 * 2 * 4
    assert entries["fish.count"]["by_group"] == {"quiet": 30, "wild": 70}
    assert entries["fish.luck"]["value"] == 4
    assert entries["fish.free"]["value"] == 100 - 24
    text = run_workbench("metrics", pond, *KIND).stdout
    assert "quiet:30 wild:70" in text
    assert "Not yet caught." in text


def test_watch(pond: int) -> None:
    done = run_workbench("watch", pond, "--json", "--count", 2, "--interval", "0.05")
    samples = [json.loads(line)["blocks"]["pond"] for line in done.stdout.splitlines()]
    assert samples[1]["metrics"]["fish.caught"] == {
        "value": 24,
        "rate_per_s": 0,
        "by_group": {"quiet": 12, "wild": 12},
    }
    assert (samples[1]["threads"], samples[1]["adopted"]) == (2, 2)


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "header"])
def test_export(pond: int, form: str) -> None:
    assert run_workbench("set", pond, "pond.depth=7").status == 0
    report = run_workbench("export", pond, *KIND, "--format", form, "--json").json
    assert report["values"]["pond.depth"] == 7
    assert report["provenance"]["allocator build"] == "made up"
    assert ('"pond.depth" = 7' if form == "toml" else "POND_DEPTH") in report["text"]


def test_there_is_no_header_for_what_is_not_built_from_one(pond: int) -> None:
    done = run_workbench("export", pond, *KIND, "--format", "header")
    assert_refused(done, "pond is not built from a C header")
