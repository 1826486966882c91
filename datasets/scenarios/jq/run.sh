LD_PRELOAD= awk -v COUNT=15000 -f make.awk >measurements.json
jq --sort-keys 'group_by(.place) | map({place: .[0].place, count: length, high: (map(.values.high) | max), tags: (map(.tags[]) | unique), notes: map(.values.note | ascii_upcase | split(" ") | join("-"))})' measurements.json >report.json
