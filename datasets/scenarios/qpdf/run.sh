LD_PRELOAD= python3 -s make.py
qpdf --linearize --object-streams=generate --recompress-flate --deterministic-id document.pdf smaller.pdf
