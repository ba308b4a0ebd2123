"""Databases of every kind of server: backed up, written on, brought back to three moments.

HOLDFAST_FULL=1 takes 200 000 documents instead of 10 000.
"""

import subprocess
import time

import bson
import judge
import live
import pymongo
import pytest
import servers
from judge import documents_of_every_kind, insert_raw

pytestmark = pytest.mark.slow


def fill(server):
    """Documents of every type, ids of several types, indexes of several kinds."""
    shop = server.client().shop
    unkept = server.abilities.unkept
    insert_raw(shop.goods, documents_of_every_kind(live.DOCUMENT_COUNT, unkept=unkept))
    insert_raw(shop["odd name"], documents_of_every_kind(50, seed=2, unkept=unkept))
    shop.people.insert_many([{"_id": f"p{number}", "mail": f"{number}@example.com"}
                             for number in range(300)])
    shop.people.insert_many([{"_id": number, "mail": str(number)} for number in range(300)])
    shop.people.create_index("mail", unique=True, name="mail_once")
    shop.people.create_index("seen", expireAfterSeconds=86400, name="seen_ttl")
    shop.goods.create_index([("serial", 1), ("int", -1)], name="by_serial")


def write_on(server, round_number):
    shop = server.client().shop
    first = live.DOCUMENT_COUNT + round_number * 1000
    unkept = server.abilities.unkept
    insert_raw(shop.goods, documents_of_every_kind(1000, first=first, unkept=unkept))
    shop.goods.bulk_write(
        [pymongo.UpdateOne({"_id": number}, {"$set": {"int": round_number, "new": "field"}})
         for number in range(round_number, 900, 3)])
    shop.goods.bulk_write([pymongo.DeleteOne({"_id": number})
                           for number in range(1000 + round_number * 50, 1050 + round_number * 50)])
    shop.people.replace_one({"_id": "p1"}, {"mail": f"round {round_number}"})


def indexes(client):
    return {name: judge.indexes_of(client, name) for name in ("shop.goods", "shop.people")}


def restore(repository, target, *arguments):
    told = repository.run("restore", "--dataset", "shop", "--to", target.uri, "--json", *arguments)
    return told.json()


def assert_restored(target, expected, *, expected_indexes):
    client = target.client()
    assert judge.differences(judge.judge_server(client), expected) == []
    got = indexes(client)
    for name, specs in expected_indexes.items():
        assert {one: dict(spec["key"]) for one, spec in got[name].items()} == {
            one: dict(spec["key"]) for one, spec in specs.items()}, name
    assert got["shop.people"]["mail_once"]["unique"]
    assert got["shop.people"]["seen_ttl"]["expireAfterSeconds"] == 86400


def targets_for(kind):
    """From each server into one of the same kind, and from the scripted one into the others."""
    return {"scripted": ["scripted", "ferretdb", "java", "mongod"]}.get(kind, [kind, "scripted"])


PAIRS = [(source, target) for source in ("scripted", "java", "ferretdb", "mongod")
         for target in targets_for(source)]


@pytest.mark.parametrize("source_kind, target_kind", PAIRS)
def test_a_backup_comes_back_on_another_server(source_kind, target_kind, repository, start_server):
    source = start_server(source_kind)
    target = start_server(target_kind)
    unkept = target.abilities.unkept
    if set(unkept) - set(source.abilities.unkept):
        pytest.skip(f"{target_kind} does not keep {', '.join(unkept)}")
    fill(source)
    expected = judge.judge_server(source.client())
    told = repository.run("backup", "--dataset", "shop", "--full", "--json", source.uri).json()
    digests = {row["ns"]: (row["count"], row["digest"]) for row in told["collections"]
               if row["ns"].split(".", 1)[0] not in judge.INTERNAL}
    assert digests == {name: (one.count, one.digest) for name, one in expected.items()}
    result = restore(repository, target)
    assert result["equal"], result["problems"]
    assert_restored(target, expected, expected_indexes=indexes(source.client()))
    repository.check()


@pytest.mark.parametrize("kind", ["scripted", "java", "mongod"])
def test_three_moments_come_back_exactly(kind, repository, start_server):
    source = start_server(kind)
    fill(source)
    client = source.client()
    repository.run("backup", "--dataset", "shop", "--full", source.uri)
    stream = live.Stream(repository, source.uri)
    try:
        moments = []
        for round_number in range(3):
            write_on(source, round_number)
            moments.append((live.newest(client), judge.judge_server(client)))
        write_on(source, 3)  # an entry after the last moment
        stream.wait_until(live.newest(client))
    finally:
        status = stream.stop()
    assert status == 0, stream.stderr
    for moment, expected in moments:
        target = start_server(kind)
        result = restore(repository, target, "--at", live.at(moment))
        assert result["equal"], result["problems"]
        assert_restored(target, expected, expected_indexes=indexes(client))
        target.discard()
    repository.check()


def test_a_restore_keeps_uuids_options_and_views(repository, start_server):
    source, target = start_server("scripted"), start_server("scripted")
    shop = source.client().shop
    shop.create_collection("log", capped=True, size=65536, max=50)
    shop.create_collection("strict", validator={"n": {"$type": "int"}})
    shop.strict.insert_one({"_id": 1, "n": 1})
    shop.log.insert_many([{"_id": number} for number in range(9, 0, -1)])
    shop.create_collection("ones", viewOn="strict", pipeline=[{"$match": {"n": 1}}])
    repository.run("backup", "--dataset", "shop", source.uri)
    restore(repository, target)
    listed = [sorted((one["name"], one["type"], str(one["options"]), str(one["info"].get("uuid")))
                     for one in server.client().shop.list_collections()
                     if one["name"] != "system.views")
              for server in (source, target)]
    assert listed[0] == listed[1]
    assert [one["_id"] for one in target.client().shop.log.find()] == list(range(9, 0, -1))


def test_users_come_back_with_their_passwords(repository, start_server):
    source, target = start_server("scripted"), start_server("scripted", user="root:toor")
    source.client().shop.orders.insert_one({"_id": 1})
    source.client().admin.command("createUser", "clerk", pwd="Tuesday", roles=["readAnyDatabase"])
    repository.run("backup", "--dataset", "shop", source.uri)
    restore(repository, target)
    clerk = pymongo.MongoClient(target.uri_as("clerk:Tuesday"))
    assert clerk.shop.orders.find_one() == {"_id": 1}
    assert target.client().shop.orders.find_one() == {"_id": 1}  # root was not removed


def test_a_part_comes_back_under_another_name(repository, start_server):
    source, target = start_server("scripted"), start_server("scripted")
    fill(source)
    repository.run("backup", "--dataset", "shop", source.uri)
    restore(repository, target, "--only", "shop.people", "--rename", "shop.people=old.folk")
    found = judge.judge_server(target.client())
    assert found == {"old.folk": judge.judge_collection(source.client().shop.people)}


def test_compare_tells_what_differs(repository, start_server):
    source = start_server("scripted")
    fill(source)
    repository.run("backup", "--dataset", "shop", source.uri)
    shop = source.client().shop
    at = ["compare", "--dataset", "shop", "--at", "last", "--with", source.uri, "--json"]
    assert repository.run(*at).lines()[-1]["equal"]
    shop.people.delete_one({"_id": "p7"})
    shop.people.update_one({"_id": "p8"}, {"$set": {"mail": "other"}})
    shop.people.insert_one({"_id": "new", "mail": "new"})
    told = repository.run(*at, status=20).lines()
    rows = {row["ns"]: row for row in told[-1]["collections"]}
    people = rows["shop.people"]
    assert (people["missing"], people["extra"], people["different"]) == (1, 1, 1)
    assert rows["shop.goods"]["equal"]
    named = {(row["kind"], row["id"]) for row in told[:-1]}
    assert named == {("missing", "p7"), ("different", "p8"), ("extra", "new")}


def test_compare_tells_what_of_the_catalog_differs(repository, start_server):
    source = start_server("scripted")
    shop = source.client().shop
    shop.create_collection("orders", validator={"n": {"$type": "int"}})
    shop.orders.insert_many([{"_id": number, "n": number} for number in range(50)])
    shop.orders.create_index("n", name="n_1")
    shop.create_collection("v_orders", viewOn="orders", pipeline=[{"$match": {"n": 1}}])
    shop.create_collection("v_kept", viewOn="orders", pipeline=[{"$match": {"n": 2}}])
    shop.create_collection("empty")
    repository.run("backup", "--dataset", "shop", source.uri)
    at = ["compare", "--dataset", "shop", "--at", "last", "--with", source.uri]
    assert repository.run(*at, "--json").json()["equal"]
    assert repository.run(*at, "--only", "shop.v_orders", "--json").json()["equal"]

    def sentences():
        told = repository.run(*at, "--json", status=20).json()
        assert not told["equal"] and told["documents_equal"]
        rows = {row["ns"]: row for row in told["collections"]}
        assert len(rows) == len(told["collections"])
        assert all(row["equal"] == (row["catalog"] == []) for row in rows.values())
        return {ns: row["catalog"] for ns, row in rows.items() if row["catalog"]}

    shop.command("collMod", "orders", validator={})
    assert sentences() == {"shop.orders": ["has not the option validator"]}
    shop.orders.drop_index("n_1")
    shop.empty.drop()
    shop["system.views"].delete_one({"_id": "shop.v_orders"})
    shop["system.views"].update_one({"_id": "shop.v_kept"}, {"$set": {"viewOn": "people"}})
    shop.create_collection("v_new", viewOn="orders", pipeline=[])
    differ = sentences()
    assert differ["shop.orders"][1:] == ["has not the index n_1"]
    assert differ["shop.v_orders"] == differ["shop.empty"] == ["is not there"]
    assert differ["shop.v_kept"] == ['has another viewOn: "people"']
    assert differ["shop.v_new"] == ["did not exist then"]
    text = repository.run(*at, status=20).stdout
    assert "PASS" not in text
    assert "shop.orders: has not the index n_1" in text
    assert "FAIL: all documents are as of" in text
    repository.run(*at, "--only", "shop.v_orders", status=20)


def test_views_that_a_dump_only_lists_are_compared(repository, start_server, tmp_path):
    dump = tmp_path / "dump" / "shop"
    dump.mkdir(parents=True)
    for name, document in (("orders", {"_id": 1}),
                           ("system.views", {"_id": "shop.v_orders", "viewOn": "orders",
                                             "pipeline": []})):
        (dump / f"{name}.bson").write_bytes(bson.BSON.encode(document))
        (dump / f"{name}.metadata.json").write_text('{"options": {}, "indexes": []}')
    repository.run("import", "--dataset", "shop", dump.parent)
    target = start_server("scripted")
    restore(repository, target)
    at = ["compare", "--dataset", "shop", "--with", target.uri, "--json"]
    told = repository.run(*at).json()
    assert {row["ns"]: row["kind"] for row in told["collections"]} == {
        "shop.orders": "collection", "shop.v_orders": "view"}
    target.client().shop["system.views"].delete_one({"_id": "shop.v_orders"})
    assert repository.run(*at, status=20).json()["documents_equal"]


def test_the_next_backup_is_computed_from_the_stream_and_equals_a_real_one(repository,
                                                                           start_server):
    source = start_server("scripted", noop_seconds=0.5)
    fill(source)
    # Where chunks end depends on the repository: what nobody touches must be most of all.
    insert_raw(source.client().shop.archive,
               documents_of_every_kind(live.DOCUMENT_COUNT * 3 // 2))
    client = source.client()
    first = repository.run("backup", "--dataset", "shop", "--json", source.uri).json()
    assert first["kind"] == "full"
    write_on(source, 0)
    stream = live.Stream(repository, source.uri)
    stream.wait_until(live.newest(client))
    assert stream.stop() == 0
    second = repository.run("backup", "--dataset", "shop", "--json", source.uri).json()
    assert second["kind"] == "synthetic", second["reason"]
    third = repository.run("backup", "--dataset", "shop", "--full", "--json", source.uri).json()
    assert third["kind"] == "full"

    def of(told):
        return {row["ns"]: (row["count"], row["digest"]) for row in told["collections"]}
    assert of(second) == of(third)
    assert second["data_added"] < first["data_added"] / 2
    repository.check()


def test_changes_that_are_spread_out_do_not_rewrite_the_base(repository, start_server):
    source, target = start_server("scripted", noop_seconds=0.5), start_server("scripted")
    goods = source.client().shop.goods
    insert_raw(goods, documents_of_every_kind(20_000, size=5000))
    backup = ["backup", "--dataset", "shop", "--json", source.uri]
    first = repository.run(*backup).json()
    goods.bulk_write([pymongo.UpdateOne({"_id": number}, {"$set": {"int": 7}})
                      for number in range(0, 20_000, 100)])
    stored = repository.stored_bytes()
    second = repository.run(*backup).json()
    assert second["kind"] == "deferred", second["reason"]
    assert second["previous"] == first["snapshot_id"]
    assert second["recoverable_from"] == first["recoverable_from"]
    assert second["recoverable_to"] == second["at"] != first["recoverable_to"]
    assert second["rewrite_bytes"] > 64 << 20
    assert 200 <= second["oplog_entries"] < 400
    assert repository.stored_bytes() - stored < first["data_added_packed"] / 100
    result = restore(repository, target, "--at", "last")
    assert result["equal"], result["problems"]
    expected = judge.judge_server(source.client())
    assert judge.differences(judge.judge_server(target.client()), expected) == []
    third = repository.run(*backup, "--new-base").json()
    assert third["kind"] == "synthetic", third["reason"]
    assert {row["ns"]: (row["count"], row["digest"]) for row in third["collections"]} == {
        name: (one.count, one.digest) for name, one in expected.items()}
    repository.check()


def address(server, member):
    return f"127.0.0.1:{server.ports[member]}"


def test_a_secondary_is_read_unless_it_lags_and_never_an_arbiter(repository, start_server):
    arbiter = servers.free_ports(1)[0]
    server = start_server("scripted", members=2, arguments=["--arbiter-port", arbiter])
    server.client().shop.orders.insert_one({"_id": 1})
    backup = ["backup", "--dataset", "shop", "--full", "--json", server.uri]
    assert repository.run(*backup).json()["member"] == address(server, 1)
    server.busy(queued=0, lag_seconds=1000)
    assert repository.run(*backup).json()["member"] == address(server, 0)


def test_a_backup_waits_while_the_server_is_busy(repository, start_server):
    server = start_server("scripted")
    insert_raw(server.client().shop.orders, documents_of_every_kind(2000))
    server.busy(queued=50)
    process = subprocess.Popen(
        [str(repository.binary), "backup", "--dataset", "shop", "--max-load", "10", server.uri],
        env=repository.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    time.sleep(4)
    assert process.poll() is None
    server.busy(queued=0)
    assert process.wait(60) == 0
