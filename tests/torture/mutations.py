"""Changes that chance makes: to bytes, to the cells of a table, to the values of a JSON document."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

NASTY = (
    "", " ", "nan", "NaN", "None", "null", "inf", "-inf", "1e400", "-1e400", "1e38", "-1e36", "1e-40", "1e18", "0",
    "-0", "-1", "+", "-", ".", ",", "1,5", "1.000,5", "0x1F", "1_000", "１２", "1e", "--1", "9" * 25, "9" * 400,
    "0." + "0" * 400,
    "-9223372036854775808", "9223372036854775807", "9223372036854775808", "18446744073709551616", "true", "#REF!",
    "12 kW",
    "2024-13-45", "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "-0001-01-01", "2024-02-30", "1677-09-21",
    "2262-04-12", "2024-01-01T24:00", "2024-01-01 25:61", "2024-01-01T00:00:60", "2024-01-01T00:00+:3", "+:3", "24:00",
    "2024-01-01T00:00+99:99", "2024-01-01T00:00-00:60", "2024-03-31 02:30", "2024-10-27 02:30", "2024-W53-7",
    "2024-W54",
    "2024-366", "2023-366", "20240101", "2024010199", "99999999", "1/0/24", "31/04/2024", "1st", "Q5 2024", "2024Q0",
    "H3 2024", "FY", "1704067200", "1704067200000000000", "12:00 PM", "13:00 PM", "Mon", "Feb 30", "2024-01-01Z", "Z",
    "2024-01-01 00:00 Europe/Berlin", "2024-01-01T00:00:00.9999999999", "1970-01-01T00:00:00-24:00",
    '"', '""', "'", "\\", "\t", "\0", "\ufeff", "\u200b", "\u00a0", "é", "日本", "🦆", "\ud7ff", "a" * 3000, ";", "|",
    "\r", "\n",
    "=1+1", "%", "%Y", "{}", "[]", "__class__", "../x", "/dev/zero", "Unnamed: 0", "unnamed", "time", "y", "id",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, -3, 7, 0.5, -0.5, 1e-300, 1e30, 1e300, 2**31, 2**53, 2**63, -(2**63), 2**64, 10**9,
    10**7, 100_000, 10**30, "", "x", "nan", "day", "UTC", "../x", [], {}, [[]], [0], [-1], [1, 2, 3], [None], ["x"],
    {"a": 1}, {"type": "point"}, {"kind": "gru"}, "month", "us", "bday", "float", "int", "gru", "linear", "auto",
)  # fmt: skip


def of_bytes(content: bytes, random: Random) -> bytes:
    """One to four changes: a bit, a byte, a stretch lost, repeated or moved, the end cut off, a text put in."""
    for _ in range(random.choice((1, 1, 1, 3))):
        n = len(content)
        i = random.randrange(n + 1)
        j = min(n, i + random.choice((1, 2, 3, 8, 30, 200)))
        piece = content[i:j]
        kind = random.randrange(8)
        if kind == 0 and piece:
            content = content[:i] + bytes([piece[0] ^ (1 << random.randrange(8))]) + content[i + 1 :]
        elif kind == 1:
            content = content[:i] + random.randbytes(len(piece)) + content[j:]
        elif kind == 2:
            content = content[:i] + content[j:]
        elif kind == 3:
            content = content[:j] + piece * random.choice((1, 1, 2, 50)) + content[j:]
        elif kind == 4:
            content = content[:i]
        elif kind == 5:
            content = content[:i] + random.choice(NASTY).encode("utf-8", "replace") + content[i:]
        elif kind == 6:
            k = random.randrange(n + 1)
            rest = content[:i] + content[j:]
            content = rest[:k] + piece + rest[k:]
        else:
            content = content[:i] + bytes([random.choice(b"\n\r\t,;|\"'\0 .:-+eE/")]) + content[i + 1 :]
    return content


def of_table(text: str, random: Random, delimiter: str = ",") -> str:
    """One to four changes to cells, rows, columns or the header."""
    rows = [line.split(delimiter) for line in text.splitlines()]
    for _ in range(random.choice((1, 1, 1, 3))):
        width = max(map(len, rows), default=0)
        i, c = random.randrange(len(rows) + 1), random.randrange(width + 1)
        kind = random.randrange(13)
        if kind <= 3 and i < len(rows) and c < len(rows[i]):
            rows[i][c] = random.choice(NASTY)
        elif kind == 4:
            value = random.choice(NASTY)
            for row in rows[1:]:
                if c < len(row) and (kind := random.random()) < 0.9:
                    row[c] = value
        elif kind == 5 and len(rows) > 2:
            del rows[i : i + random.choice((1, 3, 40, 200))]
        elif kind == 6:
            rows[i:i] = [list(row) for row in rows[i : i + random.choice((1, 2, 60))]]
        elif kind == 7:
            random.shuffle(rows)
        elif kind == 8:
            for row in rows:
                del row[c : c + 1]
        elif kind == 9 and rows:
            rows[0] = [random.choice((name, *NASTY[-8:], "")) for name in rows[0]]
        elif kind == 10 and i < len(rows):
            rows[i] = rows[i] + [random.choice(NASTY)] * random.choice((1, 2))
        elif kind == 11:
            for row in rows[1:]:
                if c < len(row):
                    row[c] = f"{row[c]}{random.choice(NASTY[:60])}"
        else:
            rows[1:] = rows[:0:-1]
    lines = [delimiter.join(row) for row in rows]
    if rows and random.random() < 0.03:
        i = random.randrange(len(rows))
        lines[i] = random.choice(";\t |,").join(rows[i])
    return "\n".join(lines) + "\n"


def of_json(text: str, random: Random) -> str:
    """One to three changes to the values, the keys or the depth of a document."""
    value = json.loads(text)
    for _ in range(random.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            break
        inner, key = random.choice(places)
        kind = random.randrange(8)
        if kind <= 4:
            inner[key] = copy.deepcopy(random.choice(VALUES))
        elif kind == 5 and isinstance(inner[key], int | float) and not isinstance(inner[key], bool):
            inner[key] = random.choice((-inner[key], inner[key] + 1, inner[key] * 1000, inner[key] / 7))
        elif kind == 6:
            del inner[key]
        elif isinstance(inner, dict):
            inner[random.choice(("more", "type", "kind", "__class__", ""))] = inner[key]
        elif len(inner) < 100:
            inner.append(inner[key])
    return json.dumps(value)


def _places(value: Any, depth: int = 0) -> Any:
    """Every value in a document down to some depth, as what holds it and its key there."""
    if depth > 50:
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _places(inner, depth + 1)
