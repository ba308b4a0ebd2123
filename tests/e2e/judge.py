"""An independent judge of documents: pymongo and hashlib, nothing of holdfast.

The digest of a collection is the sum, modulo 2^256, of the SHA-256 of the raw bytes of every
document (docs/mongodump_format.md, Digest): no order, no sorting, no memory.
"""

import dataclasses
import datetime
import hashlib
import random
import struct

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

RAW = CodecOptions(document_class=RawBSONDocument)
MODULUS = 2**256
INTERNAL = {"admin", "config", "local"}


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a collection holds."""

    count: int
    digest: str  # 64 hexadecimal digits, the most significant first


class Tally:
    """Adds documents up."""

    def __init__(self):
        self.count = self.sum = 0

    def add(self, raw):
        self.count += 1
        self.sum += int.from_bytes(hashlib.sha256(raw).digest(), "big")

    def result(self):
        return Judged(self.count, f"{self.sum % MODULUS:064x}")


def raw_documents(collection, query=None, **options):
    """The raw bytes of each document of a pymongo collection."""
    whole = collection.with_options(codec_options=RAW)
    for document in whole.find(query or {}, **options):
        yield document.raw


def split(raw):
    """Documents that lie back to back."""
    at = 0
    while at < len(raw):
        length = int.from_bytes(raw[at:at + 4], "little")
        yield raw[at:at + length]
        at += length


def judge_documents(documents):
    tally = Tally()
    for raw in documents:
        tally.add(raw)
    return tally.result()


def judge_collection(collection):
    return judge_documents(raw_documents(collection))


def judge_server(client, only=()):
    """Every collection of a server (views and internal databases excepted), or of some."""
    found = {}
    for database in client.list_database_names():
        if database in INTERNAL or only and database not in only:
            continue
        for listed in client[database].list_collections():
            if listed.get("type", "collection") == "view":
                continue
            name = f"{database}.{listed['name']}"
            found[name] = judge_collection(client[database][listed["name"]])
    return found


def judge_dump(directory):
    """Every collection of a mongodump directory."""
    found = {}
    for file in sorted(directory.glob("*/*.metadata.json")):
        documents = file.with_name(file.name.replace(".metadata.json", ".bson"))
        name = documents.name[:-len(".bson")]
        for escaped, plain in (("%2F", "/"), ("%5C", "\\"), ("%25", "%")):
            name = name.replace(escaped, plain)
        if documents.exists():
            found[f"{file.parent.name}.{name}"] = judge_documents(split(documents.read_bytes()))
    return found


def differences(got, expected):
    """One line for each collection that is not the same."""
    lines = []
    for name in sorted(got.keys() | expected.keys()):
        if got.get(name) != expected.get(name):
            lines.append(f"{name}: {got.get(name)}, expected {expected.get(name)}")
    return lines


def indexes_of(client, namespace):
    """Index specifications by name, without what servers add of their own."""
    database, name = namespace.split(".", 1)
    found = {}
    for index in client[database][name].list_indexes():
        spec = {field: value for field, value in index.items()
                if field not in ("ns", "storageEngine")}
        found[spec["name"]] = spec
    return found


# ---- documents of every kind ----

def _values(rng):
    """One value of every BSON type that a document can hold."""
    moment = datetime.datetime(2020, 1, 1) + datetime.timedelta(milliseconds=rng.randrange(10**12))
    return {
        "double": rng.uniform(-1e9, 1e9), "zero": -0.0, "not": float("nan"),
        "text": "žluťoučký kůň 日本語 " + "x" * rng.randrange(20), "none": None,
        "object": {"a": {"b": [1, {"c": rng.randrange(100)}]}}, "array": [1, "two", 3.0, None],
        "bytes": rng.randbytes(rng.randrange(40)), "uuid": bson.Binary(rng.randbytes(16), 4),
        "custom": bson.Binary(rng.randbytes(5), 0x80), "id": bson.ObjectId(rng.randbytes(12)),
        "yes": True, "no": False, "date": moment, "regex": bson.Regex("^a.*b$", "i"),
        "code": bson.Code("function() { return 1 }"),
        "scoped": bson.Code("function() { return x }", {"x": rng.randrange(9)}),
        "int": rng.randrange(-2**31, 2**31), "stamp": bson.Timestamp(rng.randrange(1, 2**31), 7),
        "long": bson.Int64(rng.randrange(-2**63, 2**63)), "empty": {}, "nothing": [],
        "decimal": bson.Decimal128(f"{rng.randrange(10**9)}.{rng.randrange(1000):03d}"),
        "least": bson.MinKey(), "most": bson.MaxKey(), "dotted": "",
    }


def _body(values, unkept):
    kept = {name: value for name, value in values.items() if name not in unkept}
    return bytes(bson.BSON.encode(kept))[4:-1]


def documents_of_every_kind(count, *, seed=1, size=1000, first=0, unkept=()):
    """Raw documents of about `size` bytes, `_id` first, first + 1…; the same for the same seed.

    The bodies come from a pool of 97, each with every BSON type (but those that a server does not
    keep); a counter and random text make each document its own. As fast as bytes can be joined.
    """
    rng = random.Random(seed)
    pool = [_body(_values(rng), unkept) for _ in range(97)]
    noise = rng.randbytes(65536).hex().encode()
    for number in range(first, first + count):
        body = pool[number * 31 % 97]
        head = b"\x10_id\0" + struct.pack("<i", number)
        serial = b"\x12serial\0" + struct.pack("<q", (number * 2654435761 + seed) % 2**40)
        room = max(16, size - len(body) - len(head) - len(serial) - 20)
        at = number * 977 % (len(noise) - room)
        padding = b"\x02padding\0" + struct.pack("<i", room + 1) + noise[at:at + room] + b"\0"
        inside = head + serial + body + padding
        yield struct.pack("<i", len(inside) + 5) + inside + b"\0"


def insert_raw(collection, documents, batch_count=1000):
    """Inserts raw documents as they are. Returns how many."""
    total, batch = 0, []
    target = collection.with_options(codec_options=RAW)
    for raw in documents:
        batch.append(RawBSONDocument(raw))
        if len(batch) == batch_count:
            target.insert_many(batch, ordered=False)
            total, batch = total + len(batch), []
    if batch:
        target.insert_many(batch, ordered=False)
    return total + len(batch)
