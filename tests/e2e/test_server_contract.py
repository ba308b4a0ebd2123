"""What holdfast needs of a server, asked of every kind; what a kind lacks stands in servers.py."""

import time
import uuid

import bson
import judge
import pymongo
import pytest
from bson.binary import Binary
from bson.son import SON

TAIL = pymongo.CursorType.TAILABLE_AWAIT


@pytest.fixture
def client(each_server):
    return each_server.client()


@pytest.fixture
def database(client):
    """A database that no other test uses."""
    name = "t" + uuid.uuid4().hex[:12]
    yield client[name]
    client.drop_database(name)


def needs(server, ability):
    if not getattr(server.abilities, ability):
        pytest.skip(f"{server.kind} has no {ability}")


def fill(collection, count):
    collection.insert_many([{"_id": number, "n": number % 10} for number in range(count)])


def command(database, name, value, **arguments):
    return database.command(SON([(name, value), *arguments.items()]))


def test_it_says_who_it_is(each_server, client):
    hello = client.admin.command("isMaster")
    assert hello["maxWireVersion"] >= 8
    assert hello["minWireVersion"] <= 6
    assert hello["maxMessageSizeBytes"] == 48_000_000
    assert hello.get("setName", "") == each_server.set_name
    assert client.admin.command("ping")["ok"] == 1
    assert client.server_info()["version"]


def test_documents_come_back_as_they_were_sent(each_server, database):
    sent = list(judge.documents_of_every_kind(300, unkept=each_server.abilities.unkept))
    assert judge.insert_raw(database.kinds, sent, batch_count=70) == 300
    got = list(judge.raw_documents(database.kinds, sort=[("_id", 1)]))
    assert got == sent


def test_all_batches_of_a_cursor_make_the_collection(database):
    fill(database.many, 2500)
    got = [document["_id"] for document in database.many.find(batch_size=300)]
    assert sorted(got) == list(range(2500))
    assert database.many.count_documents({}) == 2500
    assert command(database, "count", "many")["n"] == 2500


def test_a_range_of_ids_holds_its_lower_bound_and_not_its_upper(database):
    fill(database.many, 100)
    found = database.many.find({"_id": {"$gte": 10, "$lt": 20}}).sort("_id", 1)
    assert [document["_id"] for document in found] == list(range(10, 20))
    found = database.many.find({"_id": {"$gt": 90}}, {"_id": 1}).sort("_id", -1).limit(3)
    assert list(found) == [{"_id": 99}, {"_id": 98}, {"_id": 97}]


def test_alternatives_of_ranges_are_their_union(database):
    """How parts of a collection are asked for: apart, one in another, side by side, empty."""
    fill(database.many, 300)
    ranges = [(200, 250), (10, 20), (15, 18), (20, 24), (90, 80), (299, 400)]
    wanted = {one for one in range(300) if any(low <= one < high for low, high in ranges)}
    query = {"$or": [{"_id": {"$gte": low, "$lt": high}} for low, high in ranges]}
    assert sorted(one["_id"] for one in database.many.find(query, batch_size=7)) == sorted(wanted)
    for order in (1, -1):
        found = database.many.find(query, batch_size=7).sort("_id", order)
        assert [one["_id"] for one in found] == sorted(wanted, reverse=order < 0)
    query["$or"] += [{"_id": {"$in": [1, 2, 205]}}, {"_id": 3, "n": 7}]
    found = database.many.find({**query, "_id": {"$lt": 220}})
    assert {one["_id"] for one in found} == {one for one in wanted | {1, 2} if one < 220}
    query["$or"].append({"n": 9})
    assert {one["_id"] for one in database.many.find(query)} == wanted | {1, 2} | {
        one for one in range(300) if one % 10 == 9}


def test_a_range_reaches_ids_of_its_own_type_only(database):
    database.mixed.insert_many([{"_id": 1}, {"_id": 2.5}, {"_id": "text"}, {"_id": {"a": 1}},
                                {"_id": bson.ObjectId("0" * 24)}])

    def ids(query):
        return [one["_id"] for one in database.mixed.find(query).sort("_id", 1)]
    assert ids({"_id": {"$gte": 2}}) == [2.5]
    assert ids({"_id": {"$lt": "z"}}) == ["text"]
    assert ids({}) == [1, 2.5, "text", {"a": 1}, bson.ObjectId("0" * 24)]


def test_an_unknown_cursor_is_told_by_its_number(database):
    fill(database.many, 10)
    with pytest.raises(pymongo.errors.OperationFailure) as failure:
        database.command(SON([("getMore", bson.Int64(123456789)), ("collection", "many")]))
    assert failure.value.code == 43


def test_a_killed_cursor_is_gone(database):
    fill(database.many, 500)
    opened = command(database, "find", "many", filter={}, batchSize=10)["cursor"]
    assert len(opened["firstBatch"]) == 10
    assert opened["id"] != 0
    database.command(SON([("killCursors", "many"), ("cursors", [opened["id"]])]))
    with pytest.raises(pymongo.errors.OperationFailure):
        database.command(SON([("getMore", opened["id"]), ("collection", "many")]))


def test_an_absent_collection_is_empty(database):
    assert list(database.absent.find()) == []
    assert command(database, "count", "absent")["n"] == 0


def test_sampling_gives_documents_of_the_collection(database):
    fill(database.many, 200)
    sampled = list(database.many.aggregate([{"$sample": {"size": 7}}]))
    assert len(sampled) == 7
    assert all(0 <= document["_id"] < 200 for document in sampled)


def test_the_catalog_lists_collections_and_indexes(each_server, database):
    fill(database.first, 3)
    database.second.insert_one({"_id": 1})
    database.second.create_index([("a", 1), ("b", -1)], name="a_b", unique=True)
    listed = {one["name"]: one for one in database.list_collections()}
    assert {"first", "second"} <= set(listed)
    assert all(one["type"] == "collection" for one in listed.values())
    if each_server.abilities.listed_uuid:
        ids = [bytes(one["info"]["uuid"].bytes) for one in listed.values()]
        assert len(set(ids)) == len(listed)
    indexes = judge.indexes_of(database.client, f"{database.name}.second")
    assert set(indexes) == {"_id_", "a_b"}
    assert dict(indexes["a_b"]["key"]) == {"a": 1, "b": -1}
    assert indexes["a_b"]["unique"] is True


def test_the_databases_are_listed(database):
    fill(database.first, 1)
    assert database.name in database.client.list_database_names()


def test_a_collection_is_found_by_its_uuid(each_server, database):
    needs(each_server, "find_by_uuid")
    fill(database.before, 5)
    made = next(iter(database.list_collections()))["info"]["uuid"]
    database.before.rename("after")
    found = database.command(SON([("find", Binary(made.bytes, 4)), ("filter", {})]))
    assert len(found["cursor"]["firstBatch"]) == 5
    assert found["cursor"]["ns"] == f"{database.name}.after"


def test_writes_change_what_they_name(database):
    fill(database.many, 10)
    database.many.update_one({"_id": 3}, {"$set": {"n": 99}})
    database.many.replace_one({"_id": 4}, {"other": 1})
    assert database.many.delete_one({"_id": 5}).deleted_count == 1
    assert database.many.find_one({"_id": 3}) == {"_id": 3, "n": 99}
    assert database.many.find_one({"_id": 4}) == {"_id": 4, "other": 1}
    assert database.many.count_documents({}) == 9


def test_unordered_inserts_go_on_after_a_duplicate(each_server, database):
    fill(database.many, 3)
    with pytest.raises(pymongo.errors.BulkWriteError) as failure:
        database.many.insert_many([{"_id": 2}, {"_id": 3}, {"_id": 1}, {"_id": 4}], ordered=False)
    assert [error["code"] for error in failure.value.details["writeErrors"]] == [11000, 11000]
    if each_server.abilities.counts_inserts:
        assert failure.value.details["nInserted"] == 2
    assert database.many.count_documents({}) == 5


def test_a_unique_index_keeps_duplicates_out(database):
    database.users.create_index("mail", unique=True)
    database.users.insert_one({"_id": 1, "mail": "a"})
    with pytest.raises(pymongo.errors.DuplicateKeyError):
        database.users.insert_one({"_id": 2, "mail": "a"})


def test_indexes_can_be_made_from_what_was_listed(database):
    fill(database.source, 3)
    database.source.create_index("n", name="by_n", expireAfterSeconds=3600)
    listed = list(judge.indexes_of(database.client, f"{database.name}.source").values())
    specs = [spec for spec in listed if spec["name"] != "_id_"]
    command(database, "create", "target")
    command(database, "createIndexes", "target", indexes=specs)
    made = judge.indexes_of(database.client, f"{database.name}.target")
    assert made["by_n"]["expireAfterSeconds"] == 3600


def test_options_of_a_collection_are_kept(each_server, database):
    needs(each_server, "options")
    database.create_collection("log", capped=True, size=65536, max=50)
    database.create_collection("strict", validator={"n": {"$type": "int"}})
    options = {one["name"]: one["options"] for one in database.list_collections()}
    assert options["log"] == {"capped": True, "size": 65536, "max": 50}
    assert options["strict"]["validator"] == {"n": {"$type": "int"}}


def test_a_collection_can_be_made_with_its_uuid(each_server, database):
    needs(each_server, "keeps_uuid")
    wanted = uuid.uuid4()
    database.client.admin.command("applyOps", [
        {"op": "c", "ns": f"{database.name}.$cmd", "ui": Binary(wanted.bytes, 4),
         "o": SON([("create", "made")])}])
    assert next(iter(database.list_collections()))["info"]["uuid"] == wanted


def test_a_snapshot_read_sees_one_moment(each_server, database):
    needs(each_server, "snapshot_read")
    fill(database.many, 300)
    concern = {"level": "snapshot"}
    opened = command(database, "find", "many", filter={}, batchSize=10, readConcern=concern)
    at = opened["cursor"]["atClusterTime"]
    database.many.delete_many({"_id": {"$gte": 100}})
    database.many.update_one({"_id": 50}, {"$set": {"n": -1}})
    more = database.command(SON([("getMore", opened["cursor"]["id"]), ("collection", "many")]))
    seen = opened["cursor"]["firstBatch"] + more["cursor"]["nextBatch"]
    assert {one["_id"]: one["n"] for one in seen} == {n: n % 10 for n in range(300)}
    again = command(database, "find", "many", filter={}, batchSize=1000,
                    readConcern={"level": "snapshot", "atClusterTime": at})
    assert len(again["cursor"]["firstBatch"]) == 300


# ---- the oplog ----

def newest(client):
    return next(client.local["oplog.rs"].find().sort("$natural", -1).limit(1))


def read_from(client, stamp, **options):
    return client.local["oplog.rs"].find({"ts": {"$gte": stamp}}, **options)


def entries_until(client, stamp, count, seconds=10):
    """Entries after a timestamp, by tailing or, where that is not to be had, by asking again."""
    found, deadline = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        last = found[-1]["ts"] if found else stamp
        found += [entry for entry in read_from(client, last) if entry["ts"] > last]
    return found


def test_every_write_is_an_entry(each_server, client, database):
    needs(each_server, "oplog")
    database.many.insert_one({"_id": 0})
    before = newest(client)["ts"]
    database.many.insert_one({"_id": 1, "n": 5})
    database.many.update_one({"_id": 1}, {"$set": {"n": 6}})
    database.many.replace_one({"_id": 1}, {"z": 1})
    database.many.delete_one({"_id": 1})
    entries = [one for one in entries_until(client, before, 4) if one["op"] != "n"]
    assert [one["op"] for one in entries] == ["i", "u", "u", "d"]
    assert {one["ns"] for one in entries} == {f"{database.name}.many"}
    assert len({one["ui"] for one in entries}) == 1
    assert entries[0]["o"] == {"_id": 1, "n": 5}
    assert entries[1]["o2"] == {"_id": 1}
    assert entries[3]["o"] == {"_id": 1}
    stamps = [one["ts"] for one in entries]
    assert stamps == sorted(set(stamps))
    assert all(one["v"] == 2 and one["t"] >= 0 and one["wall"] for one in entries)


def test_reading_from_an_entry_gives_that_entry_first(each_server, client, database):
    needs(each_server, "oplog")
    fill(database.many, 50)
    held = newest(client)
    fill(database.more, 20)
    first = next(read_from(client, held["ts"]))
    assert first == held


def test_commands_are_entries_too(each_server, client, database):
    needs(each_server, "logs_commands")
    before = newest(client)["ts"]
    database.made.create_index("a")
    database.made.rename("named")
    database.named.drop()
    entries = entries_until(client, before, 4)
    names = [next(iter(one["o"])) for one in entries if one["op"] == "c"]
    assert names == ["create", "createIndexes", "renameCollection", "drop"]


def test_a_tailable_cursor_waits_for_news_and_can_be_resumed(each_server, client, database):
    needs(each_server, "tailable")
    database.many.insert_one({"_id": 0})
    held = newest(client)
    cursor = read_from(client, held["ts"], cursor_type=TAIL).max_await_time_ms(200)
    assert next(cursor) == held
    with pytest.raises(StopIteration):
        while next(cursor)["op"] == "n":
            pass
    assert cursor.alive
    database.many.insert_one({"_id": 1})
    entry = next(one for one in cursor if one["op"] == "i")
    assert entry["o"] == {"_id": 1}
    cursor.close()
    resumed = read_from(client, entry["ts"], cursor_type=TAIL).max_await_time_ms(200)
    assert next(resumed) == entry


def test_a_tailable_cursor_that_finds_nothing_is_dead_at_once(each_server, client):
    needs(each_server, "tailable")
    future = bson.Timestamp(2**32 - 1, 1)
    cursor = read_from(client, future, cursor_type=TAIL).max_await_time_ms(200)
    assert list(cursor) == []
    assert not cursor.alive


def test_majority_reads_of_the_oplog_work(each_server, client, database):
    needs(each_server, "tailable")
    database.many.insert_one({"_id": 0})
    told = client.local.command(SON([
        ("find", "oplog.rs"), ("filter", {"ts": {"$gte": newest(client)["ts"]}}),
        ("tailable", True), ("awaitData", True), ("readConcern", {"level": "majority"})]))
    assert len(told["cursor"]["firstBatch"]) >= 1
    assert told["cursor"]["id"] != 0
