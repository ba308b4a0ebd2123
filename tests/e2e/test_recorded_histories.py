"""Recorded histories of a real server come out byte for byte, from fuzzy and exact bases."""

import json

import pytest

HISTORIES = ["delta-1", "delta-txn", "modifiers-1"]


def dump_of(directory):
    """Every namespace of a mongodump directory: its metadata and the bytes of its documents."""
    found = {}
    for metadata_file in sorted(directory.glob("*/*.metadata.json")):
        metadata = json.loads(metadata_file.read_text())
        name = f"{metadata_file.parent.name}.{metadata['collectionName']}"
        documents = metadata_file.with_name(metadata_file.name.replace(".metadata.json", ".bson"))
        found[name] = (metadata, documents.read_bytes() if documents.exists() else None)
    return found


def documents_of(dump_bytes):
    at, documents = 0, []
    while at < len(dump_bytes):
        length = int.from_bytes(dump_bytes[at:at + 4], "little")
        documents.append(dump_bytes[at:at + length])
        at += length
    return documents


def is_capped(metadata):
    return bool(metadata.get("options", {}).get("capped"))


def assert_same_metadata(name, got, expected):
    assert got.get("uuid") == expected.get("uuid"), name
    assert got["type"] == expected["type"], name
    assert got.get("options", {}) == expected.get("options", {}), name
    assert got.get("indexes", []) == expected.get("indexes", []), name


def fields_sorted(document):
    """A document without the order of its bytes: equal for documents equal up to field order."""
    return bytes(sorted(document))


def assert_same_state(got, expected, *, ordered):
    assert set(got) == set(expected)
    for name, (metadata, documents) in expected.items():
        got_metadata, got_documents = got[name]
        assert_same_metadata(name, got_metadata, metadata)
        if documents is None:
            assert got_documents is None, name
        elif is_capped(metadata):
            # The server trims without an entry: ours may hold older documents in front.
            assert (got_documents or b"").endswith(documents), name
        elif ordered:
            assert got_documents == documents, name
        else:
            ours = [fields_sorted(document) for document in documents_of(got_documents)]
            theirs = [fields_sorted(document) for document in documents_of(documents)]
            assert ours == theirs, name


def export_and_compare(repository, dataset, history, moment, tmp_path, *, ordered=True):
    at = f"{moment['ts']['t']},{moment['ts']['i']}"
    target = tmp_path / f"{dataset}-{moment['k']}"
    repository.run("export", "--dataset", dataset, "--at", at, "--to", target)
    assert_same_state(dump_of(target), dump_of(history / "expected" / str(moment["k"])),
                      ordered=ordered)


@pytest.mark.parametrize("name", HISTORIES)
def test_every_recorded_moment_comes_out_of_the_fuzzy_base(name, corpus, repository, tmp_path):
    history = corpus(name)
    repository.run("import", "--dataset", "shop", "--oplog", history / "oplog.bson",
                   history / "base")
    for moment in json.loads((history / "expected.json").read_text()):
        export_and_compare(repository, "shop", history, moment, tmp_path,
                           ordered=not name.startswith("modifiers"))
    repository.check()


@pytest.mark.parametrize("name", HISTORIES)
def test_every_later_moment_comes_out_of_an_exact_base(name, corpus, repository, tmp_path):
    history = corpus(name)
    repository.run("import", "--dataset", "exact", "--oplog", history / "oplog.bson",
                   history / "expected" / "0")
    for moment in json.loads((history / "expected.json").read_text()):
        export_and_compare(repository, "exact", history, moment, tmp_path)
    repository.check()


def test_a_moment_before_the_first_consistent_one_is_refused_with_the_nearest(corpus, repository,
                                                                              tmp_path):
    history = corpus("delta-1")
    repository.run("import", "--dataset", "shop", "--oplog", history / "oplog.bson",
                   history / "base")
    window = json.loads((history / "base" / "manifest.json").read_text())
    inside = f"{window['last']['t']},{window['last']['i'] - 1}"
    refused = repository.run("export", "--dataset", "shop", "--at", inside, "--to",
                             tmp_path / "early", status=1)
    assert f"{window['last']['t']},{window['last']['i']}" in refused.stderr
    assert not (tmp_path / "early").exists()


def test_latest_is_the_newest_point_never_the_history_that_completes_it(corpus, repository,
                                                                        tmp_path):
    history = corpus("delta-1")
    repository.run("import", "--dataset", "shop", "--oplog", history / "oplog.bson",
                   history / "base")
    repository.run("restore", "latest", "--to", tmp_path / "dump")
    assert (tmp_path / "dump" / "shop" / "orders.bson").exists()


def test_pruning_keeps_the_history_that_a_kept_base_needs(corpus, repository, tmp_path):
    history = corpus("delta-1")
    moments = json.loads((history / "expected.json").read_text())
    for base in ("base", "expected/0", "expected/1"):
        repository.run("import", "--dataset", "shop", "--oplog", history / "oplog.bson",
                       history / base)
    repository.run("prune", "--keep-last", "1")
    assert len(repository.run("points", "--json").json()["points"]) == 2
    export_and_compare(repository, "shop", history, moments[3], tmp_path)
    repository.check()
