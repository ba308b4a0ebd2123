"""The data that is backed up: seeded, so that every machine measures the same bytes."""
import json
import os
import pathlib
import random
import struct

MIB = 1 << 20
QUICK_DIVISOR = 20

WORDS = (
    "the order was paid by card and shipped to customer address in two boxes after stock check "
    "return value error timeout request server user session update delete insert index field "
    "price total currency euro invoice product category weight colour size name street city "
    "country phone mail status pending active closed open note comment created modified by "
    "if else while for const static class public private import from struct template"
).split()


def _lines(rng, count):
    """Lines of text in which, as in real text, few words are frequent and numbers are not."""
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    lines = []
    for _ in range(count):
        words = rng.choices(WORDS, weights, k=rng.randint(4, 14))
        words.insert(rng.randrange(len(words)), str(rng.randrange(10 ** rng.randint(1, 9))))
        lines.append(" ".join(words) + "\n")
    return lines


class SmallFiles:
    """50,000 files of text, 200 B to 40 KB (small ones are more frequent), 100 in a folder."""
    name = "small files"

    def __init__(self, folder, quick):
        self.folder = pathlib.Path(folder)
        self.count = 50_000 // (QUICK_DIVISOR if quick else 1)
        self.rng = random.Random(1)
        self.lines = _lines(self.rng, 50_000)

    def description(self):
        return f"{self.count} text files of 200 B to 40 KB"

    def bytes_max(self):
        return self.count * 9000

    def _path(self, number):
        return self.folder / f"folder{number // 100:04}" / f"note{number:06}.txt"

    def _write(self, number):
        size = int(200 * 200 ** self.rng.random())
        text, length = [f"note {number} of {self.rng.getrandbits(64):x}\n"], 0
        while length < size:
            text.append(self.rng.choice(self.lines))
            length += len(text[-1])
        self._path(number).write_text("".join(text)[:size])

    def generate(self):
        for number in range(self.count):
            if number % 100 == 0:
                self._path(number).parent.mkdir(parents=True)
            self._write(number)

    def change_one_percent(self):
        for number in self.rng.sample(range(self.count), max(1, self.count // 100)):
            self._write(number)


class IncompressibleFile:
    """One file of random bytes; a change overwrites twenty stretches of it."""
    name = "incompressible file"

    def __init__(self, folder, quick):
        self.folder = pathlib.Path(folder)
        self.size = 2000 * MIB // (QUICK_DIVISOR if quick else 1)
        self.rng = random.Random(2)

    def description(self):
        return f"one file of {self.size // MIB} MiB of random bytes"

    def bytes_max(self):
        return self.size

    def generate(self):
        self.folder.mkdir(parents=True)
        with open(self.folder / "disk.img", "wb") as file:
            for _ in range(self.size // MIB):
                file.write(self.rng.randbytes(MIB))

    def change_one_percent(self):
        stretch = self.size // 100 // 20
        with open(self.folder / "disk.img", "r+b") as file:
            for _ in range(20):
                file.seek(self.rng.randrange(self.size - stretch))
                file.write(self.rng.randbytes(stretch))


class BsonDump:
    """A dump of one collection of orders, about 1 KB each, as mongodump lays it out. A change sets
    numbers in ten runs of neighbouring documents, as updates by time or customer do."""
    name = "BSON dump"
    document_bytes = 1024

    def __init__(self, folder, quick):
        self.folder = pathlib.Path(folder)
        self.count = 1000 * MIB // self.document_bytes // (QUICK_DIVISOR if quick else 1)
        self.rng = random.Random(3)
        self.lines = _lines(self.rng, 20_000)

    def description(self):
        return f"a dump of {self.count} BSON documents of {self.document_bytes} B"

    def bytes_max(self):
        return self.count * self.document_bytes

    def _document(self, number):
        """{_id: ObjectId, total: double, placed: date, customer: int64, state: string,
        note: string}, the last as long as it takes to fill 1024 bytes."""
        rng = self.rng
        fields = [b"\x07_id\0" + struct.pack(">IQ", 1_700_000_000 + number // 50, number),
                  b"\x01total\0" + struct.pack("<d", rng.randrange(10 ** 6) / 100),
                  b"\x09placed\0" + struct.pack("<q", 1_700_000_000_000 + number * 20),
                  b"\x12customer\0" + struct.pack("<q", rng.randrange(100_000)),
                  b"\x02state\0" + struct.pack("<i", 8) + b"shipped\0"]
        head = b"".join(fields) + b"\x02note\0"
        room = self.document_bytes - 4 - len(head) - 4 - 1 - 1
        text = b"".join(line.encode() for line in rng.choices(self.lines, k=20))[:room]
        text = text.ljust(room)
        return (struct.pack("<i", self.document_bytes) + head
                + struct.pack("<i", room + 1) + text + b"\0\0")

    def generate(self):
        database = self.folder / "shop"
        database.mkdir(parents=True)
        with open(database / "orders.bson", "wb") as file:
            for number in range(self.count):
                file.write(self._document(number))
        (database / "orders.metadata.json").write_text(json.dumps({
            "indexes": [{"v": {"$numberInt": "2"}, "key": {"_id": {"$numberInt": "1"}},
                         "name": "_id_"}],
            "uuid": "6f9c1d2e3a4b4c5d8e7f001122334455", "collectionName": "orders",
            "type": "collection"}))

    def change_one_percent(self):
        run = max(1, self.count // 100 // 10)
        with open(self.folder / "shop" / "orders.bson", "r+b") as file:
            for _ in range(10):
                first = self.rng.randrange(self.count - run)
                for number in range(first, first + run):
                    file.seek(number * self.document_bytes + 4 + 17 + 7)
                    file.write(struct.pack("<d", self.rng.randrange(10 ** 6) / 100))


ALL = [SmallFiles, IncompressibleFile, BsonDump]


def stored_bytes(folder):
    """The sizes of all files below, summed."""
    return sum(os.path.getsize(os.path.join(parent, file))
               for parent, _, files in os.walk(folder) for file in files)
