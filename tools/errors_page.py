#!/usr/bin/env python3
"""Writes docs/errors.md from src/base/errors.def; --check only says whether it is up to date."""
import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = re.compile(r'^HOLDFAST_ERROR\((\w+), (\d+), (\w+),\s*"((?:[^"\\]|\\.)*)"\)', re.M)
HEAD = """# Errors

Generated from `src/base/errors.def` by `tools/errors_page.py`; do not edit.

Every operating failure carries one of these names. With `--json` standard error gets one document
of type `error` with `code` (the name), `exit`, `message`, `while` (what was being done, innermost
first) and `next` (the remedy below). The exit status is restic's where restic has one for the same
thing.

*Retry* says what makes a second try worth it: **never** (the same call fails again), **backoff**
(it may pass by waiting; holdfast itself retries such calls to a store a bounded number of times),
or **after operator** (a person acts first).

| name | exit status | retry | what to do |
|---|---:|---|---|
"""


def page(rows):
    lines = [f"| `{name}` | {status} | {retry.replace('_', ' ')} | {remedy} |"
             for name, status, retry, remedy in rows]
    return HEAD + "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    definitions = (ROOT / "src/base/errors.def").read_text()
    rows = ROW.findall(definitions)
    if len(rows) != len(re.findall(r"^HOLDFAST_ERROR", definitions, re.M)):
        print("src/base/errors.def:1: a row is not `HOLDFAST_ERROR(name, status, retry, remedy)`")
        return 1
    target = ROOT / "docs/errors.md"
    if not check:
        target.write_text(page(rows))
    elif not target.exists() or target.read_text() != page(rows):
        print("docs/errors.md:1: differs from src/base/errors.def; run ./dev format")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
