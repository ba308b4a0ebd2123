"""A full copy of a running server: what a killed one leaves, and that it gives way to others."""

import json
import os
import subprocess
import time

import judge
import pytest

COLLECTION_COUNT = 24
PATIENCE_SECONDS = 60


def fill(server, kilobytes=100):
    """Collections that are read one after the other, each a stretch of its own."""
    database = server.client().shop
    for number in range(COLLECTION_COUNT):
        database[f"part{number:02}"].insert_many(
            [{"_id": key, "text": os.urandom(512).hex()} for key in range(kilobytes)])


def expected(server):
    return {name: (judged.count, judged.digest)
            for name, judged in judge.judge_server(server.client()).items()}


def told(finished):
    return {row["ns"]: (row["count"], row["digest"]) for row in finished.json()["collections"]}


def start_backup(repository, server, *arguments):
    return subprocess.Popen(
        [str(repository.binary), "backup", "--dataset", "shop", *arguments, server.uri],
        env=repository.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)


def snapshot_count(repository):
    """Whole ones: a file that is being written has another name."""
    return len([path for path in repository.directory.glob("snapshots/*") if len(path.name) == 64])


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


@pytest.mark.parametrize("kind", ["scripted", "java", "ferretdb"])
def test_a_killed_backup_is_gone_on_with_and_nothing_is_read_twice(kind, repository, start_server):
    server = start_server(kind)
    fill(server)
    backup = start_backup(repository, server, "--max-rate", "400K", "--connections", "1")
    wait_until(lambda: snapshot_count(repository) > 0)
    backup.kill()
    backup.communicate()
    repository.run("points", "--dataset", "shop", status=1)  # nothing that could be restored

    again = repository.run("backup", "--dataset", "shop", "--json", server.uri)
    document = again.json()
    assert document["ranges_resumed"] > 0, again.stderr
    assert document["ranges_resumed"] + document["ranges_read"] == COLLECTION_COUNT
    assert told(again) == expected(server)
    # The base and, where there is an oplog, its segments; what was noted of the first run is gone.
    assert snapshot_count(repository) == (2 if server.abilities.oplog else 1)
    repository.check()


def test_a_backup_told_to_stop_keeps_what_it_has(repository, start_server):
    server = start_server("scripted")
    fill(server)
    backup = start_backup(repository, server, "--max-rate", "800K", "--connections", "1")
    time.sleep(1.5)
    backup.terminate()
    backup.communicate(timeout=PATIENCE_SECONDS)
    assert backup.returncode == 130
    again = repository.run("backup", "--dataset", "shop", "--json", server.uri)
    assert again.json()["ranges_resumed"] > 0
    assert told(again) == expected(server)


@pytest.mark.parametrize("seconds", [1.2, 2, 3])
def test_a_cut_during_a_slow_backup_does_no_harm(seconds, repository, start_server):
    """Also of a connection that nobody uses while documents are read."""
    server = start_server("scripted")
    for number in range(4):
        judge.insert_raw(server.client().shop[f"part{number}"],
                         judge.documents_of_every_kind(7000, seed=number))
    backup = start_backup(repository, server, "--max-rate", "8M", "--json")
    time.sleep(seconds)
    server.cut()
    stdout, stderr = backup.communicate(timeout=PATIENCE_SECONDS)
    assert backup.returncode == 0, stderr
    assert {row["ns"]: (row["count"], row["digest"])
            for row in json.loads(stdout)["collections"]} == expected(server)
    repository.check()


def test_a_rate_is_kept(repository, start_server):
    server = start_server("scripted")
    fill(server)
    begun = time.monotonic()
    again = repository.run("backup", "--dataset", "shop", "--json", "--max-rate", "1M", server.uri)
    spent = time.monotonic() - begun
    assert spent > 0.8 * again.json()["bytes_read"] / 2**20


def test_a_busy_server_is_given_way_to(repository, start_server):
    server = start_server("scripted")
    fill(server)
    server.busy(queued=50)
    backup = start_backup(repository, server, "--max-load", "10")
    time.sleep(3)
    assert backup.poll() is None
    server.busy(queued=0)
    _, stderr = backup.communicate(timeout=PATIENCE_SECONDS)
    assert backup.returncode == 0, stderr
    assert "50 operations wait in the server's queues" in stderr


def test_a_copy_without_writes_is_of_one_moment(repository, start_server):
    server = start_server("scripted")
    fill(server, kilobytes=10)
    told_first = repository.run("backup", "--dataset", "shop", "--json", server.uri).json()
    assert told_first["recoverable_from"] == told_first["recoverable_to"]
    assert told_first["member"] == f"127.0.0.1:{server.port}"


def test_an_empty_server_gives_an_empty_base(repository, start_server):
    server = start_server("scripted")
    document = repository.run("backup", "--dataset", "shop", "--json", server.uri).json()
    assert document["collections"] == []
    assert document["recoverable_from"]
    repository.check()


def test_an_election_during_a_backup_does_no_harm(repository, start_server):
    server = start_server("scripted", members=3)
    fill(server)
    backup = start_backup(repository, server, "--max-rate", "1M", "--connections", "2")
    time.sleep(1)
    server.election(seconds=0.5)
    _, stderr = backup.communicate(timeout=PATIENCE_SECONDS)
    assert backup.returncode == 0, stderr
    again = repository.run("backup", "--dataset", "shop", "--full", "--json", server.uri)
    assert told(again) == expected(server)
