"""What only hakmem is asked: calls that peers lack; C++ libraries with operators of their own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment

HERE = Path(__file__).parent
RULES = re.findall(r"^RULE\((\w+)\)", (HERE / "hakmem_rules.c").read_text(), flags=re.MULTILINE)


def run_preloaded(command: list[Path | str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = run_environment(get_allocator("hakmem").library) | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything built, against plain malloc."""
    path = tmp_path_factory.mktemp("hakmem_only")
    common = ["-O1", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-D_GNU_SOURCE", "-pthread"]
    # mallinfo is deprecated, and tested.
    c = ["cc", "-std=gnu11", "-Wno-deprecated-declarations", *common]
    subprocess.run([*c, HERE / "hakmem_rules.c", "-o", path / "hakmem_rules"], check=True)
    subprocess.run([*c, HERE / "library_host.c", "-o", path / "library_host"], check=True)
    for name in ("pool_library", "throwing_library"):
        library = ["-shared", "-fPIC", str(HERE / f"{name}.cpp"), "-o", str(path / f"{name}.so")]
        subprocess.run(["c++", "-std=c++17", *common, *library], check=True)
    return path


@pytest.mark.parametrize("rule", RULES)
def test_rule(folder: Path, rule: str) -> None:
    answer = run_preloaded([folder / "hakmem_rules", rule])
    assert answer.returncode == 0, f"exit {answer.returncode}: {answer.stderr.strip()}"


@pytest.mark.parametrize("access", ["off", "read"])
@pytest.mark.parametrize("rule", ["mallopt_minus_one_keeps_memory", "mallopt_check_action_refuses"])
def test_mallopt_needs_no_block_that_others_may_write(folder: Path, rule: str, access: str) -> None:
    answer = run_preloaded([folder / "hakmem_rules", rule], HAKMEM_CONTROL=access)
    assert answer.returncode == 0, f"exit {answer.returncode}: {answer.stderr.strip()}"


@pytest.mark.parametrize("library", ["pool_library", "throwing_library"])
def test_library_with_operators_works(folder: Path, library: str) -> None:
    answer = run_preloaded([folder / "library_host", folder / f"{library}.so"])
    assert (answer.returncode, answer.stderr) == (0, "")
