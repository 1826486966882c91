"""Many small objects: a tree of records is built, indexed, rewritten and thrown away, again and again."""

import sys
import zlib


class Record:
    def __init__(self, key, text, parts):
        self.key = key
        self.text = text
        self.parts = parts
        self.links = []


def build(count, state):
    records = []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2147483648
        words = [f"word{state % 997 + step}" for step in range(state % 5 + 1)]
        records.append(Record(state % 4096, " ".join(words), {word: (state, len(word)) for word in words}))
    for place, record in enumerate(records):
        record.links.append(records[place * 7919 % count])
    return records, state


def rewrite(records):
    index = {}
    for record in records:
        index.setdefault(record.key, []).append((record.text.upper(), list(record.parts.items())))
    lines = []
    for key in sorted(index):
        for text, parts in index[key]:
            lines.append(f"{key}:{text}:{sum(number for _, (number, _) in parts) % 65521}")
    return "\n".join(lines)


count = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
checksum, state = 0, 1
for _ in range(int(sys.argv[1])):
    records, state = build(count, state)
    checksum = zlib.crc32(rewrite(records).encode(), checksum)
print(f"{checksum:08x}")
