"""The double tells the truth: its documents are those of the recordings, its faults are faults."""

import json
import time

import bson
import judge
import pymongo
import pytest
from bson.son import SON

TAIL = pymongo.CursorType.TAILABLE_AWAIT


def moments_of(history):
    return [bson.Timestamp(moment["ts"]["t"], moment["ts"]["i"])
            for moment in json.loads((history / "expected.json").read_text())]


def capped_of(client):
    return {f"{database}.{one['name']}" for database in client.list_database_names()
            for one in client[database].list_collections() if one["options"].get("capped")}


def tail(client, stamp):
    found = client.local["oplog.rs"].find({"ts": {"$gte": stamp}}, cursor_type=TAIL)
    return found.max_await_time_ms(100)


@pytest.mark.parametrize("name, state", [("delta-1", "base"), ("delta-1", "fuzzy"),
                                         ("delta-txn", "base"), ("modifiers-1", "0")])
def test_every_recorded_moment_is_served_as_it_was(name, state, corpus, start_server):
    history = corpus(name)
    server = start_server("scripted", corpus=history, state=state)
    client = server.client()
    for number, moment in enumerate(moments_of(history)):
        server.advance(to=moment)
        expected = judge.judge_dump(history / "expected" / str(number))
        got = judge.judge_server(client)
        for capped in capped_of(client):  # trimmed by size without an entry: not modelled
            got.pop(capped, None)
            expected.pop(capped, None)
        assert judge.differences({name: one for name, one in got.items() if one.count},
                                 {name: one for name, one in expected.items() if one.count}) == []


def test_the_oplog_ends_where_the_script_says(corpus, start_server):
    history = corpus("delta-1")
    server = start_server("scripted", corpus=history, state="1", noop_seconds=0)
    client = server.client()
    held = moments_of(history)[1]
    assert server.position() == held
    cursor = tail(client, held)
    assert next(cursor)["ts"] == held
    assert list(cursor) == []
    assert cursor.alive
    server.advance(entries=5)
    assert [entry["ts"] for entry in cursor][-1] == server.position()


def test_a_history_plays_at_its_rate(corpus, start_server):
    history = corpus("delta-txn")
    server = start_server("scripted", corpus=history, state="0")
    last = moments_of(history)[-1]
    server.play(4000, to=last)
    deadline = time.monotonic() + 20
    while server.position() < last and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.position() == last


def test_an_election_ends_cursors_and_begins_a_term(start_server):
    server = start_server("scripted", members=2)
    client = server.client()
    client.shop.orders.insert_one({"_id": 1})
    before = next(client.local["oplog.rs"].find().sort("$natural", -1).limit(1))
    cursor = tail(client, before["ts"])
    assert next(cursor) == before
    number = cursor.cursor_id
    server.election(seconds=0.3)
    with pytest.raises(pymongo.errors.OperationFailure) as failure:
        client.local.command(SON([("getMore", number), ("collection", "oplog.rs")]))
    assert failure.value.code == 43
    client.shop.orders.insert_one({"_id": 2})
    entries = list(client.local["oplog.rs"].find({"ts": {"$gt": before["ts"]}}))
    assert [entry["t"] for entry in entries] == [2, 2]
    assert entries[0]["o"] == {"msg": "new primary"}


def test_a_rollover_loses_the_position_of_a_cursor(start_server):
    server = start_server("scripted")
    client = server.client()
    client.shop.orders.insert_many([{"_id": number} for number in range(100)])
    first = next(client.local["oplog.rs"].find().sort("$natural", 1).limit(1))
    cursor = client.local["oplog.rs"].find({"ts": {"$gte": first["ts"]}}, cursor_type=TAIL,
                                           batch_size=2)
    next(cursor)
    server.rollover(entries=10)
    with pytest.raises(pymongo.errors.OperationFailure) as failure:
        client.local.command(SON([("getMore", cursor.cursor_id), ("collection", "oplog.rs")]))
    assert failure.value.code == 136
    assert client.local["oplog.rs"].count_documents({}) == 10


def test_a_cut_connection_is_cut_after_so_many_bytes(start_server):
    server = start_server("scripted")
    judge.insert_raw(server.client().shop.orders, judge.documents_of_every_kind(500))
    server.cut(after_bytes=100_000)
    with pytest.raises(pymongo.errors.AutoReconnect):
        list(server.client(retryReads=False).shop.orders.find(batch_size=50))
    assert server.client().shop.orders.count_documents({}) == 500


def test_a_rollback_is_another_branch_at_the_same_position(corpus, start_server):
    history = corpus("rollback-1")
    server = start_server("scripted", oplog=history / "a-before-local.bson",
                          visible=bson.Timestamp(2**31 - 1, 1), noop_seconds=0)
    client = server.client()
    lost = server.position()
    lost_entry = next(client.local["oplog.rs"].find({"ts": {"$gte": lost}}))
    server.rollback(history / "b-after-majority.bson")
    assert client.local["oplog.rs"].count_documents({"ts": lost}) == 0
    assert lost_entry["ts"] < server.position()
    server.rollback(history / "a-after-majority.bson")
    expected = judge.judge_documents(judge.split((history / "final-orders.bson").read_bytes()))
    assert judge.judge_collection(client.shop.orders) == expected


def test_majority_reads_end_before_the_newest_entry(corpus, start_server):
    server = start_server("scripted")
    client = server.client()
    client.shop.orders.insert_one({"_id": 1})
    held = server.position()
    client.shop.orders.insert_one({"_id": 2})
    server.majority(held)
    query = SON([("find", "oplog.rs"), ("filter", {"ts": {"$gte": held}}),
                 ("readConcern", {"level": "majority"})])
    assert len(client.local.command(query)["cursor"]["firstBatch"]) == 1
    assert client.local["oplog.rs"].count_documents({"ts": {"$gte": held}}) == 2


def test_a_user_has_the_privileges_that_the_script_gives(start_server):
    server = start_server("scripted")
    server.user("bk@admin", [{"resource": {"cluster": True}, "actions": ["replSetGetStatus"]}])
    told = server.client().admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    assert told["authenticatedUsers"] == [{"user": "bk", "db": "admin"}]
    assert told["authenticatedUserPrivileges"][0]["actions"] == ["replSetGetStatus"]


def test_nobody_gets_in_without_the_password(start_server):
    server = start_server("scripted", user="bk:secret")
    server.client().shop.orders.insert_one({"_id": 1})
    server.client().admin.command("createUser", "reader", pwd="other", roles=["readAnyDatabase"])
    for user in ("bk:wrong", "nobody:secret", None):
        with pytest.raises(pymongo.errors.OperationFailure) as failure:
            pymongo.MongoClient(server.uri_as(user)).shop.orders.find_one()
        assert failure.value.code in (13, 18)
    assert pymongo.MongoClient(server.uri_as("reader:other")).shop.orders.find_one() == {"_id": 1}


def test_documents_keep_their_order_by_id(start_server):
    collection = start_server("scripted").client().shop.mixed
    ids = [bson.MinKey(), None, -1.5, 0, bson.Int64(2**53 + 1), bson.Decimal128("1E+20"), "", "a",
           {"b": 1}, {"a": "x"}, bson.Binary(b"\xff", 0), bson.Binary(b"\0\0", 0),
           bson.ObjectId("0" * 24), False, True, bson.Timestamp(1, 1), bson.MaxKey()]
    collection.insert_many([{"_id": one} for one in reversed(ids)])
    got = [bson.BSON.encode({"_id": one["_id"]}) for one in collection.find().sort("_id", 1)]
    assert got == [bson.BSON.encode({"_id": one}) for one in ids]
