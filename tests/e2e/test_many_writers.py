"""Many writers at once, crashed holders, interrupted runs: nobody is blocked, nothing is lost."""

import os
import random
import signal
import subprocess
import time

MEBIBYTE = 1 << 20


def write_random(path, size, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    with path.open("wb") as file:
        for _ in range(size // MEBIBYTE):
            file.write(chance.randbytes(MEBIBYTE))


def start(holdfast, *arguments):
    return subprocess.Popen([str(holdfast.binary), *map(str, arguments)], env=holdfast.environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_stored(holdfast, wanted, process):
    """Until the run has put some packs under their own names, or ended."""
    limit = time.monotonic() + 60
    while holdfast.stored_bytes() < wanted and process.poll() is None:
        assert time.monotonic() < limit, "the run stores nothing"
        time.sleep(0.01)


def test_four_writers_and_a_prune_at_the_same_time(repository, restic, tmp_path):
    write_random(tmp_path / "old", 4 * MEBIBYTE, 0)
    repository.run("backup", tmp_path / "old", "--tag", "old")
    for writer in range(4):
        write_random(tmp_path / f"tree{writer}" / "shared", 4 * MEBIBYTE, "shared")
        write_random(tmp_path / f"tree{writer}" / "own", 8 * MEBIBYTE, writer)
    writers = [start(repository, "backup", tmp_path / f"tree{writer}") for writer in range(4)]
    pruning = start(repository, "prune", "--keep-last", "1")
    for process in [*writers, pruning]:
        output = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert len(repository.run("points", "--json").json()["points"]) == 5
    repository.check()
    restic.check()


def test_a_killed_holder_does_not_block_the_next_run(repository, restic, tmp_path):
    write_random(tmp_path / "tree" / "large", 200 * MEBIBYTE, 1)
    killed = start(repository, "backup", tmp_path / "tree")
    wait_until_stored(repository, 1, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert repository.run("points", "--json").json()["points"] == []
    started = time.monotonic()
    repository.run("backup", tmp_path / "tree")
    repository.run("prune", "--keep-last", "1")
    assert time.monotonic() - started < 80, "the dead holder's lock was waited for"
    repository.check()
    restic.check()


def test_an_interrupted_backup_ends_with_130_and_the_next_one_goes_on(repository, tmp_path):
    write_random(tmp_path / "tree" / "large", 300 * MEBIBYTE, 2)
    run = start(repository, "backup", tmp_path / "tree", "--threads", "1")
    wait_until_stored(repository, 1, run)
    run.send_signal(signal.SIGINT)
    output = run.communicate(timeout=60)
    if run.returncode == 0:
        return  # it was done before the signal came
    assert run.returncode == 130, output
    before = repository.stored_bytes()
    assert before > 0
    summary = repository.run("backup", tmp_path / "tree", "--json").json()
    assert summary["data_added"] <= 301 * MEBIBYTE - before * 0.9, "what was stored is used again"
    repository.check()


def test_restic_and_holdfast_write_at_the_same_time(repository, restic, tmp_path):
    for writer in range(4):
        write_random(tmp_path / f"tree{writer}" / "file", 8 * MEBIBYTE, writer)
    ours = [start(repository, "backup", tmp_path / f"tree{writer}") for writer in range(2)]
    theirs = [subprocess.Popen([restic.program, "--no-cache", "backup", tmp_path / f"tree{writer}"],
                               env=restic.environment, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE) for writer in (2, 3)]
    for process in [*ours, *theirs]:
        output = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert len(repository.run("points", "--json").json()["points"]) == 4
    repository.check()
    restic.check()


def test_an_exclusive_lock_of_restic_is_honoured(repository, restic, tmp_path):
    """restic holds its lock while it checks; a prune of ours does not start beside it."""
    write_random(tmp_path / "tree" / "file", 64 * MEBIBYTE, 5)
    repository.run("backup", tmp_path / "tree")
    checking = subprocess.Popen([restic.program, "--no-cache", "check", "--read-data"],
                                env=restic.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
    limit = time.monotonic() + 30
    while not os.listdir(repository.directory / "locks") and checking.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.002)
    finished = repository.run("backup", tmp_path / "tree", "--wait-lease", "0s", status=None)
    still_checking = checking.poll() is None
    checking.communicate()
    assert finished.status in ((11,) if still_checking else (0, 11)), finished.stderr
    if finished.status == 11:
        assert "pid" in finished.stderr
    repository.run("backup", tmp_path / "tree", "--wait-lease", "1m")
    repository.check()
