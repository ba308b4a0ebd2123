"""Recorded histories streamed from the scripted member: every moment, whatever happens meanwhile.

HOLDFAST_FULL=1 kills the stream 200 times instead of 20.
"""

import json
import random
import time

import bson
import judge
import live
import pytest
from test_recorded_histories import assert_same_state, dump_of

pytestmark = pytest.mark.slow

HISTORIES = ["delta-1", "delta-txn", "modifiers-1"]
LATER = bson.Timestamp(2**31 - 1, 1)


def moments_of(history):
    return [bson.Timestamp(moment["ts"]["t"], moment["ts"]["i"])
            for moment in json.loads((history / "expected.json").read_text())]


def export(repository, moment, target):
    repository.run("export", "--dataset", "shop", "--at", live.at(moment), "--to", target)
    return dump_of(target)


def of_users(dump):
    return {name: held for name, held in dump.items()
            if name.split(".", 1)[0] not in judge.INTERNAL}


def assert_every_moment(repository, history, moments, tmp_path, *, ordered=True):
    for number, moment in moments:
        got = export(repository, moment, tmp_path / f"moment-{number}")
        expected = dump_of(history / "expected" / str(number))
        assert_same_state(of_users(got), of_users(expected), ordered=ordered)


def assert_no_gap(repository):
    told = live.points(repository)
    assert told["gaps"] == []
    return told


@pytest.fixture
def stream_of(repository):
    """stream_of(server) is a stream of it, killed at the end if it still runs."""
    streams = []

    def begin(server, **options):
        streams.append(live.Stream(repository, server.uri, **options))
        return streams[-1]

    yield begin
    for stream in streams:
        if stream.is_running():
            stream.kill()


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("wire", [12, 13])
def test_every_moment_of_a_streamed_history_comes_out(name, wire, corpus, repository,
                                                      start_server, stream_of, tmp_path):
    history = corpus(name)
    moments = moments_of(history)
    server = start_server("scripted", corpus=history, state="0", wire=wire)
    stream = stream_of(server)
    stream.wait_until(moments[0])
    server.play(3000, to=moments[-1])
    stream.wait_until(moments[-1])
    assert stream.stop() == 0
    assert_no_gap(repository)
    assert_every_moment(repository, history, list(enumerate(moments)), tmp_path)
    repository.check()


@pytest.mark.parametrize("name", HISTORIES)
def test_a_base_taken_during_writes_is_as_good(name, corpus, repository, start_server, stream_of,
                                               tmp_path):
    history = corpus(name)
    moments = moments_of(history)
    server = start_server("scripted", corpus=history, state="fuzzy", wire=12)
    server.play(400, to=moments[-1])
    stream = stream_of(server)
    deadline = time.monotonic() + live.PATIENCE_SECONDS
    while not (live.points(repository) or {}).get("windows"):
        assert stream.is_running() and time.monotonic() < deadline, stream.stderr
        time.sleep(0.1)
    server.play(5000, to=moments[-1])
    stream.wait_until(moments[-1])
    assert stream.stop() == 0
    assert_no_gap(repository)
    covered = [(number, moment) for number, moment in enumerate(moments)
               if live.covers(repository, "shop", moment)]
    assert len(covered) >= 2
    assert_every_moment(repository, history, covered, tmp_path, ordered=name[:5] == "delta")


@pytest.mark.parametrize("name", HISTORIES)
def test_a_stream_killed_at_random_points_loses_nothing(name, corpus, repository, start_server,
                                                        stream_of, tmp_path):
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    history = corpus(name)
    moments = moments_of(history)
    server = start_server("scripted", corpus=history, state="0")
    stream = stream_of(server)
    stream.wait_until(moments[0])
    kills = live.KILL_COUNT // len(HISTORIES) + 1
    server.play(4000 / (kills * 0.5), to=moments[-1])
    for _ in range(kills):
        time.sleep(rng.uniform(0.02, 0.9))
        stream.kill()
        stream.start()
    server.play(5000, to=moments[-1])
    stream.wait_until(moments[-1])
    assert stream.stop() == 0
    assert_no_gap(repository)
    assert_every_moment(repository, history, list(enumerate(moments)), tmp_path)
    repository.check()


def test_elections_and_cut_connections_lose_nothing(corpus, repository, start_server, stream_of,
                                                    tmp_path):
    history = corpus("delta-1")
    moments = moments_of(history)
    server = start_server("scripted", corpus=history, state="0", members=2)
    stream = stream_of(server)
    stream.wait_until(moments[0])
    server.play(600, to=moments[-1])
    for turn in range(6):
        time.sleep(0.5)
        if turn % 3 == 0:
            server.election(seconds=0.3)
        elif turn % 3 == 1:
            server.cut()
        else:
            server.cut(after_bytes=20_000)
    stream.wait_until(moments[-1])
    assert stream.stop() == 0
    assert_no_gap(repository)
    assert_every_moment(repository, history, list(enumerate(moments)), tmp_path)


def test_a_member_that_is_gone_is_replaced_by_another(corpus, repository, start_server, stream_of,
                                                      tmp_path):
    history = corpus("delta-txn")
    moments = moments_of(history)
    server = start_server("scripted", corpus=history, state="0", members=3)
    stream = stream_of(server)
    stream.wait_until(moments[0])
    server.play(600, to=moments[-1])
    time.sleep(0.7)
    server.ask("die", member=1)
    time.sleep(0.5)
    server.ask("die", member=0)
    stream.wait_until(moments[-1])
    assert stream.stop() == 0
    assert_no_gap(repository)
    assert_every_moment(repository, history, list(enumerate(moments)), tmp_path)


def final_orders(history):
    return judge.judge_documents(judge.split((history / "final-orders.bson").read_bytes()))


def exported_orders(repository, moment, target):
    export(repository, moment, target)
    return judge.judge_dump(target)["shop.orders"]


def stamps(file):
    return [entry["ts"] for entry in bson.decode_file_iter(open(file, "rb"))]


def test_majority_reads_never_see_the_branch_that_is_rolled_back(corpus, repository, start_server,
                                                                 stream_of, tmp_path):
    history = corpus("rollback-1")
    safe = stamps(history / "a-before-majority.bson")[-1]
    server = start_server("scripted", oplog=history / "a-before-local.bson", visible=safe,
                          noop_seconds=0)
    stream = stream_of(server)
    stream.wait_until(safe)
    server.majority(safe)  # the others do not get the 120 operations that follow
    assert server.advance() > safe
    time.sleep(2)
    server.majority(None)
    server.rollback(history / "b-after-majority.bson")
    stream.wait_until(stamps(history / "b-after-majority.bson")[-1])
    server.rollback(history / "a-after-majority.bson")
    last = server.position()
    stream.wait_until(last)
    assert stream.stop() == 0
    assert_no_gap(repository)
    assert exported_orders(repository, last, tmp_path / "last") == final_orders(history)
    assert exported_orders(repository, safe, tmp_path / "safe").count == 200


def test_a_branch_that_was_captured_and_rolled_back_is_noticed(corpus, repository, start_server,
                                                               stream_of, tmp_path):
    """The server breaks its promise: what a majority read showed is rolled back."""
    history = corpus("rollback-1")
    server = start_server("scripted", oplog=history / "a-before-local.bson", visible=LATER,
                          noop_seconds=0)
    lost = server.position()
    stream = stream_of(server)
    stream.wait_until(lost)
    server.rollback(history / "a-after-majority.bson")
    last = server.position()
    stream.wait_until(last)
    assert stream.stop() == 0
    assert exported_orders(repository, last, tmp_path / "last") == final_orders(history)
    assert b"rolled back" in stream.stderr or b"diverge" in stream.stderr
    told = repository.run("export", "--dataset", "shop", "--at", live.at(lost), "--to",
                          tmp_path / "lost", status=None)
    if told.status == 0:  # then only what the true history holds at that moment
        ids = {document["_id"] for document in bson.decode_file_iter(
            open(tmp_path / "lost" / "shop" / "orders.bson", "rb"))}
        true = {document["_id"] for document in bson.decode_file_iter(
            open(history / "final-orders.bson", "rb"))}
        assert ids <= true


def unknown_command(server):
    """Something that no release logs that we know of. Returns its timestamp."""
    return server.log_entry({"op": "c", "ns": "shop.$cmd", "o": {"frobnicate": "orders"}})


@pytest.mark.parametrize("is_streamed", [True, False])
def test_an_unknown_command_ends_the_window_and_gets_a_new_base(is_streamed, repository,
                                                                start_server, stream_of, tmp_path):
    server = start_server("scripted", noop_seconds=0.5)
    orders = server.client().shop.orders
    judge.insert_raw(orders, judge.documents_of_every_kind(300))
    backup = ["backup", "--dataset", "shop", "--json", server.uri]
    repository.run(*backup)
    stream = stream_of(server) if is_streamed else None
    orders.delete_one({"_id": 7})
    known = server.position()
    unknown = unknown_command(server)
    expected = judge.judge_collection(orders)
    if is_streamed:
        stream.wait_until(unknown)
    else:
        told = repository.run(*backup)
        assert told.json()["kind"] == "full"
        assert "frobnicate" in told.stderr
    orders.delete_one({"_id": 5})
    last = server.position()
    if is_streamed:
        stream.wait_until(last)
        assert stream.stop() == 0
        assert b"frobnicate" in stream.stderr
    else:
        repository.run(*backup)
    windows = live.points(repository)["windows"]
    assert len(windows) >= 2
    promised = {live.stamp_of(window[end]) for window in windows for end in ("from", "to")}
    for number, at in enumerate(sorted(promised | {known, last})):
        assert live.covers(repository, "shop", at)
        export(repository, at, tmp_path / str(number))
    assert exported_orders(repository, known, tmp_path / "known") == expected
    assert exported_orders(repository, last, tmp_path / "last") == judge.judge_collection(orders)


def test_a_rolled_over_oplog_is_a_named_gap_and_a_new_base(repository, start_server, stream_of,
                                                           tmp_path):
    server = start_server("scripted", noop_seconds=0.5)
    orders = server.client().shop.orders
    judge.insert_raw(orders, judge.documents_of_every_kind(300))
    held = server.position()
    stream = stream_of(server)
    stream.wait_until(held)
    stream.kill()
    judge.insert_raw(orders, judge.documents_of_every_kind(700, first=300))
    server.rollover(entries=20)
    orders.insert_one({"_id": 1_000_000})
    after = server.position()
    stream.start()
    stream.wait_until(after)
    orders.delete_one({"_id": 5})
    last = server.position()
    stream.wait_until(last)
    assert stream.stop() == 0
    gaps = live.points(repository)["gaps"]
    assert len(gaps) == 1
    begin, end = live.stamp_of(gaps[0]["after"]), live.stamp_of(gaps[0]["before"])
    assert held <= begin < end < last
    assert end.time - after.time <= 10  # the new base is there within one interval
    assert b"lost" in stream.stderr
    assert exported_orders(repository, last, tmp_path / "last") == judge.judge_collection(orders)
    inside = repository.run("export", "--dataset", "shop", "--at",
                            f"{held.time},{held.inc + 300}", "--to", tmp_path / "inside", status=1)
    assert not (tmp_path / "inside").exists(), inside.stdout


def test_a_stream_publishes_what_it_has_when_it_is_told_to_end(repository, start_server,
                                                               stream_of, tmp_path):
    server = start_server("scripted")
    orders = server.client().shop.orders
    orders.insert_one({"_id": 0})
    stream = stream_of(server, arguments=["--segment-age", "60s"])
    stream.wait_until(server.position())
    orders.insert_many([{"_id": number} for number in range(1, 500)])
    last = server.position()
    time.sleep(1)
    assert not live.covers(repository, "shop", last)
    assert stream.stop() == 0
    assert exported_orders(repository, last, tmp_path / "last").count == 500
