"""What crosses threads and processes without a lock, under weak ordering: spin tries every order.

x86-64 hides a missing release or fence, and so does qemu on it. Each model is a path of the C code with the
memory orders that stand there. It holds; and with any one of them taken away spin finds what goes wrong.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

HERE = Path(__file__).parent
#: What is taken away from a model, as macros.
WEAKER = {
    "message_passing": ["STORE=RELAXED", "LOAD=RELAXED"],
    "requested": ["FENCE=skip", "VALUES=RELAXED"],
    "effective": ["FENCE=skip", "VALUES=RELAXED", "GENERATIONS=RELAXED"],
    "events": ["FENCE=skip", "WORDS=RELAXED", "COMPLETE=RELAXED", "COPIES=RELAXED"],
    "samples": ["FENCE=skip", "BEHIND=skip", "COMPLETE=RELAXED"],
    "remote": [f"{step}=RELAXED" for step in ("ANNOUNCE", "SET", "LINK", "TAKE", "CLEAR", "SETTLE")],
    "registry": ["COUNT=RELAXED", "WALK=RELAXED", "PUBLISH=RELAXED", "FIND=RELAXED"],
}


def explore(model: str, folder: Path, *macros: str) -> str:
    """What spin says after it has tried everything: how many states, and the first error."""
    defines = [f"-D{macro}" for macro in macros]
    subprocess.run(["spin", *defines, "-a", HERE / f"{model}.pml"], cwd=folder, check=True, timeout=60)
    compile_ = ["gcc", "-w", "-DSAFETY", "-DVECTORSZ=2048", "-o", "pan", "pan.c"]
    subprocess.run(compile_, cwd=folder, check=True, timeout=60)
    search = ["./pan", "-m100000"]
    run = subprocess.run(search, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert "max search depth too small" not in run.stdout
    return run.stdout


@pytest.mark.parametrize("model", WEAKER)
def test_every_order_of_events_is_right(model: str, tmp_path: Path) -> None:
    said = explore(model, tmp_path)
    assert "errors: 0" in said, said
    assert "unreached in proctype" in said  # the search went to its end


@pytest.mark.parametrize(
    ("model", "macro"), [(model, macro) for model, all_ in WEAKER.items() for macro in all_]
)
def test_each_memory_order_is_needed(model: str, macro: str, tmp_path: Path) -> None:
    said = explore(model, tmp_path, macro)
    assert "assertion violated" in said, said


@pytest.mark.parametrize("model", WEAKER)
def test_the_code_that_a_model_names_is_there(model: str) -> None:
    text = " ".join((HERE / f"{model}.pml").read_text().partition("*/")[0].split())
    named = re.findall(r"(\w+_\w+(?: and \w+_\w+)*) \((\w+/\w+\.c)\)", text)
    assert named or model == "message_passing"
    for functions, file in named:
        code = (REPOSITORY / "native" / file).read_text()
        for function in functions.split(" and "):
            assert re.search(rf"\b{function}\(", code), function
