"""Retention and pruning against restic: the same snapshots kept for the same reasons, and what
either of the two prunes, the other still finds sound."""

import json
import re

import pytest

pytestmark = pytest.mark.slow

# Times chosen to sit on both sides of hours, days, ISO weeks, months, years and leap days.
TIMES = [
    "2021-12-31 23:59:59", "2022-01-01 00:00:00", "2023-01-01 12:00:00", "2023-01-02 00:00:00",
    "2023-12-31 23:30:00", "2024-01-01 00:30:00", "2024-02-28 08:00:00", "2024-02-29 08:00:00",
    "2024-03-01 08:00:00", "2024-03-31 12:00:00", "2024-12-29 23:59:59", "2024-12-30 00:00:00",
    "2025-01-05 23:59:59", "2025-01-06 00:00:00", "2025-03-10 10:10:00", "2025-03-10 10:50:00",
    "2025-03-10 11:00:00", "2025-03-10 11:00:01", "2025-03-11 09:00:00", "2025-03-11 21:00:00",
]
POLICIES = [
    ["--keep-last", "3"],
    ["--keep-last", "100"],
    ["--keep-hourly", "3"],
    ["--keep-daily", "4"],
    ["--keep-weekly", "5"],
    ["--keep-monthly", "6"],
    ["--keep-yearly", "10"],
    ["--keep-last", "2", "--keep-daily", "3", "--keep-weekly", "2", "--keep-yearly", "1"],
    ["--keep-within", "1m"],
    ["--keep-within", "1y2m3d4h"],
    ["--keep-within-hourly", "2d"],
    ["--keep-within-daily", "3m", "--keep-within-yearly", "10y"],
    ["--keep-within-weekly", "1y", "--keep-within-monthly", "2y"],
    ["--keep-tag", "gold"],
    ["--keep-tag", "gold,odd", "--keep-last", "1"],
]


def version_of(restic):
    found = re.search(r"restic (\d+)\.(\d+)", restic.run("version").stdout)
    return int(found.group(1)), int(found.group(2))


def tags_of(number):
    tags = (["gold"] if number % 5 == 0 else []) + (["odd"] if number % 2 else [])
    return [part for tag in tags for part in ("--tag", tag)]


@pytest.fixture
def history(restic, tmp_path):
    """A repository made by restic with one small snapshot at each of TIMES."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("hello")
    restic.run("init")
    for number, time in enumerate(TIMES):
        restic.run("backup", "--quiet", "--time", time, *tags_of(number), source)
    return restic


def kept_by_restic(restic, policy):
    groups = json.loads(restic.run("forget", "--dry-run", "--json", *policy).stdout)
    return {kept["id"]: sorted(reason["matches"])
            for group in groups for kept, reason in zip(group["keep"], group["reasons"])}


def kept_by_holdfast(holdfast, policy, knows_oldest):
    plan = holdfast.run("prune", "--dry-run", "--json", *policy).json()
    kept = {}
    for snapshot in plan["snapshots"]:
        reasons = snapshot["reasons"]
        if not knows_oldest:  # restic before 0.16 does not keep the oldest as well
            reasons = [reason for reason in reasons if not reason.startswith("oldest ")]
        if reasons:
            kept[snapshot["id"]] = sorted(reasons)
    return kept


def test_the_same_snapshots_are_kept_for_the_same_reasons(holdfast, history):
    knows_oldest = version_of(history) >= (0, 16)
    for policy in POLICIES:
        ours = kept_by_holdfast(holdfast, policy, knows_oldest)
        theirs = kept_by_restic(history, policy)
        assert set(ours) == set(theirs), policy
        if not any("tag" in word for word in policy):  # they write tag lists in another way
            assert ours == theirs, policy


def test_what_we_prune_restic_finds_sound_and_the_other_way_round(holdfast, history, tmp_path):
    source = tmp_path / "source"
    for number in range(6):
        (source / f"noise{number}").write_bytes(bytes((number * i) % 251 for i in range(300_000)))
        history.run("backup", "--quiet", source)
    holdfast.run("prune", "--keep-last", "2", "--max-unused", "0")
    history.check()
    holdfast.check()
    (source / "noise3").unlink()
    history.run("backup", "--quiet", source)
    holdfast.run("backup", source)
    history.run("forget", "--prune", "--keep-last", "1", "--quiet")
    history.check()
    holdfast.check()
    holdfast.run("prune", "--keep-last", "1")
    history.check()
