"""Quantities as text, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.units import format_number, format_quantity, format_rough, name_column, parse_quantity

UNITS = ("bytes", "%", "ms", "slots", "entries/bucket", "")


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("80", "%", 80),
        ("80 %", "%", 80),
        ("80percent", "%", 80),
        ("512KiB", "bytes", 512 * 1024),
        ("512 kib", "bytes", 512 * 1024),
        ("1.5 GiB", "bytes", 1.5 * 1024**3),
        ("1GB", "bytes", 10**9),
        ("4k", "bytes", 4096),
        ("1,048,576", "bytes", 1048576),
        ("250 ms", "ms", 250),
        ("2 s", "ms", 2000),
        ("1 min", "ms", 60000),
        ("-1", "ms", -1),
        ("−1", "ms", -1),
        ("64 slots", "slots", 64),
        ("10k", "slots", 10000),
        ("1 M slots", "slots", 10**6),
        (".75", "entries/bucket", 0.75),
        ("1e-3", "", 0.001),
    ],
)
def test_what_a_person_types_is_read(text: str, unit: str, expected: float) -> None:
    assert parse_quantity(text, unit) == expected


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("", ""), ("-", ""), ("e5", ""), (",", ""), ("1 2", ""), ("--1", ""), ("nan", ""), ("inf", "ms"),
        ("80 slots", "%"), ("5 MiB", "ms"), ("3 ms", "bytes"), ("4 fish", "slots"), ("1e999999999", ""),
        ("５１２", "slots"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str, unit: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_quantity(text, unit)


@given(st.integers(-(2**53), 2**53), st.sampled_from(UNITS))
def test_whole_numbers_come_back(value: int, unit: str) -> None:
    assert parse_quantity(format_quantity(value, unit), unit) == value


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(UNITS))
def test_all_numbers_come_back(value: float, unit: str) -> None:
    assert parse_quantity(format_quantity(value, unit), unit) == value


@given(st.text(), st.sampled_from(UNITS))
def test_no_text_breaks_the_parser(text: str, unit: str) -> None:
    try:
        parse_quantity(text, unit)
    except ValueError as error:
        assert text in str(error)


@given(st.floats(), st.sampled_from((*UNITS, "bytes/s", "operations/s")))
def test_every_number_can_be_shown_roughly(value: float, unit: str) -> None:
    assert format_rough(value, unit)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (13002342, "bytes", "12.4 MiB"),
        (41234567.0, "operations/s", "41.2 M operations/s"),
        (2048.0, "bytes/s", "2 KiB/s"),
        (0.98765, "", "0.988"),
        (2048, "slots", "2048 slots"),
        (0, "%", "0 %"),
        (1, "bytes", "1 byte"),
        (float("nan"), "ms", "–"),
    ],
)
def test_rough_text(value: float, unit: str, text: str) -> None:
    assert format_rough(value, unit) == text


def test_exact_text() -> None:
    assert format_quantity(1536, "bytes") == "1536 bytes"
    assert format_quantity(2**30, "bytes") == "1 GiB"
    assert format_quantity(0, "bytes") == "0 bytes"
    assert format_quantity(1, "bytes") == "1 byte"
    assert format_number(0.1) == "0.1"
    assert format_number(3.0) == "3"


@pytest.mark.parametrize(
    ("name", "unit", "column"),
    [
        ("tls.capacity", "slots", "tls.capacity_slots"),
        ("os.reserved_bytes", "bytes", "os.reserved_bytes"),
        ("big.entries", "entries", "big.entries"),
        ("big.load", "entries/bucket", "big.load_entries_per_bucket"),
        ("usage", "%", "usage_percent"),
        ("big.hits", "", "big.hits"),
    ],
)
def test_columns_carry_their_unit_once(name: str, unit: str, column: str) -> None:
    assert name_column(name, unit) == column
