"""Heap profiles as files of other tools: pprof's (gzip, protobuf), and collapsed stacks.

The format is https://github.com/google/pprof/blob/main/proto/profile.proto. The fields of it that are used
here are declared below.
"""

from __future__ import annotations

import gzip
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from workbench.samples.address_space import Frame
from workbench.samples.heap_profile import HeapProfile

# Fields by message: name, number, type, and whether it is repeated.
_MESSAGES = {
    "ValueType": (("type", 1, "int64", 0), ("unit", 2, "int64", 0)),
    "Sample": (("location_id", 1, "uint64", 1), ("value", 2, "int64", 1)),
    "Line": (("function_id", 1, "uint64", 0), ("line", 2, "int64", 0)),
    "Mapping": (
        ("id", 1, "uint64", 0),
        ("filename", 5, "int64", 0),
        ("has_functions", 7, "bool", 0),
        ("has_filenames", 8, "bool", 0),
        ("has_line_numbers", 9, "bool", 0),
        ("has_inline_frames", 10, "bool", 0),
    ),
    "Location": (("id", 1, "uint64", 0), ("mapping_id", 2, "uint64", 0), ("line", 4, "Line", 1)),
    "Function": (
        ("id", 1, "uint64", 0),
        ("name", 2, "int64", 0),
        ("system_name", 3, "int64", 0),
        ("filename", 4, "int64", 0),
    ),
    "Profile": (
        ("sample_type", 1, "ValueType", 1),
        ("sample", 2, "Sample", 1),
        ("mapping", 3, "Mapping", 1),
        ("location", 4, "Location", 1),
        ("function", 5, "Function", 1),
        ("string_table", 6, "string", 1),
        ("time_nanos", 9, "int64", 0),
        ("period_type", 11, "ValueType", 0),
        ("period", 12, "int64", 0),
        ("default_sample_type", 14, "int64", 0),
    ),
}
_TYPES = {"int64": 3, "uint64": 4, "bool": 8, "string": 9}
_MESSAGE = 11
_KINDS = (
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
)


def write_collapsed(profile: HeapProfile) -> str:
    """Stacks in use, a line each: functions from the outermost on with semicolons between, and bytes."""
    lines = []
    in_use = profile.in_use()["bytes"]
    for stack in sorted(in_use.index, key=profile.stacks.__getitem__):
        functions = [frame.function.replace(";", ":") for frame in profile.stacks[stack]]
        lines.append(f"{';'.join(functions)} {round(in_use[stack])}\n")
    return "".join(lines)


def write_pprof(profile: HeapProfile) -> bytes:
    """A file that pprof and speedscope open: in use, and allocated lately, in blocks and bytes.

    Stacks that begin alike follow each other, so that speedscope joins them.
    """
    message = _profile_class()()
    strings: dict[str, int] = {"": 0}
    places: dict[Frame, int] = {}

    def name(text: str) -> int:
        return strings.setdefault(text, len(strings))

    for kind, unit in _KINDS:
        message.sample_type.add(type=name(kind), unit=name(unit))
    message.time_nanos = profile.taken_ns
    message.period_type.type, message.period_type.unit = name("space"), name("bytes")
    message.default_sample_type = name("inuse_space")
    if len(profile.samples):
        message.period = int(profile.samples["interval_bytes"].iloc[-1])
    values = profile.in_use().join(profile.allocated()[0].add_suffix("_allocated"), how="outer").fillna(0)
    for stack, row in values.loc[sorted(values.index, key=profile.stacks.__getitem__)].iterrows():
        numbers = (row["blocks"], row["bytes"], row["blocks_allocated"], row["bytes_allocated"])
        frames = reversed(profile.stacks[int(stack)])  # type: ignore[call-overload]
        message.sample.add(
            location_id=[places.setdefault(frame, len(places) + 1) for frame in frames],
            value=[round(number) for number in numbers],
        )
    # The first mapping is the program: pprof shows its name.
    modules = {
        module: number
        for number, module in enumerate(
            dict.fromkeys([profile.program, *(frame.module for frame in places)]), start=1
        )
    }
    for module, number in modules.items():
        has = dict.fromkeys(("has_functions", "has_filenames", "has_line_numbers", "has_inline_frames"), True)
        message.mapping.add(id=number, filename=name(module), **has)
    for frame, number in places.items():
        text = name(frame.function)
        message.function.add(
            id=number, name=text, system_name=text, filename=name(frame.file or frame.module)
        )
        location = message.location.add(id=number, mapping_id=modules[frame.module])
        location.line.add(function_id=number, line=frame.line)
    message.string_table.extend(strings)
    return gzip.compress(message.SerializeToString(), mtime=0)


@cache
def _profile_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="workbench/profile.proto", package="perftools.profiles", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, is_repeated in fields:
            added = message.field.add(name=field, number=number, label=3 if is_repeated else 1)
            added.type = _TYPES.get(kind, _MESSAGE)
            if kind not in _TYPES:
                added.type_name = f".perftools.profiles.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("perftools.profiles.Profile"))
