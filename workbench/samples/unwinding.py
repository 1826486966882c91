"""Walks up a copied stack, from the registers of the innermost frame to the oldest that the copy holds.

A frame unwinds by the call frame information of its module. Where there is none, as in code made at run
time, it unwinds by its frame pointer, if that leads up the stack.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

from workbench.samples.address_space import AddressSpace
from workbench.symbols import Rules

_WORD = struct.Struct("<Q")
_MASK = (1 << 64) - 1
MOST_FRAMES = 1024

_Read = Callable[[int], int]
_OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
    "%": operator.mod,
}

# By e_machine of ELF: names of the registers by their DWARF numbers, names of stack and frame pointer, and
# the number of the program counter.
_X86_64 = ({3: "rbx", 6: "rbp", 7: "rsp", 12: "r12", 13: "r13", 14: "r14", 15: "r15"}, "rsp", "rbp", 16)
_AARCH64 = ({**{number: f"x{number}" for number in range(19, 31)}, 31: "sp"}, "sp", "x29", 32)
_X86_64_MACHINE = 62
_MACHINES = {_X86_64_MACHINE: _X86_64, 183: _AARCH64}
_UNDEFINED = (".undef",)


class Walk(NamedTuple):
    """The frames of a stack: addresses, innermost first, and how the walk ended.

    It ended at the stack's oldest frame ("whole"), where the copy ends ("cut"), or where the stack made no
    sense or nothing told how to go on ("lost").
    """

    addresses: tuple[int, ...]
    end: str


class _Outside(Exception):  # noqa: N818, no error of a user's
    """A word that the copy does not hold."""


def walk_stack(space: AddressSpace, machine: int, registers: Mapping[int, int], stack: bytes) -> Walk:
    """Unwind one stack."""
    names, stack_pointer, frame_pointer, counter = _MACHINES[machine]
    values = {name: registers[number] for number, name in names.items()}
    start = values[stack_pointer]

    def read(address: int) -> int:
        if not 0 <= address - start <= len(stack) - 8:
            raise _Outside
        return int(_WORD.unpack_from(stack, address - start)[0])

    addresses = [registers[counter]]
    try:
        while len(addresses) < MOST_FRAMES:
            at = addresses[-1] - (len(addresses) > 1)
            rules = space.find_rules(at)
            if rules is None:
                caller = _by_frame_pointer(values, frame_pointer, stack_pointer, read)
            elif rules.get(".ra", _UNDEFINED if machine == _X86_64_MACHINE else ()) == _UNDEFINED:
                return Walk(tuple(addresses), "whole")
            else:
                caller = _by_rules(rules, values, stack_pointer, read)
            address = caller.pop(".ra")
            if address == 0:
                return Walk(tuple(addresses), "whole")
            if caller[stack_pointer] <= values[stack_pointer] or not space.is_code(address):
                return Walk(tuple(addresses), "lost")
            addresses.append(address)
            values = caller
    except _Outside:
        return Walk(tuple(addresses), "cut")
    except (ArithmeticError, IndexError, KeyError, ValueError):
        return Walk(tuple(addresses), "lost")
    return Walk(tuple(addresses), "cut")


def _by_rules(rules: Rules, values: dict[str, int], stack_pointer: str, read: _Read) -> dict[str, int]:
    frame_address = _compute(rules[".cfa"], values, read)
    known = {**values, ".cfa": frame_address}
    caller = {**values, stack_pointer: frame_address}
    for name, words in rules.items():
        if words == _UNDEFINED:
            caller.pop(name, None)
        elif name != ".cfa":
            caller[name] = _compute(words, known, read)
    if ".ra" not in caller:
        caller[".ra"] = values["x30"]
    return caller


def _by_frame_pointer(
    values: dict[str, int], frame_pointer: str, stack_pointer: str, read: _Read
) -> dict[str, int]:
    """Unwind a frame that keeps its caller's frame pointer and return address where its own points."""
    at = values[frame_pointer]
    return {**values, stack_pointer: at + 16, frame_pointer: read(at), ".ra": read(at + 8)}


def _compute(words: tuple[str, ...], values: dict[str, int], read: _Read) -> int:
    """Compute an expression in postfix notation; `^` reads the word at an address."""
    stack: list[int] = []
    for word in words:
        if word == "^":
            stack.append(read(stack.pop()))
        elif word in _OPERATIONS:
            right, left = stack.pop(), stack.pop()
            stack.append(_OPERATIONS[word](left, right) & _MASK)
        else:
            stack.append(values[word] if word in values else int(word))
    (result,) = stack
    return result
