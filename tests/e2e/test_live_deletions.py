"""Documents deleted by mistake: found, shown, brought back, and nothing else is touched.

HOLDFAST_FULL=1 takes 1 000 000 documents instead of 20 000. The undo has 10 seconds on a machine
that has nothing else to do; on one that has, a minute.
"""

import os
import pathlib
import shlex
import subprocess
import time

import judge
import live
import pymongo
import pytest

pytestmark = pytest.mark.slow

DOCUMENT_COUNT = 1_000_000 if live.IS_FULL else 20_000
LATER_COUNT = 10_000 if live.IS_FULL else 500
DELETED = range(DOCUMENT_COUNT // 2, DOCUMENT_COUNT // 2 + 100)
IS_BUSY = os.getloadavg()[0] > (os.cpu_count() or 1)
UNDO_SECONDS_MAX = 60 if IS_BUSY else 10


def orders_of(server):
    return server.client().shop.orders


def fill(orders):
    orders.create_index("number", unique=True)
    judge.insert_raw(orders, (order(number) for number in range(DOCUMENT_COUNT)), 5000)


def order(number):
    return bytes(judge.bson.BSON.encode(
        {"_id": number, "number": f"A{number}", "total": number % 991, "note": "x" * 60}))


@pytest.fixture
def lost(repository, start_server):
    """A server that lost 100 documents, and was written on since; what it held; its stream."""
    server = start_server("scripted")
    orders = orders_of(server)
    fill(orders)
    repository.run("backup", "--dataset", "shop", server.uri)
    stream = live.Stream(repository, server.uri)
    orders.update_many({"_id": {"$lt": 200}}, {"$set": {"total": -1}})
    gone = {raw: None for raw in judge.raw_documents(orders, {"_id": {"$in": list(DELETED)}})}
    time.sleep(1.1)  # another second: a restore to the second before keeps the update above
    orders.delete_many({"_id": {"$gte": DELETED.start, "$lt": DELETED.stop}})
    for first in range(0, LATER_COUNT, 500):
        orders.insert_many([{"_id": DOCUMENT_COUNT + first + step, "number": f"B{first + step}"}
                            for step in range(500)])
    orders.update_one({"_id": 7}, {"$set": {"total": 7777}})
    stream.wait_until(live.newest(server.client()))
    yield server, orders, list(gone)
    if stream.is_running():
        assert stream.stop() == 0


def found_in(repository):
    told = repository.run("scan", "deletions", "--dataset", "shop", "--since", "1h", "--json")
    return [row for row in told.json()["found"] if row["kind"] == "deletes"]


def test_a_mass_deletion_is_found_and_brought_back_by_the_command_shown(lost, repository):
    server, orders, gone = lost
    later = judge.judge_collection(orders)
    rows = found_in(repository)
    assert [row["count"] for row in rows] == [100]
    assert rows[0]["ns"] == "shop.orders"
    assert rows[0]["first_id"] == {"$numberInt": str(DELETED.start)}
    assert rows[0]["last_id"] == {"$numberInt": str(DELETED.stop - 1)}

    shown = rows[0]["restore_command"]
    assert shown.startswith("holdfast restore --dataset shop")  # the repository: as it was given
    assert "'mongodb://HOST'" in shown  # a URI can hold a password: the person fills it in
    command = shlex.split(shown.replace("'mongodb://HOST'", shlex.quote(server.uri)))
    assert command[:2] == ["holdfast", "restore"]
    assert "--missing-only" in command
    shown = repository.run(*command[1:], "--preview", "--json").json()
    assert shown["documents"] == 100
    assert judge.judge_collection(orders) == later  # a preview changes nothing
    begun = time.monotonic()
    told = repository.run(*command[1:], "--json").json()
    seconds = time.monotonic() - begun
    assert told["put_back"]["written"] == 100
    assert told["put_back"]["not_written"] == 0
    print(f"undo: {seconds:.1f} s")
    assert seconds < UNDO_SECONDS_MAX

    back = list(judge.raw_documents(orders, {"_id": {"$in": list(DELETED)}}))
    assert sorted(back) == sorted(gone)
    assert orders.count_documents({}) == DOCUMENT_COUNT + LATER_COUNT
    assert orders.find_one({"_id": 7})["total"] == 7777
    again = repository.run(*command[1:], "--json").json()
    assert again["documents"] == 0


def test_the_command_shown_works_in_a_shell_as_it_is(lost, repository, tmp_path):
    server, orders, _ = lost
    elsewhere = tmp_path / "it's my place"
    elsewhere.symlink_to(repository.directory)
    password = tmp_path / "pass word"
    password.write_bytes(
        pathlib.Path(repository.environment["HOLDFAST_PASSWORD_FILE"]).read_bytes())
    shown = repository.run("scan", "deletions", "--dataset", "shop", "-r", elsewhere,
                           "--password-file", password).stdout
    line = next(one for one in shown.splitlines() if "--missing-only" in one)
    command = line.split("bring back: ")[1].replace("mongodb://HOST", server.uri)
    script = f'holdfast() {{ "{repository.binary}" "$@"; }}; {command}'
    environment = {name: value for name, value in repository.environment.items()
                   if not name.startswith("HOLDFAST_")}
    told = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True,
                          check=False)
    assert told.returncode == 0, told
    assert orders.count_documents({"_id": {"$in": list(DELETED)}}) == 100


def test_what_a_unique_key_forbids_is_named_and_not_inserted(lost, repository):
    server, orders, _ = lost
    taken = DELETED.start + 3
    orders.insert_one({"_id": "other", "number": f"A{taken}"})
    at = found_in(repository)[0]["before"]["at"]
    told = repository.run("restore", "--dataset", "shop", "--at", at, "--to", server.uri,
                          "--only", "shop.orders", "--missing-only", "--json", status=None)
    assert told.json()["put_back"]["written"] == 99
    assert orders.count_documents({"number": f"A{taken}"}) == 1
    assert orders.find_one({"_id": "other"}) is not None


def test_a_unique_index_that_is_gone_still_forbids(repository, start_server):
    """The collection was dropped, and made again by the application without its indexes."""
    server = start_server("scripted")
    mails = server.client().u.mail
    mails.create_index("mail", unique=True, name="mail_once")
    mails.create_index("card", unique=True, name="card_once",
                       partialFilterExpression={"card": {"$exists": True}})
    mails.insert_many([{"_id": number, "mail": str(number)} for number in range(2500)])
    mails.insert_many([{"_id": "p", "mail": "p", "card": 1}, {"_id": "q", "mail": "q", "card": 2}])
    repository.run("backup", "--dataset", "u", server.uri)
    mails.drop()
    mails.insert_many([{"_id": "new", "mail": "5"}, {"_id": "newer", "mail": "2400"},
                       {"_id": "newest", "mail": "x", "card": 2}])
    command = ["restore", "--dataset", "u", "--at", "last", "--to", server.uri, "--only", "u.mail",
               "--missing-only", "--json"]
    shown = repository.run(*command, "--preview").json()["collections"][0]
    assert any('5 can not be inserted: "new" has its key in the unique index mail_once, '
               "which was there then" in one for one in shown["conflicts"])
    assert any("mail_once was there then and is missing now" in one for one in shown["notes"])
    assert mails.count_documents({}) == 3
    put_back = repository.run(*command, status=3).json()["put_back"]
    assert (put_back["written"], put_back["not_written"]) == (2499, 3)
    refusals = put_back["collections"][0]["refusals"]
    assert sorted(one.split(" can not ")[0] for one in refusals) == ['"q"', "2400", "5"]
    assert [one["_id"] for one in mails.find({"mail": {"$in": ["5", "2400"]}})] == [
        "new", "newer"]
    assert [one["_id"] for one in mails.find({"card": {"$exists": True}}).sort("card", 1)] == [
        "p", "newest"]


def test_changed_documents_come_back_and_the_undo_can_be_undone(lost, repository):
    server, orders, _ = lost
    before = live.newest(server.client())
    untouched = judge.judge_documents(judge.raw_documents(orders, {"_id": {"$gte": 100}}))
    was = list(judge.raw_documents(orders, {"_id": {"$lt": 100}}, sort=[("_id", 1)]))
    orders.bulk_write([pymongo.UpdateOne({"_id": number}, {"$set": {"note": "spoilt"}})
                       for number in range(100)])
    told = repository.run("restore", "--dataset", "shop", "--at", live.at(before), "--to",
                          server.uri, "--only", "shop.orders", "--changed-only", "--json").json()
    assert told["put_back"]["written"] == 100
    assert list(judge.raw_documents(orders, {"_id": {"$lt": 100}}, sort=[("_id", 1)])) == was
    assert judge.judge_documents(
        judge.raw_documents(orders, {"_id": {"$gte": 100}})) == untouched
    repository.run("restore", "--undo", told["put_back"]["undo_point"], "--to", server.uri)
    assert orders.count_documents({"note": "spoilt"}) == 100
