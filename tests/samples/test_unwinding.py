"""Stacks that make no sense end the walk, and nothing else."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from workbench.samples.address_space import AddressSpace
from workbench.samples.unwinding import MOST_FRAMES, walk_stack

X86_64 = 62
STACK = 0x7FFF00000000


@pytest.fixture(scope="module")
def space() -> AddressSpace:
    return AddressSpace(os.getpid())


def find_code() -> list[int]:
    """Addresses of code of this process."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return [int(line.partition("-")[0], 16) for line in lines if " r-xp " in line]


@pytest.mark.parametrize("seed", range(20))
def test_a_random_stack_ends(space: AddressSpace, seed: int) -> None:
    chance = random.Random(seed)
    code = find_code()
    words = [
        chance.choice(
            [
                0,
                STACK + 8 * chance.randrange(900),
                chance.choice(code) + chance.randrange(1 << 16),
                chance.getrandbits(64),
            ]
        )
        for _ in range(900)
    ]
    stack = b"".join(word.to_bytes(8, "little") for word in words)
    registers = dict.fromkeys(range(33), STACK) | {
        16: chance.choice(code) + chance.randrange(1 << 16),
        7: STACK,
    }
    walk = walk_stack(space, X86_64, registers, stack[: chance.randrange(len(stack))])
    assert 1 <= len(walk.addresses) <= MOST_FRAMES
    assert walk.end in {"whole", "cut", "lost"}


def test_frame_pointers_lead_through_code_that_tells_nothing(space: AddressSpace) -> None:
    class Silent(AddressSpace):
        def find_rules(self, address: int) -> None:
            del address

    silent = Silent(os.getpid())
    code = find_code()[0] + 64
    words = [0] * 64
    words[4:6] = [STACK + 8 * 10, code + 1]
    words[10:12] = [STACK + 8 * 20, code + 2]
    words[20:22] = [0, 0]  # the oldest frame
    stack = b"".join(word.to_bytes(8, "little") for word in words)
    registers = dict.fromkeys(range(33), 0) | {7: STACK, 6: STACK + 8 * 4, 16: code}
    assert walk_stack(silent, X86_64, registers, stack) == ((code, code + 1, code + 2), "whole")
    assert walk_stack(silent, X86_64, registers, stack[: 8 * 11]) == ((code, code + 1), "cut")
    words[11] = 12345  # no code
    stack = b"".join(word.to_bytes(8, "little") for word in words)
    assert walk_stack(silent, X86_64, registers, stack) == ((code, code + 1), "lost")
