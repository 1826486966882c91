"""Writes a document of many pages as PDF, its objects by hand."""

import pathlib
import random
import zlib

PAGES = 900

rng = random.Random(9)
objects = {}
kids = []
objects[3] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
for page in range(PAGES):
    number = 10 + page * 3
    lines = [b"BT /F1 11 Tf 40 800 Td 14 TL"]
    for _ in range(45):
        lines.append(b"(" + b" ".join(b"word%d" % rng.randrange(2000) for _ in range(11)) + b") Tj T*")
    content = zlib.compress(b"\n".join([*lines, b"ET"]))
    objects[number] = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Annots [%d 0 R] "
        b"/Resources << /Font << /F1 3 0 R >> >> >>" % (number + 1, number + 2)
    )
    objects[number + 1] = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (
        len(content),
        content,
    )
    target = 10 + rng.randrange(PAGES) * 3
    objects[number + 2] = (
        b"<< /Type /Annot /Subtype /Link /Rect [40 30 200 45] /Border [0 0 0] "
        b"/Dest [%d 0 R /XYZ 0 842 null] /Contents (to page %d) >>" % (target, target)
    )
    kids.append(b"%d 0 R" % number)
objects[1] = b"<< /Type /Catalog /Pages 2 0 R >>"
objects[2] = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (PAGES, b" ".join(kids))
output = bytearray(b"%PDF-1.5\n")
places = {}
for number in sorted(objects):
    places[number] = len(output)
    output += b"%d 0 obj\n%b\nendobj\n" % (number, objects[number])
start = len(output)
output += b"xref\n0 1\n0000000000 65535 f \n"
for number, place in places.items():
    output += b"%d 1\n%010d 00000 n \n" % (number, place)
output += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (max(objects) + 1, start)
pathlib.Path("document.pdf").write_bytes(output)
