"""pytest plugin: one JSON line per test, in the file that INTEROP_RESULTS names. Subtests count for their test."""

import json
import os

_seen = {}


def _told(text):
    """The line that says most: what the gate answered, else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if "sallyport" in line] or lines[-1:]
    return said[0][:300] if said else ""


def pytest_runtest_logreport(report):
    entry = _seen.setdefault(report.nodeid, {"test": report.nodeid, "outcome": "passed", "detail": ""})
    if report.outcome == "failed" and entry["outcome"] != "failed":
        entry.update(outcome="failed", detail=_told(str(getattr(report, "longreprtext", ""))))
    elif report.outcome == "skipped" and entry["outcome"] == "passed":
        entry.update(outcome="skipped")
    if report.when == "teardown":
        with open(os.environ["INTEROP_RESULTS"], "a", encoding="utf-8") as out:
            out.write(json.dumps(entry) + "\n")


def pytest_collectreport(report):
    if report.failed:
        with open(os.environ["INTEROP_RESULTS"], "a", encoding="utf-8") as out:
            out.write(json.dumps({"test": report.nodeid, "outcome": "failed", "detail": "cannot be collected"}) + "\n")
