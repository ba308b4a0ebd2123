"""What goes wrong with a live server: one clear error with its status, and the next run goes on."""

import json
import os
import re
import subprocess
import time

import bson
import judge
import live
import pymongo
import pytest
import servers

pytestmark = pytest.mark.slow

USAGE, FAILED, REFUSED, UNREACHABLE, DENIED, STORE_FULL = 2, 1, 14, 15, 16, 13
SECRET = "hunter2-never-shown"


def assert_one_error(finished):
    """One line says what is wrong; nothing of an exception or a crash."""
    errors = [line for line in finished.stderr.splitlines() if line.startswith("holdfast: ")]
    assert len(errors) >= 1, finished.stderr
    assert SECRET not in finished.stderr + finished.stdout
    assert "terminate called" not in finished.stderr


def fill(server, count=3000):
    judge.insert_raw(server.client().shop.orders, judge.documents_of_every_kind(count))
    return judge.judge_server(server.client())


@pytest.fixture
def filled(start_server):
    server = start_server("scripted")
    fill(server)
    return server


@pytest.mark.parametrize("verb", ["backup", "stream"])
@pytest.mark.parametrize("uri", [
    f"mongodb://bk:{SECRET}@host:notaport/", f"mongodb://bk:{SECRET}@/?replicaSet",
    f"mongodb://bk:{SECRET}@[::1/"])
def test_a_wrong_uri_is_refused_without_showing_its_password(verb, uri, repository):
    finished = repository.run(verb, "--dataset", "shop", uri, status=USAGE)
    assert_one_error(finished)


@pytest.mark.parametrize("verb", ["backup", "stream"])
def test_a_server_that_is_not_there_is_named(verb, repository):
    port = servers.free_ports(1)[0]
    uri = f"mongodb://bk:{SECRET}@127.0.0.1:{port}/?serverSelectionTimeoutMS=1000"
    finished = repository.run(verb, "--dataset", "shop", uri, status=UNREACHABLE)
    assert f"127.0.0.1:{port}" in finished.stderr
    assert_one_error(finished)


@pytest.mark.parametrize("verb", ["backup", "stream", "restore"])
def test_a_wrong_password_is_denied_and_never_shown(verb, start_server, repository):
    server = start_server("scripted", user="bk:the-right-one")
    server.client().shop.orders.insert_one({"_id": 1})
    repository.run("backup", "--dataset", "shop", server.uri)
    uri = server.uri_as(f"bk:{SECRET}")
    arguments = ["--to", uri] if verb == "restore" else [uri]
    finished = repository.run(verb, "--dataset", "shop", *arguments, status=DENIED)
    assert_one_error(finished)


def test_a_uri_can_come_from_a_file_or_a_command(start_server, repository, tmp_path):
    server = start_server("scripted", user=f"bk:{SECRET}")
    server.client().shop.orders.insert_one({"_id": 1})
    file = tmp_path / "uri"
    file.write_text(server.uri + "\n")
    file.chmod(0o600)
    first = repository.run("backup", "--dataset", "shop", "--uri-file", file)
    second = repository.run("backup", "--dataset", "shop", "--full", "--uri-command",
                            f"cat {file}")
    assert SECRET not in first.stdout + first.stderr + second.stdout + second.stderr


def test_a_missing_grant_is_named_before_anything_is_done(filled, repository):
    filled.user("bk@admin", [{"resource": {"db": "shop", "collection": ""},
                              "actions": ["find", "listCollections", "listIndexes"]}])
    finished = repository.run("stream", "--dataset", "shop", filled.uri, status=DENIED)
    assert "local" in finished.stderr and "find" in finished.stderr
    assert_one_error(finished)
    assert live.points(repository) is None


def stored_files(repository):
    """Locks come and go; all else stays."""
    return sorted(path for path in repository.directory.rglob("*")
                  if path.is_file() and path.parent.name != "locks")


def test_a_dry_run_of_a_database_says_what_would_be_done_and_stores_nothing(filled, repository):
    before = stored_files(repository)
    told = repository.run("backup", "--dry-run", "--dataset", "shop", "--json", filled.uri).json()
    assert (told["kind"], told["would_be"]) == ("dry-run", "full")
    assert "no base" in told["reason"]
    finished = repository.run("backup", "--dry-run", "--dataset", "shop", filled.uri)
    assert "read from the server" in finished.stdout and "nothing was stored" in finished.stdout
    assert stored_files(repository) == before

    repository.run("backup", "--dataset", "shop", filled.uri)
    filled.client().shop.orders.insert_one({"_id": "new"})
    before = stored_files(repository)
    for options, expected in (([], "synthetic"), (["--full"], "full")):
        told = repository.run("backup", "--dry-run", "--dataset", "shop", *options, "--json",
                              filled.uri).json()
        assert told["would_be"] == expected
    assert "computed" in repository.run("backup", "--dry-run", "--dataset", "shop",
                                        filled.uri).stdout
    assert stored_files(repository) == before


def test_a_dry_run_knows_an_overwritten_oplog_and_another_replica_set(filled, repository,
                                                                      start_server):
    repository.run("backup", "--dataset", "shop", filled.uri)
    other = start_server("scripted", arguments=["--set-id", "6" * 24])
    arguments = ["backup", "--dry-run", "--dataset", "shop", "--json"]
    repository.run(*arguments, other.uri, status=REFUSED)
    time.sleep(1.1)
    filled.client().shop.orders.insert_many([{"_id": f"new {number}"} for number in range(20)])
    filled.rollover(entries=2)
    told = repository.run(*arguments, filled.uri).json()
    assert told["would_be"] == "full" and "overwritten" in told["reason"]
    done = repository.run("backup", "--dataset", "shop", "--json", filled.uri).json()
    assert done["kind"] == "full"


def test_a_dry_run_meets_the_same_refusals_as_the_backup(filled, repository):
    filled.user("bk@admin", [{"resource": {"db": "shop", "collection": ""}, "actions": ["find"]}])
    finished = repository.run("backup", "--dry-run", "--dataset", "shop", filled.uri,
                              status=DENIED)
    assert_one_error(finished)


def test_plan_check_names_what_a_user_lacks(filled, repository):
    filled.user("bk@admin", [{"resource": {"db": "shop", "collection": ""}, "actions": ["find"]}])
    finished = repository.run("plan", "check", filled.uri, "--json", status=None)
    assert finished.status in (0, DENIED)
    assert "listDatabases" in finished.stdout + finished.stderr


def test_a_lone_server_has_no_stream(start_server, repository):
    server = start_server("scripted", arguments=["--set", ""])
    uri = f"mongodb://127.0.0.1:{server.port}/"
    finished = repository.run("stream", "--dataset", "shop", uri, status=None)
    assert finished.status != 0
    assert "replica set" in finished.stderr
    assert_one_error(finished)


def lone_server(start_server):
    """A server without a replica set, with one document; and its URI."""
    server = start_server("scripted", arguments=["--set", ""])
    uri = f"mongodb://127.0.0.1:{server.port}/?serverSelectionTimeoutMS=1000"
    with pymongo.MongoClient(uri) as client:
        client.shop.orders.insert_one({"_id": 1})
    return server, uri


def test_the_role_of_the_guide_is_just_enough_for_a_backup_and_a_stream(filled, repository):
    guide = (servers.ROOT / "docs" / "guide" / "06-live-database.md").read_text()
    role = json.loads(re.search(r"createRole\((\{.*?\})\)\n", guide, re.S).group(1))
    privileges = role["privileges"]
    filled.user("bk@admin", privileges)
    repository.run("backup", "--dataset", "shop", filled.uri)
    repository.run("stream", "--dataset", "shop", "--for", "1", filled.uri)
    for left_out in range(len(privileges)):
        filled.user("bk@admin", privileges[:left_out] + privileges[left_out + 1:])
        for verb in ("backup", "stream"):
            repository.run(verb, "--dataset", "shop", filled.uri, status=DENIED)
    on_what_exists = dict(privileges[1], resource={"db": "shop", "collection": ""})
    filled.user("bk@admin", [privileges[0], on_what_exists, *privileges[2:]])
    finished = repository.run("backup", "--dataset", "shop", filled.uri, status=DENIED)
    assert "find on any database" in finished.stderr and "grantRolesToUser" in finished.stderr


def test_every_kind_of_backup_tells_what_is_recoverable(filled, repository):
    arguments = ["backup", "--dataset", "shop", "--json", filled.uri]
    first = repository.run(*arguments).json()
    unchanged = repository.run(*arguments).json()
    assert unchanged["kind"] == "unchanged" and "snapshot_id" not in unchanged
    assert unchanged["recoverable_from"] == first["recoverable_from"]
    filled.client().shop.orders.insert_one({"_id": "new"})
    computed = repository.run(*arguments, "--new-base").json()
    assert computed["kind"] == "synthetic" and computed["snapshot_id"]
    assert computed["recoverable_from"] == first["recoverable_from"]
    assert computed["recoverable_to"] == computed["at"]
    assert live.stamp_of(computed["at"]) >= live.newest(filled.client())


def test_a_tag_that_no_base_gets_is_told(filled, repository):
    arguments = ["backup", "--dataset", "shop", "--tag", "before-migration", filled.uri]
    assert "--tag" not in repository.run(*arguments).stderr
    finished = repository.run(*arguments)
    assert "nothing is new" in finished.stdout and "--tag was not applied" in finished.stderr
    filled.client().shop.orders.insert_one({"_id": "new"})
    assert "--tag" not in repository.run(*arguments, "--new-base").stderr
    tagged = [point for point in repository.run("points", "--json").json()["points"]
              if "before-migration" in point["tags"]]
    assert len(tagged) >= 2


def test_plan_check_says_that_a_lone_server_has_no_stream(start_server, filled, repository):
    _, uri = lone_server(start_server)
    lines = repository.run("plan", "check", uri).stdout.splitlines()
    assert [line for line in lines if line.startswith("stream ")] == [
        "stream   impossible: there is no oplog to read"]
    assert "backup   nothing is missing" in lines
    told = repository.run("plan", "check", "--json", uri).json()
    assert told["stream_possible"] is False and "replica set" in told["oplog_obstacle"]
    told = repository.run("plan", "check", "--json", filled.uri).json()
    assert told["stream_possible"] is True


def test_status_counts_copies_of_a_server_without_an_oplog(start_server, repository):
    server, uri = lone_server(start_server)
    repository.run("backup", "--dataset", "shop", uri)
    told = repository.run("status", "--dataset", "shop", "--json").json()
    assert (told["bases"], told["timeless"]) == (0, 1)
    assert told["newest_timeless"] and 0 <= told["achieved_rpo_s"] < 60
    text = repository.run("status", "--dataset", "shop").stdout
    assert "1 copy without a time" in text and "yet" not in text

    asked = repository.run("status", "--dataset", "shop", uri).stdout
    assert "1 copy without a time" in asked and "no member of a replica set" in asked
    told = repository.run("status", "--dataset", "shop", "--json", uri).json()
    assert told["timeless"] == 1 and "replica set" in told["oplog_obstacle"]

    server.kill()
    gone = repository.run("status", "--dataset", "shop", uri, status=UNREACHABLE)
    assert "1 copy without a time" in gone.stdout
    assert_one_error(gone)
    gone = repository.run("status", "--dataset", "shop", "--json", uri, status=UNREACHABLE)
    assert gone.json()["timeless"] == 1
    assert gone.json()["server_error"]["code"] == "server_unreachable"


def test_status_says_that_history_was_overwritten_and_what_helps(filled, repository):
    repository.run("backup", "--dataset", "shop", filled.uri)
    assert "lost" not in repository.run("status", "--dataset", "shop", filled.uri).stdout
    time.sleep(1.1)
    filled.client().shop.orders.insert_many([{"_id": f"new {number}"} for number in range(20)])
    filled.rollover(entries=2)
    text = repository.run("status", "--dataset", "shop", filled.uri).stdout
    assert "is lost" in text and "holdfast backup" in text and "headroom       -" not in text
    lost = repository.run("status", "--dataset", "shop", "--json", filled.uri).json()["lost"]
    assert live.stamp_of(lost["after"]) < live.stamp_of(lost["before"])


def test_an_unknown_command_in_the_oplog_is_refused_from_there_on(filled, repository, tmp_path):
    repository.run("backup", "--dataset", "shop", filled.uri)
    stream = live.Stream(repository, filled.uri)
    orders = filled.client().shop.orders
    orders.insert_one({"_id": "before"})
    before = filled.position()
    expected = judge.judge_collection(orders)
    unknown = filled.log_entry({"op": "c", "ns": "shop.$cmd", "o": {"turnAround": "orders"}})
    orders.insert_one({"_id": "after"})
    stream.wait_until(before)
    time.sleep(2)
    if stream.is_running():
        stream.stop()
    else:
        stream.wait()
    finished = repository.run("export", "--dataset", "shop", "--at", live.at(unknown), "--to",
                              tmp_path / "after", status=None)
    assert finished.status != 0
    assert "turnAround" in finished.stderr + stream.stderr.decode()
    repository.run("export", "--dataset", "shop", "--at", live.at(before), "--to",
                   tmp_path / "before")
    assert judge.judge_dump(tmp_path / "before")["shop.orders"] == expected


def test_a_target_that_is_not_empty_is_refused_unless_named(filled, repository, start_server):
    repository.run("backup", "--dataset", "shop", filled.uri)
    target = start_server("scripted")
    target.client().shop.orders.insert_one({"_id": "mine"})
    arguments = ["restore", "--dataset", "shop", "--to", target.uri]
    finished = repository.run(*arguments, status=REFUSED)
    assert "shop.orders" in finished.stderr
    assert target.client().shop.orders.count_documents({}) == 1
    repository.run(*arguments, "--in-place", "--confirm", "other", status=REFUSED)
    assert target.client().shop.orders.count_documents({}) == 1
    repository.run(*arguments, "--in-place", "--confirm", "shop")
    assert judge.judge_server(target.client()) == judge.judge_server(filled.client())


def test_a_moment_outside_of_the_window_is_refused_with_the_nearest(filled, repository,
                                                                    start_server):
    repository.run("backup", "--dataset", "shop", filled.uri)
    to = live.points(repository)["windows"][-1]["to"]["at"]
    target = start_server("scripted")
    for moment in ("1000,1", f"{2**31},1"):
        finished = repository.run("restore", "--dataset", "shop", "--at", moment, "--to",
                                  target.uri, status=FAILED)
        assert_one_error(finished)
    assert to in finished.stderr
    assert target.client().list_database_names() == ["admin", "config", "local"]


DRY_RUNS = [["--dry-run"], ["--dry-run", "--in-place", "--confirm", "shop"],
            ["--dry-run", "--missing-only"], ["--dry-run", "--changed-only"], ["--preview"]]


@pytest.mark.parametrize("arguments", DRY_RUNS, ids=" ".join)
def test_a_dry_run_of_a_database_changes_nothing(arguments, filled, repository):
    repository.run("backup", "--dataset", "shop", filled.uri)
    orders = filled.client().shop.orders
    orders.delete_many({"_id": {"$lt": 10}})
    orders.update_one({"_id": 20}, {"$set": {"changed": True}})
    if "--in-place" not in arguments and len(arguments) == 1:
        orders.drop()
    before = judge.judge_server(filled.client())
    repository.run("restore", "--dataset", "shop", "--to", filled.uri, *arguments)
    assert judge.judge_server(filled.client()) == before
    assert live.NOTES not in filled.client().list_database_names()


@pytest.mark.parametrize("option", [["--exclude", "x"], ["-i", "x"], ["--overwrite"], ["--verify"],
                                    ["--threads", "2"]], ids=lambda option: option[0])
@pytest.mark.parametrize("asked", [["--dataset", "shop"], ["--undo", "1234"]], ids=lambda a: a[0])
def test_an_option_for_files_is_refused_for_a_database(option, asked, repository):
    finished = repository.run("restore", *asked, "--to", "mongodb://127.0.0.1:1/", *option,
                              status=USAGE)
    name = {"-i": "--include"}.get(option[0], option[0])
    assert f"{name} is for files" in finished.stderr
    assert_one_error(finished)


@pytest.mark.parametrize("option", [
    ["--at", "last"], ["--only", "shop"], ["--rename", "a=b"], ["--missing-only"],
    ["--changed-only"], ["--id", "1"], ["--filter", "{}"], ["--in-place"], ["--confirm", "shop"],
    ["--no-users"], ["--connections", "2"], ["--memory", "1G"]], ids=lambda option: option[0])
def test_an_option_for_a_database_is_refused_for_files(option, repository, tmp_path):
    finished = repository.run("restore", "latest", "--to", tmp_path / "out", *option, status=USAGE)
    assert f"{option[0]} is for a database" in finished.stderr
    assert_one_error(finished)


@pytest.mark.parametrize("target", [
    f"mongodb://bob:{SECRET}@127.0.0.1:1/", f"mongodb+srv://bob:{SECRET}@host/",
    f" mongodb://bob:{SECRET}@127.0.0.1:1/", f"mongodb://bob:{SECRET}@/bad"])
def test_files_are_never_restored_into_a_directory_named_like_a_server(target, filled, repository,
                                                                       tmp_path):
    told = repository.run("backup", "--dataset", "shop", filled.uri, "--json").json()
    place = tmp_path / "here"
    place.mkdir()
    base = told["snapshot_id"][:8]
    for options in ([base], [base, "--at", "last"], [base + ":/shop"], []):
        finished = repository.run("restore", *options, "--to", target, status=USAGE, cwd=place)
        assert "a database needs --dataset NAME" in finished.stderr
        assert ("is of --dataset shop" in finished.stderr) == bool(options)
        assert_one_error(finished)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("target", ["holdfast_restore", "admin", "config", "local"])
@pytest.mark.parametrize("more", [[], ["--missing-only"], ["--in-place", "--confirm", "shop"]],
                         ids=lambda more: "".join(more[:1]))
def test_what_is_not_ours_to_write_is_no_new_name(target, more, filled, repository):
    repository.run("backup", "--dataset", "shop", filled.uri)
    before = filled.client().list_database_names()
    finished = repository.run("restore", "--dataset", "shop", "--to", filled.uri, "--rename",
                              f"shop={target}", *more, status=USAGE)
    assert f"--rename shop={target}: that database is" in finished.stderr
    assert_one_error(finished)
    assert filled.client().list_database_names() == before


TYPOS = [
    (["--only", "shop.orders", "--only", "nope.x"], FAILED, "--only nope.x"),
    (["--only", "shop.orders", "--rename", "shop.order=shop.rescue"], FAILED,
     "--rename shop.order=shop.rescue"),
    (["--rename", "shp=rescue"], FAILED, "--rename shp=rescue"),
    (["--only", "shop.o*"], USAGE, "DB, DB.* or DB.COLLECTION"),
    (["--rename", "shop=a", "--rename", "shop=b"], USAGE, "--rename shop=b"),
    (["--rename", "shop.orders=a.x", "--rename", "shop.users=a.x"], USAGE,
     "--rename shop.users=a.x"),
    (["--rename", "shop.orders=shop.users"], USAGE, "shop.users"),
]


@pytest.mark.parametrize("mode", [[], ["--missing-only"], ["--changed-only"],
                                  ["--in-place", "--confirm", "shop"]],
                         ids=lambda mode: "".join(mode[:1]))
def test_a_typo_in_a_choice_is_named_and_nothing_is_written(mode, filled, repository):
    client = filled.client()
    client.shop.users.insert_one({"_id": 1})
    repository.run("backup", "--dataset", "shop", filled.uri)
    client.shop.orders.delete_many({"_id": {"$lt": 10}})
    client.shop.orders.update_one({"_id": 20}, {"$set": {"changed": True}})
    before = judge.judge_server(client)
    for arguments, status, named in TYPOS:
        finished = repository.run("restore", "--dataset", "shop", "--to", filled.uri, *arguments,
                                  *mode, status=status)
        assert named in finished.stderr
        assert_one_error(finished)
        assert judge.judge_server(client) == before
    if mode:  # the one wildcard that there is
        repository.run("restore", "--dataset", "shop", "--to", filled.uri, "--only", "shop.*",
                       *mode)
        assert judge.judge_server(client) != before


def small_disk(path):
    """A file system of 24 MiB, or None where that can not be made."""
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", path],
                             capture_output=True, check=False)
    return mounted.returncode == 0


def test_a_full_store_is_told_and_the_next_run_goes_on(tmp_path, holdfast, start_server):
    disk = tmp_path / "disk"
    if os.geteuid() != 0 or not small_disk(disk):
        pytest.skip("no file system of its own can be mounted here")
    try:
        holdfast.environment["HOLDFAST_REPOSITORY"] = str(disk / "repository")
        holdfast.run("init")
        server = start_server("scripted")
        # Documents that do not compress, more than the disk holds.
        server.client().shop.blobs.insert_many(
            [{"_id": number, "noise": os.urandom(30_000)} for number in range(1500)])
        finished = holdfast.run("backup", "--dataset", "shop", server.uri, status=STORE_FULL)
        assert_one_error(finished)
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        holdfast.run("backup", "--dataset", "shop", server.uri)
        target = start_server("scripted")
        holdfast.run("restore", "--dataset", "shop", "--to", target.uri)
        assert judge.judge_server(target.client()) == judge.judge_server(server.client())
        holdfast.check()
    finally:
        subprocess.run(["umount", disk], check=True)


def run_and_kill(repository, server, bytes_until_death, *arguments):
    """Runs a command whose server dies after so many bytes more were sent. What it said."""
    process = subprocess.Popen([str(repository.binary), *arguments], env=repository.environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    begun = server.counters()["bytes"]
    while process.poll() is None and server.counters()["bytes"] < begun + bytes_until_death:
        time.sleep(0.005)
    server.kill()
    _, stderr = process.communicate(timeout=180)
    return process.returncode, stderr


def test_a_server_that_dies_during_a_backup_leaves_what_was_read(corpus, repository,
                                                                 start_server):
    history = corpus("delta-1")
    server = start_server("scripted", corpus=history, state="2")
    server.slow(0.02)
    uri = server.uri + "&serverSelectionTimeoutMS=2000"
    status, stderr = run_and_kill(repository, server, 300_000, "backup", "--dataset", "shop", uri)
    assert status == UNREACHABLE, stderr
    server.start()
    told = repository.run("backup", "--dataset", "shop", "--json", uri).json()
    expected = judge.judge_server(server.client())
    assert {row["ns"]: row["digest"] for row in told["collections"]
            if row["ns"] in expected} == {
        name: one.digest for name, one in expected.items()
        if name in {row["ns"] for row in told["collections"]}}
    repository.check()


@pytest.mark.parametrize("newer", ["recorded", "other"])
def test_another_replica_set_is_not_taken_for_the_one_recorded(newer, repository, start_server):
    first = start_server("scripted")
    other = start_server("scripted", arguments=["--set-id", "6" * 24])
    for server in (other, first) if newer == "recorded" else (first, other):
        server.client().shop.orders.insert_one({"_id": 1, "of": server.port})
        time.sleep(1.1)
    repository.run("backup", "--dataset", "shop", first.uri)
    before = repository.run("points", "--dataset", "shop", "--json").stdout
    for command in (["backup", "--dataset", "shop", other.uri],
                    ["backup", "--full", "--dataset", "shop", other.uri],
                    ["stream", "--for", "1", "--dataset", "shop", other.uri]):
        refused = repository.run(*command, status=14)
        assert "6" * 24 in refused.stderr and "--other-server" in refused.stderr
    assert repository.run("points", "--dataset", "shop", "--json").stdout == before
    repository.run("backup", "--other-server", "--dataset", "shop", other.uri)
    repository.run("backup", "--dataset", "shop", first.uri, status=14)
    repository.run("backup", "--dataset", "shop", other.uri)
    repository.check()


def test_a_target_that_dies_during_a_restore_is_filled_by_the_next_run(repository, start_server):
    source = start_server("ferretdb")
    expected = fill(source, 20_000)
    repository.run("backup", "--dataset", "shop", "--full", source.uri)
    target = start_server("ferretdb")
    uri = target.uri + "?serverSelectionTimeoutMS=2000"
    process = subprocess.Popen(
        [str(repository.binary), "restore", "--dataset", "shop", "--to", uri],
        env=repository.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    orders = target.client().shop.orders
    while process.poll() is None and orders.estimated_document_count() < 2000:
        time.sleep(0.01)
    target.kill()
    _, stderr = process.communicate(timeout=180)
    assert process.returncode == UNREACHABLE, stderr
    target.start()
    repository.run("restore", "--dataset", "shop", "--to", uri)
    assert judge.differences(judge.judge_server(target.client()), expected) == []


def test_a_backup_goes_on_after_a_cut_without_reading_again(filled, repository):
    filled.cut(after_bytes=1_000_000)
    finished = repository.run("backup", "--dataset", "shop", filled.uri, status=None)
    if finished.status != 0:
        assert finished.status == UNREACHABLE
        repository.run("backup", "--dataset", "shop", filled.uri)
    target_count = bson.Int64(3000)
    told = repository.run("backup", "--dataset", "shop", "--full", "--json", filled.uri).json()
    rows = {row["ns"]: row for row in told["collections"]}
    assert rows["shop.orders"]["count"] == target_count
    assert rows["shop.orders"]["digest"] == judge.judge_collection(
        filled.client().shop.orders).digest
