"""The documents and the catalog of the scripted member, and what its oplog does to them."""

import bisect
import json
import pathlib
import uuid as uuid_module

import bson
import raw_bson as rb
from bson import json_util
from bson.son import SON
from oplog_apply import post_image

CANONICAL = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, document_class=SON)
FIRST_KEY, PAST_KEYS = b"", b"\xff"


def extended(value):
    """BSON of a member of a .metadata.json."""
    return bson.BSON.encode(json_util.loads(json.dumps(value), json_options=CANONICAL))


def new_uuid():
    return uuid_module.uuid4().bytes


def id_index():
    return rb.document(rb.element(b"v", rb.int32(2)),
                       rb.element(b"key", (rb.OBJECT, rb.document(
                           rb.element(b"_id", rb.int32(1))))),
                       rb.element(b"name", rb.text("_id_")))


class Collection:
    """Documents by the key of their _id, in the order of insertion and, when asked, of the keys."""

    def __init__(self, name, uuid, options=rb.EMPTY, indexes=()):
        self.name = name  # "db.collection"
        self.uuid = uuid
        self.options = options
        self.indexes = list(indexes)
        self.documents = {}  # key: raw document
        self.past = {}  # key: [(ts of the change, document before it or None)]
        self._keys, self._gone, self._is_sorted = [], set(), True
        shape = rb.fields(options)
        self.is_capped = rb.is_true(shape.get(b"capped"))
        self.count_max = rb.integer_of(shape[b"max"]) if b"max" in shape else 0

    def put(self, key, raw, at, remember):
        before = self.documents.get(key)
        if before is None:
            if key in self._gone:
                self._gone.discard(key)
            else:
                self._is_sorted = self._is_sorted and (not self._keys or key > self._keys[-1])
                self._keys.append(key)
        self.documents[key] = raw
        if remember:
            self.past.setdefault(key, []).append((at, before))
        if self.is_capped and 0 < self.count_max < len(self.documents):
            self.remove(next(iter(self.documents)), at, remember)

    def remove(self, key, at, remember):
        before = self.documents.pop(key, None)
        if before is None:
            return
        self._gone.add(key)
        if remember:
            self.past.setdefault(key, []).append((at, before))

    def forget_past(self, key, oldest):
        kept = [change for change in self.past.get(key, ()) if change[0] >= oldest]
        if kept:
            self.past[key] = kept
        else:
            self.past.pop(key, None)

    def sorted_keys(self):
        """Ascending; some of them may have no document any more."""
        if not self._is_sorted:
            self._keys.sort()
            self._is_sorted = True
        if len(self._gone) > 1000 and len(self._gone) > len(self._keys) // 2 and not self.past:
            self._keys = [key for key in self._keys if key not in self._gone]
            self._gone.clear()
        return self._keys

    def document(self, key, at=None):
        """As of a timestamp, or now; None if there is none."""
        if at is not None:
            for changed, before in self.past.get(key, ()):
                if changed > at:
                    return before
        return self.documents.get(key)

    def natural_keys(self, at):
        keys = list(self.documents)
        return keys if at is None else keys + [key for key in self.past
                                               if key not in self.documents]

    def slice(self, low, high):
        """Positions in sorted_keys() of the half-open range of keys."""
        keys = self.sorted_keys()
        return bisect.bisect_left(keys, low), bisect.bisect_left(keys, high)


class Catalog:
    """All collections, by name and UUID. `remember`: old versions are kept for snapshot reads."""

    def __init__(self, remember=False):
        self.by_name, self.by_uuid = {}, {}
        self.remember = remember
        self.changes = []  # (ts, collection, key), for forgetting
        self._open = {}  # entries of transactions that have not ended

    def add(self, collection):
        self.by_name[collection.name] = collection
        self.by_uuid[collection.uuid] = collection
        return collection

    def drop(self, collection):
        self.by_uuid.pop(collection.uuid, None)
        if self.by_name.get(collection.name) is collection:
            del self.by_name[collection.name]

    def rename(self, collection, name):
        if self.by_name.get(collection.name) is collection:
            del self.by_name[collection.name]
        collection.name = name
        self.by_name[name] = collection

    def databases(self):
        return sorted({name.split(".", 1)[0] for name in self.by_name})

    def of_database(self, database):
        return [collection for name, collection in self.by_name.items()
                if name.startswith(database + ".")]

    def views(self, database):
        stored = self.by_name.get(f"{database}.system.views")
        return list(stored.documents.values()) if stored else []

    def put(self, collection, raw, at):
        key = rb.key(rb.document_id(raw))
        collection.put(key, raw, at, self.remember)
        if self.remember:
            self.changes.append((at, collection, key))
        return key

    def remove(self, collection, key, at):
        collection.remove(key, at, self.remember)
        if self.remember:
            self.changes.append((at, collection, key))

    def forget_before(self, oldest):
        """Snapshots older than that can not be read any more."""
        end = bisect.bisect_left(self.changes, oldest, key=lambda change: change[0])
        for _, collection, key in self.changes[:end]:
            collection.forget_past(key, oldest)
        del self.changes[:end]

    # ---- entries ----

    def apply(self, entry):
        shape = rb.fields(entry)
        self._apply_operation(shape, rb.integer_of(shape[b"ts"]))

    def _apply_operation(self, shape, at):
        operation = rb.text_of(shape[b"op"])
        if operation == "c":
            self._apply_command(shape, at)
            return
        if operation == "n":
            return
        collection = self.by_uuid.get(rb.uuid_of(shape.get(b"ui")))
        if collection is None:
            return
        body = shape[b"o"][1]
        if operation == "i":
            self.put(collection, body, at)
        elif operation == "d":
            self.remove(collection, rb.key(rb.document_id(body)), at)
        elif operation == "u":
            key = rb.key(rb.document_id(shape[b"o2"][1]))
            before = collection.documents.get(key)
            if before is not None:
                self.put(collection, post_image(before, body), at)
        else:
            raise ValueError(f"an operation {operation} that this member does not know")

    def _apply_command(self, shape, at):
        body = shape[b"o"][1]
        name, kind, value = next(rb.elements(body))
        database = rb.text_of(shape[b"ns"]).split(".", 1)[0]
        uuid = rb.uuid_of(shape.get(b"ui"))
        command = getattr(self, "_do_" + name.decode(), None)
        if name == b"applyOps":
            self._apply_ops(shape, at)
        elif name in (b"commitTransaction", b"abortTransaction"):
            buffered = self._open.pop(session_of(shape), [])
            for operation in buffered if name == b"commitTransaction" else ():
                self._apply_operation(operation, at)
        elif name == b"create":
            if uuid not in self.by_uuid:
                self.add(collection_of_create(database, uuid, body))
        elif name == b"renameCollection":
            self._do_rename(rb.fields(body), uuid)
        elif name == b"dropDatabase":
            for collection in self.of_database(database):
                self.drop(collection)
        elif command and uuid in self.by_uuid:
            command(self.by_uuid[uuid], rb.fields(body), (kind, value), at)

    def _apply_ops(self, shape, at):
        body = rb.fields(shape[b"o"][1])
        operations = [rb.fields(raw) for _, raw in rb.members(body[b"applyOps"][1])]
        session = session_of(shape)
        if session is None or rb.text_of(shape[b"op"]) != "c":
            buffered = operations
        else:
            buffered = self._open.setdefault(session, [])
            buffered += operations
            if b"partialTxn" in body or b"prepare" in body:
                return
            del self._open[session]
        for operation in buffered:
            self._apply_operation(operation, at)

    def _do_rename(self, body, uuid):
        target = self.by_uuid.get(rb.uuid_of(body.get(b"dropTarget")))
        if target:
            self.drop(target)
        collection = self.by_uuid.get(uuid)
        if collection:
            self.rename(collection, rb.text_of(body[b"to"]))
            if not rb.is_true(body.get(b"stayTemp")):
                collection.options = without(collection.options, b"temp")

    def _do_drop(self, collection, _body, _value, _at):
        self.drop(collection)

    def _do_emptycapped(self, collection, _body, _value, at):
        for key in list(collection.documents):
            self.remove(collection, key, at)

    def _do_createIndexes(self, collection, body, _value, _at):  # noqa: N802
        spec = rb.document(*(rb.element(name, value) for name, value in body.items()
                             if name != b"createIndexes"))
        put_index(collection, spec)

    def _do_commitIndexBuild(self, collection, body, _value, _at):  # noqa: N802
        for _, spec in rb.members(body[b"indexes"][1]):
            put_index(collection, spec)

    def _do_dropIndexes(self, collection, body, _value, _at):  # noqa: N802
        name = body.get(b"index")
        collection.indexes = [spec for spec in collection.indexes if rb.find(spec, b"name") != name]

    def _do_deleteIndexes(self, collection, body, value, at):  # noqa: N802
        self._do_dropIndexes(collection, body, value, at)

    def _do_collMod(self, collection, body, _value, _at):  # noqa: N802
        for name in (b"validator", b"validationLevel", b"validationAction"):
            if name in body:
                is_removed = name == b"validator" and body[name][1] == rb.EMPTY
                collection.options = replaced(collection.options, name,
                                              None if is_removed else body[name])
        if b"index" in body:
            change_index(collection, rb.fields(body[b"index"][1]))


def session_of(shape):
    if b"lsid" not in shape or b"txnNumber" not in shape:
        return None
    return shape[b"lsid"][1], shape[b"txnNumber"][1]


def without(raw, name):
    return rb.document(*(rb.element(found, (kind, value))
                         for found, kind, value in rb.elements(raw) if found != name))


def replaced(raw, name, value):
    """The document with the field changed where it is, added at the end, or (None) removed."""
    if value is None:
        return without(raw, name)
    shape = rb.fields(raw)
    shape[name] = value
    return rb.document(*(rb.element(found, one) for found, one in shape.items()))


def put_index(collection, spec):
    name = rb.find(spec, b"name")
    if all(rb.find(known, b"name") != name for known in collection.indexes):
        collection.indexes.append(spec)


def change_index(collection, change):
    for at, spec in enumerate(collection.indexes):
        if rb.find(spec, b"name") == change.get(b"name"):
            for name in (b"expireAfterSeconds", b"hidden"):
                if name in change:
                    is_removed = name == b"hidden" and not rb.is_true(change[name])
                    spec = replaced(spec, name, None if is_removed else change[name])
            collection.indexes[at] = spec


def collection_of_create(database, uuid, body):
    """What a create command or entry makes."""
    shape = rb.fields(body)
    name = rb.text_of(shape.pop(b"create"))
    index = shape.pop(b"idIndex", (rb.OBJECT, id_index()))[1]
    options = rb.document(*(rb.element(field, value) for field, value in shape.items()))
    return Collection(f"{database}.{name}", uuid, options, [index])


def load_dump(directory, remember):
    """The catalog of a dump directory of a recorded history."""
    catalog = Catalog(remember)
    for file in sorted(pathlib.Path(directory).glob("*/*.metadata.json")):
        metadata = json.loads(file.read_text())
        if metadata["type"] == "view":
            continue  # system.views has it
        collection = catalog.add(Collection(
            f"{file.parent.name}.{metadata['collectionName']}", bytes.fromhex(metadata["uuid"]),
            extended(metadata["options"]), map(extended, metadata["indexes"])))
        documents = file.with_name(file.name.replace(".metadata.json", ".bson"))
        if documents.exists():
            for raw in rb.split(documents.read_bytes()):
                collection.put(rb.key(rb.document_id(raw)), raw, 0, remember=False)
    return catalog
