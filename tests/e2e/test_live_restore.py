"""Bringing data back to a running server: what was deleted or changed, in place, after a kill.

HOLDFAST_FULL=1 takes 200 000 documents instead of 10 000.
"""

import json
import random
import signal
import subprocess
import time

import judge
import live
import pytest
from judge import documents_of_every_kind, insert_raw

pytestmark = pytest.mark.slow

KINDS = ["scripted", "ferretdb", "java", "mongod"]
DELETED = 100
LOCKED, REFUSED = 11, 14


def fill(server, count=2000):
    """Documents, ids of two types, a unique index."""
    shop = server.client().shop
    insert_raw(shop.goods, documents_of_every_kind(count, size=300,
                                                   unkept=server.abilities.unkept))
    shop.people.insert_many([{"_id": f"p{number}", "mail": f"{number}@example.com", "age": number}
                             for number in range(300)])
    shop.people.create_index("mail", unique=True, name="mail_once")
    return shop


@pytest.fixture(params=KINDS)
def backed_up(request, repository, start_server):
    """A server and a backup of it."""
    server = start_server(request.param)
    fill(server)
    repository.run("backup", "--dataset", "shop", "--full", server.uri)
    return server


def bring_back(repository, server, *arguments, status=0):
    return repository.run("restore", "--dataset", "shop", "--at", "last", "--to", server.uri,
                          "--json", *arguments, status=status)


def test_deleted_documents_come_back_and_later_data_stays(backed_up, repository):
    shop = backed_up.client().shop
    before = judge.judge_collection(shop.goods)
    shop.goods.delete_many({"_id": {"$gte": 500, "$lt": 500 + DELETED}})
    shop.goods.update_one({"_id": 7}, {"$set": {"int": -1}})
    shop.goods.insert_many([{"_id": 1_000_000 + number} for number in range(1000)])
    damaged = judge.judge_server(backed_up.client())

    preview = bring_back(repository, backed_up, "--missing-only", "--preview").json()
    assert preview["documents"] == DELETED
    assert [row["then"]["_id"] for row in preview["collections"][0]["samples"]] == [
        {"$numberInt": str(500 + number)} for number in range(10)]
    assert judge.judge_server(backed_up.client()) == damaged

    told = bring_back(repository, backed_up, "--missing-only").json()
    assert told["put_back"]["written"] == DELETED
    assert shop.goods.find_one({"_id": 7})["int"] == -1
    assert shop.goods.count_documents({"_id": {"$gte": 1_000_000}}) == 1000
    again = bring_back(repository, backed_up, "--missing-only").json()
    assert again["documents"] == 0

    undo = repository.run("restore", "--undo", told["put_back"]["undo_point"], "--to",
                          backed_up.uri, "--json").json()
    assert (undo["removed"], undo["left"]) == (DELETED, 0)
    assert judge.judge_server(backed_up.client()) == damaged

    bring_back(repository, backed_up, "--missing-only")
    shop.goods.delete_many({"_id": {"$gte": 1_000_000}})
    told = bring_back(repository, backed_up, "--changed-only").json()
    assert told["put_back"]["written"] == 1
    assert judge.judge_collection(shop.goods) == before
    repository.check()


def test_a_taken_unique_key_is_reported_and_never_overwritten(backed_up, repository):
    people = backed_up.client().shop.people
    people.delete_many({"_id": {"$in": ["p1", "p2", "p3"]}})
    people.insert_one({"_id": "thief", "mail": "2@example.com"})
    preview = bring_back(repository, backed_up, "--missing-only", "--preview").json()
    found = preview["collections"][0]
    assert (found["count"], found["conflict_count"]) == (3, 1)
    assert '"thief"' in found["conflicts"][0]
    told = bring_back(repository, backed_up, "--missing-only", status=3).json()
    row = told["put_back"]["collections"][0]
    assert (row["written"], row["not_written"]) == (2, 1)
    assert row["refusals"][0].startswith('"p2": ')
    assert people.find_one({"_id": "thief"}) == {"_id": "thief", "mail": "2@example.com"}
    assert people.find_one({"_id": "p2"}) is None
    assert people.find_one({"_id": "p3"})["age"] == 3


def test_a_dropped_collection_comes_back_with_its_indexes(backed_up, repository):
    client = backed_up.client()
    before = judge.judge_server(client)
    client.shop.people.drop()
    told = bring_back(repository, backed_up, "--missing-only").json()
    assert told["put_back"]["written"] == 300
    assert judge.differences(judge.judge_server(client), before) == []
    assert judge.indexes_of(client, "shop.people")["mail_once"]["unique"]


def test_changed_documents_are_chosen_put_back_and_taken_back(backed_up, repository):
    people = backed_up.client().shop.people
    for number in range(5):
        people.update_one({"_id": f"p{number}"}, {"$set": {"age": 1000, "by": "accident"}})
    people.update_one({"_id": "p9"}, {"$set": {"age": 10}})
    people.delete_one({"_id": "p8"})

    by_id = bring_back(repository, backed_up, "--changed-only", "--id", "p0", "--preview").json()
    sample = by_id["collections"][0]["samples"][0]
    assert (sample["then"]["age"], sample["now"]["age"]) == (
        {"$numberInt": "0"}, {"$numberInt": "1000"})
    told = bring_back(repository, backed_up, "--changed-only",
                      "--filter", '{"by": "accident"}').json()
    assert told["put_back"]["written"] == 5
    assert [people.find_one({"_id": f"p{number}"})["age"] for number in range(5)] == [0, 1, 2, 3, 4]
    assert people.find_one({"_id": "p9"})["age"] == 10
    assert people.find_one({"_id": "p8"}) is None

    people.update_one({"_id": "p4"}, {"$set": {"age": 4444}})
    undo = repository.run("restore", "--undo", told["put_back"]["undo_point"], "--to",
                          backed_up.uri, "--json").json()
    assert (undo["replaced"], undo["left"]) == (4, 1)
    assert people.find_one({"_id": "p3"}) == {"_id": "p3", "mail": "3@example.com", "age": 1000,
                                              "by": "accident"}
    assert people.find_one({"_id": "p4"})["age"] == 4444


@pytest.mark.parametrize("word", ["--preview", "--dry-run"])
def test_an_undo_can_be_looked_at_before(word, repository, start_server):
    server = start_server("scripted")
    people = fill(server).people
    repository.run("backup", "--dataset", "shop", server.uri)
    people.delete_many({"_id": {"$in": ["p1", "p2", "p3"]}})
    told = bring_back(repository, server, "--missing-only").json()
    people.update_one({"_id": "p3"}, {"$set": {"age": 4444}})
    before = judge.judge_server(server.client())
    undo = ["restore", "--undo", told["put_back"]["undo_point"], "--to", server.uri]
    seen = repository.run(*undo, word, "--json").json()
    assert judge.judge_server(server.client()) == before
    assert (seen["preview"], seen["removed"], seen["left"]) == (True, 2, 1)
    assert "would be taken back: 2 removed" in repository.run(*undo, word).stdout
    for refused in (["--only", "shop"], ["--rename", "shop=x"], ["--at", "last"],
                    ["--missing-only"], ["--in-place"]):
        stderr = repository.run(*undo, *refused, status=2).stderr
        assert f"{refused[0]} does not go with --undo" in stderr
    stderr = repository.run(*undo, "--dataset", "other", status=2).stderr
    assert "is of the dataset shop, not of other" in stderr
    assert judge.judge_server(server.client()) == before
    done = repository.run(*undo, "--dataset", "shop", "--json").json()
    assert {name: done[name] for name in ("preview", "removed", "left")} == {
        "preview": False, "removed": 2, "left": 1}
    assert {row["_id"] for row in people.find({"_id": {"$in": ["p1", "p2", "p3"]}})} == {"p3"}


def test_an_undo_point_is_no_moment(backed_up, repository):
    people = backed_up.client().shop.people
    points = repository.run("points", "--dataset", "shop", "--json").stdout
    people.delete_one({"_id": "p1"})
    told = bring_back(repository, backed_up, "--missing-only").json()
    assert told["put_back"]["written"] == 1
    assert repository.run("points", "--dataset", "shop", "--json").stdout == points
    repository.run("prune", "--keep-last", "1")
    bring_back(repository, backed_up, "--in-place", "--confirm", "shop")
    repository.check()


def test_what_is_there_is_not_overwritten_unless_confirmed(backed_up, repository):
    client = backed_up.client()
    client.shop.people.delete_many({"age": {"$gt": 100}})
    client.shop.later.insert_one({"_id": 1})
    now = judge.judge_server(client)
    refused = bring_back(repository, backed_up, status=14)
    assert "shop." in refused.stderr
    refused = bring_back(repository, backed_up, "--in-place", "--confirm", "shops", status=14)
    assert "confirm" in refused.stderr
    assert judge.judge_server(client) == now
    plan = bring_back(repository, backed_up, "--in-place", "--confirm", "shop", "--preview").json()
    assert {row["ns"]: row["count"] for row in plan["would_be_overwritten"]} == {
        "shop.goods": 2000, "shop.people": 101}
    assert judge.judge_server(client) == now

    told = bring_back(repository, backed_up, "--in-place", "--confirm", "shop").json()
    assert told["equal"]
    after = judge.judge_server(client)
    assert after.pop("shop.later") == now["shop.later"]
    assert {name: one.count for name, one in after.items()} == {
        "shop.goods": 2000, "shop.people": 300}
    assert judge.indexes_of(client, "shop.people")["mail_once"]["unique"]
    assert live.NOTES not in client.list_database_names()


def test_a_part_is_replaced_in_place_and_the_rest_is_not_touched(backed_up, repository):
    client = backed_up.client()
    before = judge.judge_server(client)
    client.shop.people.delete_many({})
    client.shop.goods.delete_many({"_id": {"$lt": 50}})
    goods = judge.judge_collection(client.shop.goods)
    told = bring_back(repository, backed_up, "--only", "shop.people", "--in-place", "--confirm",
                      "shop").json()
    assert told["equal"]
    after = judge.judge_server(client)
    assert after == {"shop.people": before["shop.people"], "shop.goods": goods}


@pytest.fixture
def users(repository, start_server):
    """A backup with two users; a target that has one of them, with another password and role."""
    source = start_server("scripted")
    source.client().k.small.insert_one({"_id": 1})
    for name, role in (("appu", "readWrite"), ("clerk", "readAnyDatabase")):
        source.client().admin.command("createUser", name, pwd="source-pw", roles=[role])
    repository.run("backup", "--dataset", "k", source.uri)
    target = start_server("scripted", user="root:toor")
    target.client().admin.command("createUser", "appu", pwd="target-pw", roles=["root"])
    return target


def user_of(server, name):
    return server.client().admin["system.users"].find_one({"_id": f"admin.{name}"})


def shares(told):
    return told["users"]["written"], told["users"]["replaced"], told["users"]["left"]


def test_a_user_that_is_there_stays_unless_in_place(users, repository):
    restore = ["restore", "--dataset", "k", "--to", users.uri]
    before = user_of(users, "appu")
    plan = repository.run(*restore, "--preview", "--json")
    assert shares(plan.json()) == (["admin.clerk"], [], ["admin.appu"])
    assert "admin.appu" in plan.stderr
    assert user_of(users, "clerk") is None
    assert "users: 1 to be written, 0 of them replaced, 1 left" in repository.run(
        *restore, "--preview").stdout

    finished = repository.run(*restore, "--json")
    told = finished.json()
    assert shares(told) == shares(told["plan"]) == (["admin.clerk"], [], ["admin.appu"])
    assert any("admin.appu" in note for note in told["notes"])
    assert finished.stderr.count("stay as they are there") == 1
    assert user_of(users, "appu") == before
    assert user_of(users, "clerk")["roles"][0]["role"] == "readAnyDatabase"

    in_place = [*restore, "--in-place", "--confirm", "k"]
    plan = repository.run(*in_place, "--preview")
    assert "would be overwritten: user admin.appu" in plan.stdout
    told = repository.run(*in_place, "--json").json()
    assert shares(told) == ([], ["admin.appu", "admin.clerk"], [])
    assert user_of(users, "appu")["roles"][0]["role"] == "readWrite"


def test_a_rename_writes_no_users(users, repository):
    before = user_of(users, "appu")
    finished = repository.run("restore", "--dataset", "k", "--to", users.uri, "--rename", "k=k3",
                              "--json")
    assert shares(finished.json()) == ([], [], ["admin.appu", "admin.clerk"])
    assert "2 users and 0 roles are not restored: with --rename" in finished.stderr
    assert user_of(users, "appu") == before
    assert user_of(users, "clerk") is None


@pytest.mark.parametrize("kind", ["ferretdb", "java"])
def test_a_server_that_takes_no_users_is_told_of(kind, users, repository, start_server):
    target = start_server(kind)
    finished = repository.run("restore", "--dataset", "k", "--to", target.uri, "--json")
    assert finished.json()["equal"]
    assert shares(finished.json()) == ([], [], ["admin.appu", "admin.clerk"])
    assert "2 users and 0 roles are not restored: " in finished.stderr


@pytest.mark.parametrize("kind", ["scripted", "mongod"])
def test_a_view_follows_its_renamed_collection(kind, repository, start_server):
    source, target = start_server(kind), start_server(kind)
    shop = source.client().shop
    shop.orders.insert_many([{"_id": number} for number in range(3)])
    shop.users.insert_one({"_id": 1})
    shop.create_collection("seen", viewOn="orders", pipeline=[
        {"$lookup": {"from": "users", "localField": "_id", "foreignField": "_id", "as": "who"}}])
    repository.run("backup", "--dataset", "shop", source.uri)
    renames = ["--rename", "shop.orders=shop.o2", "--rename", "shop.users=shop.people"]
    finished = bring_back(repository, target, *renames)
    assert finished.json()["equal"]
    view = next(one for one in target.client().shop.list_collections() if one["name"] == "seen")
    assert view["options"]["viewOn"] == "o2"
    assert "still reads users, which is called shop.people now" in finished.stderr
    repository.run("compare", "--dataset", "shop", "--at", "last", "--with", target.uri, *renames)

    finished = bring_back(repository, target, "--only", "shop.seen", "--rename", "shop.seen=b.seen")
    assert "the view b.seen is on shop.orders, which is not restored" in finished.stderr


class Restore:
    """`holdfast restore` as a process of its own."""

    def __init__(self, repository, server, *arguments):
        self.process = subprocess.Popen(
            [str(repository.binary), "restore", "--dataset", "shop", "--at", "last", "--to",
             server.uri, "--json", *arguments], env=repository.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait(self):
        stdout, stderr = self.process.communicate(timeout=live.PATIENCE_SECONDS * 4)
        return self.process.returncode, stdout, stderr

    def kill(self):
        self.process.kill()
        self.process.communicate()


def wait_for_documents(collection, count):
    deadline = time.monotonic() + live.PATIENCE_SECONDS
    while collection.estimated_document_count() < min(count, live.DOCUMENT_COUNT):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def large(repository, start_server):
    """A backup of a larger collection, and how it is judged."""
    source = start_server("scripted")
    shop = source.client().shop
    insert_raw(shop.goods,
               documents_of_every_kind(live.DOCUMENT_COUNT, unkept=("scoped", "custom")))
    shop.goods.create_index("serial", name="serial")
    repository.run("backup", "--dataset", "shop", "--full", source.uri)
    expected = judge.judge_server(source.client())
    source.discard()
    return expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_restore_goes_on(kind, large, repository, start_server):
    target = start_server(kind)
    client = target.client()
    rng = random.Random(1)
    cut_short = 0
    for _ in range(20):
        begun = client.shop.goods.estimated_document_count()
        run = Restore(repository, target, "--connections", "2")
        wait_for_documents(client.shop.goods, begun + rng.randrange(1, live.DOCUMENT_COUNT // 4))
        run.kill()
        cut_short += live.NOTES in client.list_database_names()
        if cut_short == 2:
            break
        if live.NOTES not in client.list_database_names():  # it was faster than the kill
            client.drop_database("shop")
    assert cut_short == 2
    told = bring_back(repository, target).json()
    assert told["equal"], told["problems"]
    assert told["documents_written"] < live.DOCUMENT_COUNT
    assert judge.differences(judge.judge_server(client), large) == []
    assert "serial" in judge.indexes_of(client, "shop.goods")
    assert live.NOTES not in client.list_database_names()


def test_the_same_restore_twice_at_once_is_refused(large, repository, start_server):
    target = start_server("scripted")
    target.fail("createIndexes", code=10107, times=1_000_000)  # it waits for the next primary
    first = Restore(repository, target)
    wait_for_documents(target.client().shop.goods, live.DOCUMENT_COUNT)
    for word in ([], ["--preview"]):
        refused = bring_back(repository, target, *word, status=LOCKED)
        assert "another process is at work on the same restore" in refused.stderr
    target.fail("createIndexes", code=10107, times=0)
    status, stdout, stderr = first.wait()
    assert status == 0, (stdout, stderr)
    assert judge.differences(judge.judge_server(target.client()), large) == []
    assert live.NOTES not in target.client().list_database_names()


def test_as_many_connections_as_are_allowed_are_there(large, repository, start_server):
    target = start_server("scripted")
    assert bring_back(repository, target, "--connections", "32").json()["equal"]
    assert judge.differences(judge.judge_server(target.client()), large) == []


def test_of_two_that_begin_together_one_goes_on(large, repository, start_server):
    target = start_server("scripted")
    runs = [Restore(repository, target) for _ in range(2)]
    ends = sorted(run.wait()[0] for run in runs)
    assert ends[0] == 0 and ends[1] in (LOCKED, REFUSED), ends
    assert judge.differences(judge.judge_server(target.client()), large) == []


def test_a_stopped_restore_does_not_write_beside_the_one_that_took_over(large, repository,
                                                                        start_server):
    target = start_server("scripted")
    target.slow(0.02)
    first = Restore(repository, target, "--connections", "1")
    wait_for_documents(target.client().shop.goods, 100)
    first.process.send_signal(signal.SIGSTOP)
    assert bring_back(repository, target).json()["equal"]
    first.process.send_signal(signal.SIGCONT)
    status, _, stderr = first.wait()
    assert status == LOCKED, stderr
    assert judge.differences(judge.judge_server(target.client()), large) == []


@pytest.mark.parametrize("kind", ["ferretdb", "mongod"])
def test_a_server_that_dies_during_a_restore_may_come_back(kind, large, repository, start_server):
    target = start_server(kind)
    run = Restore(repository, target)
    wait_for_documents(target.client().shop.goods, live.DOCUMENT_COUNT // 3)
    target.kill()
    target.start()
    status, stdout, stderr = run.wait()
    assert status == 0, (stdout, stderr)
    assert judge.differences(judge.judge_server(target.client()), large) == []


def test_cuts_and_elections_during_a_restore_do_no_harm(large, repository, start_server):
    target = start_server("scripted")
    run = Restore(repository, target)
    goods = target.client().shop.goods
    for number in range(1, 4):
        wait_for_documents(goods, live.DOCUMENT_COUNT * number // 5)
        target.cut()
        target.election(0.3)
    status, stdout, stderr = run.wait()
    assert status == 0, (stdout, stderr)
    assert judge.differences(judge.judge_server(target.client()), large) == []


def test_what_is_read_back_is_read_again_after_a_cut(large, repository, start_server):
    target = start_server("scripted")
    target.cut(after_bytes=6_000_000)  # of answers: only reading back has so many
    told = bring_back(repository, target)
    assert told.json()["equal"]
    assert "trying again" in told.stderr
    assert judge.differences(judge.judge_server(target.client()), large) == []
    target.cut(after_bytes=6_000_000)
    told = repository.run("compare", "--dataset", "shop", "--at", "last", "--with", target.uri,
                          "--json")
    assert told.lines()[-1]["equal"]
    assert "trying again" in told.stderr


def test_indexes_are_built_although_nobody_is_primary_for_a_while(large, repository, start_server):
    target = start_server("scripted")
    target.fail("createIndexes", code=10107, times=1_000_000)  # NotWritablePrimary
    run = Restore(repository, target)
    deadline = time.monotonic() + live.PATIENCE_SECONDS
    while "createIndexes" not in target.counters()["commands"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)  # more tries than there are fit into that when nothing waits between them
    target.fail("createIndexes", code=10107, times=0)
    status, stdout, stderr = run.wait()
    assert status == 0, (stdout, stderr)
    assert "serial" in judge.indexes_of(target.client(), "shop.goods")


def test_another_restore_does_not_go_on_where_this_one_stopped(large, repository, start_server):
    target = start_server("scripted")
    run = Restore(repository, target)
    wait_for_documents(target.client().shop.goods, 1000)
    run.kill()
    refused = bring_back(repository, target, "--rename", "shop=other", status=14)
    assert "unfinished" in refused.stderr and live.NOTES in refused.stderr
    target.client().drop_database(live.NOTES)
    assert "not empty" in bring_back(repository, target, status=14).stderr
    told = bring_back(repository, target, "--rename", "shop=other").json()
    assert told["equal"]


def test_a_difference_on_the_target_is_found(large, repository, start_server):
    target = start_server("scripted")
    goods = target.client().shop.goods
    run = Restore(repository, target)
    wait_for_documents(goods, 5000)
    run.kill()
    # Somebody writes into it between the two runs.
    goods.update_one({"_id": 3}, {"$set": {"int": 0, "changed": True}})
    told = bring_back(repository, target, status=20).json()
    assert not told["equal"]
    assert "shop.goods differs" in told["problems"][0]
    failed = repository.run("restore", "--dataset", "shop", "--at", "last", "--to", target.uri,
                            status=20).stdout
    assert "FAIL: 1 of 1 collections differ: shop.goods\n" in failed
    assert "are on the server" not in failed
    # Once it is as it was, the same command ends well.
    goods.delete_one({"_id": 3})
    assert bring_back(repository, target).json()["equal"]
    assert judge.differences(judge.judge_server(target.client()), large) == []


def states_of(history):
    """The first, one in the middle and the last recorded moment of a history."""
    moments = json.loads((history / "expected.json").read_text())
    return [moments[0], moments[len(moments) // 2], moments[-1]]


@pytest.mark.parametrize("kind", ["scripted", "ferretdb", "mongod"])
@pytest.mark.parametrize("name", ["delta-1", "delta-txn"])
def test_recorded_moments_come_back_byte_for_byte(name, kind, corpus, repository, start_server):
    history = corpus(name)
    repository.run("import", "--dataset", "shop", "--oplog", history / "oplog.bson",
                   history / "base")
    target = start_server(kind)
    client = target.client()
    for moment in states_of(history):
        expected = {ns: one for ns, one in judge.judge_dump(
            history / "expected" / str(moment["k"])).items() if ".system." not in ns}
        told = repository.run("restore", "--dataset", "shop", "--to", target.uri, "--json", "--at",
                              f"{moment['ts']['t']},{moment['ts']['i']}").json()
        assert told["equal"], told["problems"]
        assert told["documents"] == sum(row["target_count"] for row in told["collections"])
        found = {ns: one for ns, one in judge.judge_server(client).items()
                 if ".system." not in ns}
        assert judge.differences(found, expected) == []
        for database in {ns.split(".", 1)[0] for ns in found}:
            client.drop_database(database)
