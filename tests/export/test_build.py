"""An exported header, built into the allocator, is what a program starts with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from workbench.control import ControlBlock, Value
from workbench.export import write_defaults

VALUES: dict[str, Value] = {
    "tls.adaptive": False,
    "tls.grow_percent": 61,
    "ss.purge_delay_ms": -1,
    "big.initial_buckets": 512,
    "big.load_factor": 1.25,
    "big.policy": "lfu",
}


def test_allocator_starts_with_the_header(tmp_path: Path, repository: Path) -> None:
    header = tmp_path / "tuned.h"
    write_defaults(header, "header", VALUES, {"process": "*/ #error out of the comment"})
    tools = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    configuration = ["-DHAKMEM_PYTHON=OFF", f"-DHAKMEM_DEFAULTS_FILE={header}"]
    commands: list[list[str | Path]] = [
        ["cmake", "-G", "Ninja", "-S", repository / "native", "-B", tmp_path / "build", *configuration],
        ["cmake", "--build", tmp_path / "build", "--target", "hakmem"],
    ]
    for command in commands:
        subprocess.run(command, env=environment, check=True, capture_output=True)
    library = tmp_path / "build" / "libhakmem.so"
    # A program that says when it runs: by then its allocator has started.
    with subprocess.Popen(
        ["sh", "-c", "echo; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"LD_PRELOAD": str(library)},
    ) as program:
        assert program.stdout is not None
        program.stdout.readline()
        with ControlBlock.open(program.pid) as block:
            values = block.effective().values
            defaults = {name: block.tunables[name].default for name in VALUES}
            build = block.info.build
        program.communicate(b"\n")
    assert {name: values[name] for name in VALUES} == VALUES
    assert defaults == VALUES
    # Evidence has the compiler and its flags from here.
    assert re.fullmatch(r"hakmem [\d.]+ (GNU|Clang) [\d.]+ .*-O2 .*defaults=exported", build)
