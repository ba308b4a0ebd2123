#!/usr/bin/env python3
"""A mass deletion for tools/demo.sh: appends to a recorded oplog one delete for every document of a
collection, as a server writes them, a minute after the last recorded moment; and compares an
exported dump with a recorded state.

Prints shell assignments about the disaster (`disaster`), or the comparison (`compare`).
"""
import argparse
import collections
import hashlib
import json
import pathlib
import re
import struct
import sys
import time

SECONDS_AFTER = 60
DELETES_PER_SECOND = 1200
UPDATED_OBJECT_ID = re.compile(rb"\x03o2\x00.{4}\x07_id\x00(.{12})", re.S)


def documents(dump):
    """The documents of a .bson file, as bytes."""
    at = 0
    while at < len(dump):
        length = struct.unpack_from("<i", dump, at)[0]
        yield dump[at:at + length]
        at += length


def identity(document):
    """The raw `_id` element: the first one of every stored document."""
    assert document[5:9] == b"_id\0", "a stored document begins with _id"
    kind, start = document[4], 9
    lengths = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16,
               0xFF: 0, 0x7F: 0}
    if kind in lengths:
        length = lengths[kind]
    else:
        length = struct.unpack_from("<i", document, start)[0]
        length += {0x02: 4, 0x0E: 4, 0x03: 0, 0x05: 5, 0x0D: 4, 0x0F: 0}[kind]
    return document[4:start + length]


def encode(body):
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def text(name, value):
    raw = value.encode() + b"\0"
    return b"\x02" + name + b"\0" + struct.pack("<i", len(raw)) + raw


def delete_entry(namespace, uuid, identity_bytes, seconds, ordinal):
    return encode(
        text(b"op", "d") + text(b"ns", namespace)
        + b"\x05ui\0" + struct.pack("<i", 16) + b"\x04" + uuid
        + b"\x03o\0" + encode(identity_bytes)
        + b"\x11ts\0" + struct.pack("<II", ordinal, seconds)
        + b"\x12t\0" + struct.pack("<q", 1)
        + b"\x12v\0" + struct.pack("<q", 2)
        + b"\x09wall\0" + struct.pack("<q", seconds * 1000))


def disaster(history, namespace, output):
    moment = json.loads((history / "expected.json").read_text())[-1]
    database, collection = namespace.split(".", 1)
    state = history / "expected" / str(moment["k"])
    lost = list(documents((state / database / f"{collection}.bson").read_bytes()))
    uuid = bytes.fromhex(moment["namespaces"][namespace]["uuid"])
    first = moment["ts"]["t"] + SECONDS_AFTER
    with open(output, "wb") as out:
        out.write((history / "oplog.bson").read_bytes())
        for number, document in enumerate(lost):
            seconds, ordinal = divmod(number, DELETES_PER_SECOND)
            out.write(delete_entry(namespace, uuid, identity(document), first + seconds,
                                   ordinal + 1))
    last = first + (len(lost) - 1) // DELETES_PER_SECOND
    # One with a history, and with an ObjectId, which is easy to type.
    updates = collections.Counter(UPDATED_OBJECT_ID.findall((history / "oplog.bson").read_bytes()))
    chosen = max((d for d in lost if d[4] == 0x07), key=lambda d: updates[identity(d)[5:]])
    print(f"lost_count={len(lost)}")
    print(f"lost_id={identity(chosen)[5:].hex()}")
    print(f"first_delete={first}")
    print(f"last_delete={last}")
    print(f"before={first - 1}")
    print(f"before_iso={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(first - 1))}")
    print(f"deletion_iso={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(first))}")
    print(f"after_iso={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(last))}")


def metadata_files(directory):
    """{namespace: its metadata file}; names of files are escaped, the text inside is not."""
    return {f"{path.parent.name}.{json.loads(path.read_text())['collectionName']}": path
            for path in directory.glob("*/*.metadata.json")}


def description(metadata):
    """What a metadata file says; what is left out is empty."""
    said = json.loads(metadata.read_text())
    return [said.get(name) or None for name in ("options", "indexes", "uuid", "type")]


def compare(got, history):
    """An export against the last recorded state: digests and counts, then options and indexes."""
    moment = json.loads((history / "expected.json").read_text())[-1]
    ours, theirs = metadata_files(got), metadata_files(history / "expected" / str(moment["k"]))
    differences = [f"{name}: only on one side" for name in sorted(ours.keys() ^ theirs.keys())]
    total, count_of_collections = 0, 0
    for namespace in sorted(ours.keys() & theirs.keys()):
        metadata = ours[namespace]
        if description(metadata) != description(theirs[namespace]):
            differences.append(f"{namespace}: options, indexes or UUID differ")
        recorded = moment["namespaces"][namespace]
        if recorded["type"] != "collection":
            continue
        dump = metadata.with_name(metadata.name.replace(".metadata.json", ".bson")).read_bytes()
        digest, count = hashlib.md5(dump).hexdigest(), sum(1 for _ in documents(dump))
        if (digest, count) != (recorded["md5"], recorded["count"]):
            differences.append(f"{namespace}: {count} documents, md5 {digest}; recorded "
                               f"{recorded['count']}, {recorded['md5']}")
        total += count
        count_of_collections += 1
    print("\n".join(differences), end="\n" if differences else "", file=sys.stderr)
    print(f"{count_of_collections} collections, {total} documents")
    return 1 if differences or not count_of_collections else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("disaster")
    one.add_argument("history", type=pathlib.Path)
    one.add_argument("namespace")
    one.add_argument("output", type=pathlib.Path)
    two = verbs.add_parser("compare")
    two.add_argument("got", type=pathlib.Path)
    two.add_argument("history", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.verb == "compare":
        return compare(arguments.got, arguments.history)
    disaster(arguments.history, arguments.namespace, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
