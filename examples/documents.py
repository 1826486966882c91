"""Writes and reads JSON documents, keeps some of them, and tells how many it did in a second."""

import json
import sys
import time

count = int(sys.argv[1])
started_s = time.perf_counter()
kept = {}
for number in range(count):
    words = [f"word {number * step}" for step in range(100)]
    document = {"id": number, "words": words, "tags": {"even": number % 2 == 0}}
    kept[number % 500] = json.loads(json.dumps(document))
seconds = time.perf_counter() - started_s
json.dump({"documents_per_s": count / seconds, "kept": len(kept)}, sys.stdout)
