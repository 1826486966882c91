"""A dashboard for Grafana: the charts that mean the same for every allocator, and those of the process."""

from __future__ import annotations

from typing import Any

#: Title, unit as Grafana names it, and the query of each panel; {} is replaced by the chosen processes.
_PANELS = (
    ("Allocations", "ops", "sum by (program, pid) (rate(allocator_operations_total{}[$__rate_interval]))"),
    ("Cache misses", "ops", "sum by (program, pid) (rate(allocator_misses_total{}[$__rate_interval]))"),
    ("In use", "bytes", "sum by (program, pid) (allocator_live_bytes{})"),
    ("Cached", "bytes", "sum by (program, pid) (allocator_cached_bytes{})"),
    ("Not yet given back", "bytes", "sum by (program, pid) (allocator_dirty_bytes{})"),
    ("Resident", "bytes", "process_resident_bytes{}"),
    ("Processor time", "short", "rate(process_processor_time_seconds_total{}[$__rate_interval])"),
    ("Page faults", "ops", "rate(process_minor_faults_total{}[$__rate_interval])"),
    ("Memory cgroup", "bytes", "cgroup_memory_bytes{}"),
)
_CHOSEN = '{program=~"$program", pid=~"$pid"}'
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3  # of 24 units


def make_dashboard() -> dict[str, Any]:
    """Make the dashboard as Grafana imports it (schema 39, Grafana 10 and later)."""
    panels = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": title,
            "datasource": _DATASOURCE,
            "gridPos": {
                "x": number % _COLUMNS * _WIDTH,
                "y": number // _COLUMNS * _HEIGHT,
                "w": _WIDTH,
                "h": _HEIGHT,
            },
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "options": {},
            "targets": [
                {
                    "refId": "A",
                    "datasource": _DATASOURCE,
                    "expr": query.replace("{}", _CHOSEN),
                    "legendFormat": "{{program}} {{pid}}",
                }
            ],
        }
        for number, (title, unit, query) in enumerate(_PANELS)
    ]
    source = {"name": "datasource", "type": "datasource", "label": "Source", "hide": 0, "query": "prometheus"}
    variables = [
        {
            "name": name,
            "type": "query",
            "label": name.capitalize(),
            "hide": 0,
            "datasource": _DATASOURCE,
            "query": f"label_values(process_resident_bytes{chosen}, {name})",
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "current": {"text": "All", "value": "$__all"},
        }
        for name, chosen in (("program", ""), ("pid", '{program=~"$program"}'))
    ]
    return {
        "title": "Memory allocators",
        "uid": "workbench-allocators",
        "schemaVersion": 39,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "editable": True,
        "graphTooltip": 1,
        "templating": {"list": [source, *variables]},
        "panels": panels,
    }
