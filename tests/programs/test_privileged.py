"""A setuid program obeys no variable of its caller, prints nothing for them, and shares nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs.redis_server import CAP_S
from workbench.control import native_directory

OWNER_UID = 61236

# Linked with the allocator, as by /etc/ld.so.preload. The second free is an error of the program, which the
# caller's variable would have the allocator pass over.
_PROGRAM = """
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>
int main(void)
{
    char *volatile block = malloc(1000);
    printf("secure %lu, %zu usable\\n", getauxval(AT_SECURE), malloc_usable_size(block));
    fflush(stdout);
    getchar();
    free(block);
    free(block + 8);
    puts("passed");
    return 0;
}
"""
_VARIABLES = {"HAKMEM_CHECK_ACTION": "refuse", "HAKMEM_LOG": "1", "HAKMEM_NO_SUCH": "1"}


@pytest.fixture
def program() -> Iterator[Path]:
    """Where everybody may read, for the program is another user's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        library = folder / "libhakmem.so"
        shutil.copy(native_directory() / library.name, library)
        library.chmod(0o755)
        source = folder / "program.c"
        source.write_text(_PROGRAM)
        path = folder / "program"
        flags = ["-fno-builtin", f"-Wl,-rpath,{folder}", "-Wl,--no-as-needed", str(library)]
        subprocess.run(["cc", "-o", str(path), str(source), *flags], check=True)
        yield path


def run(program: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program],
        env={"PATH": "/usr/bin:/bin", **_VARIABLES},
        input="\n",
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )


def test_variables_count_for_a_program_without_privileges(program: Path) -> None:
    done = run(program)
    assert done.returncode == 0
    assert "secure 0" in done.stdout
    assert "passed" in done.stdout
    assert "HAKMEM_NO_SUCH=1 is no tunable" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a program of another user's")
def test_a_setuid_program_ignores_the_callers_variables(program: Path) -> None:
    os.chown(program, OWNER_UID, OWNER_UID)
    program.chmod(0o4755)
    done = run(program)
    if "secure 0" in done.stdout:
        pytest.skip("the folder of temporary files is mounted nosuid")
    assert "secure 1" in done.stdout
    assert "passed" not in done.stdout  # the wrong free ended it
    assert done.returncode < 0
    assert "HAKMEM_NO_SUCH" not in done.stderr
    assert "[ADAPTIVE]" not in done.stderr
    assert not Path(f"/dev/shm/hakmem-{OWNER_UID}").exists()
