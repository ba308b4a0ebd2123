"""Writes to the scripted member: into its documents, and into its oplog in the server's form."""

import struct

import bson
import raw_bson as rb
from member_auth import USERS, user_document
from member_errors import ServerError
from member_history import entry
from member_query import Plan
from member_store import (Collection, collection_of_create, id_index, new_uuid, replaced,
                          session_of)

OK = rb.document()
UNLOGGED = {"local"}


class Writer:
    """Over one Cluster. Every write is one entry, except in databases that no oplog has."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.unique = {}  # collection: [(index name, fields, is_sparse, {values: key})]

    # ---- the log ----

    def log(self, operation, namespace, parts):
        """Appends an entry. Returns its timestamp."""
        oplog = self.cluster.oplog
        stamp = oplog.next_stamp()
        oplog.append(entry(operation, namespace, parts, stamp, self.cluster.term), stamp)
        self.cluster.has_news()
        return stamp

    def log_command(self, database, uuid, body):
        """Logs a command and applies it as any member would."""
        ui = rb.element(b"ui", rb.uuid(uuid)) if uuid else b""
        self.log("c", f"{database}.$cmd", ui + rb.element(b"o", (rb.OBJECT, body)))
        self.cluster.catalog.apply(self.cluster.oplog.entries[self.cluster.oplog.end - 1])

    def _log_document(self, operation, collection, body, key=b""):
        if collection.name.split(".", 1)[0] in UNLOGGED:
            return self.cluster.oplog.newest()
        parts = rb.element(b"ui", rb.uuid(collection.uuid)) + rb.element(b"o", (rb.OBJECT, body))
        return self.log(operation, collection.name, parts + key)

    # ---- documents ----

    def collection(self, namespace):
        """The collection, made if it is absent."""
        found = self.cluster.catalog.by_name.get(namespace)
        if found:
            return found
        database, name = namespace.split(".", 1)
        if database in UNLOGGED:
            return self.cluster.catalog.add(Collection(namespace, new_uuid(), rb.EMPTY,
                                                       [id_index()]))
        body = rb.document(rb.element(b"create", rb.text(name)),
                           rb.element(b"idIndex", (rb.OBJECT, id_index())))
        self.log_command(database, new_uuid(), body)
        return self.cluster.catalog.by_name[namespace]

    def insert(self, collection, raw):
        raw = with_id(raw)
        key = rb.key(rb.document_id(raw))
        if key in collection.documents:
            raise duplicate(collection, "_id_", raw, [b"_id"])
        self._reserve(collection, key, raw)
        at = self._log_document("i", collection, raw)
        self.cluster.catalog.put(collection, raw, at)

    def delete(self, collection, key):
        before = collection.documents[key]
        identity = rb.document(rb.element(b"_id", rb.document_id(before)))
        self._release(collection, key, before)
        at = self._log_document("d", collection, identity)
        self.cluster.catalog.remove(collection, key, at)

    def update(self, collection, key, update):
        """Whether the document changed."""
        before = collection.documents[key]
        after, change = changed(before, update)
        if after == before:
            return False
        self._release(collection, key, before)
        try:
            self._reserve(collection, key, after)
        except ServerError:
            self._reserve(collection, key, before)
            raise
        identity = rb.document(rb.element(b"_id", rb.document_id(before)))
        at = self._log_document("u", collection, change,
                                rb.element(b"o2", (rb.OBJECT, identity)))
        self.cluster.catalog.put(collection, after, at)
        return True

    def matching(self, collection, query, limit):
        """Keys of the documents that a query means; limit 0: all."""
        plan = Plan(query)
        if plan.keys is not None:
            keys = plan.wanted_keys()
        elif plan.has_range:
            keys = [key for span in plan.spans()
                    for key in collection.sorted_keys()[slice(*collection.slice(*span))]]
        else:
            keys = list(collection.documents)
        found = []
        for key in keys:
            raw = collection.documents.get(key)
            if raw is not None and plan.fits(raw):
                found.append(key)
                if len(found) == limit:
                    break
        return found

    # ---- unique indexes ----

    def unique_indexes(self, collection):
        count = len(collection.indexes)
        known = self.unique.get(collection.uuid)
        if known is None or known[0] != count:
            known = count, [self._build(collection, spec) for spec in collection.indexes
                            if rb.is_true(rb.find(spec, b"unique"))
                            and rb.find(spec, b"partialFilterExpression") is None]
            self.unique[collection.uuid] = known
        return known[1]

    @staticmethod
    def _build(collection, spec):
        names = [name for name, _, _ in rb.elements(rb.find(spec, b"key")[1])]
        index = (rb.text_of(rb.find(spec, b"name")), names,
                 rb.is_true(rb.find(spec, b"sparse")), {})
        for key, raw in collection.documents.items():
            values = values_of(raw, index)
            if values in index[3]:
                raise duplicate(collection, index[0], raw, names)
            if values:
                index[3][values] = key
        return index

    def _reserve(self, collection, key, raw):
        indexes = self.unique_indexes(collection) if len(collection.indexes) > 1 else ()
        for index in indexes:
            if index[3].get(values_of(raw, index), key) != key:
                raise duplicate(collection, index[0], raw, index[1])
        for index in indexes:
            values = values_of(raw, index)
            if values:
                index[3][values] = key

    def _release(self, collection, key, raw):
        for index in self.unique_indexes(collection) if len(collection.indexes) > 1 else ():
            if index[3].get(values_of(raw, index)) == key:
                del index[3][values_of(raw, index)]

    # ---- commands ----

    def do_insert(self, command):
        collection = self.collection(command.namespace())
        done, errors = self._each(command, command.documents("documents"),
                                  lambda raw: self.insert(collection, raw) or 1)
        return written(sum(done), errors)

    def do_delete(self, command):
        collection = self.cluster.catalog.by_name.get(command.namespace())

        def one(raw):
            shape = rb.fields(raw)
            limit = rb.integer_of(shape[b"limit"])
            keys = self.matching(collection, shape[b"q"][1], limit) if collection else []
            for key in keys:
                self.delete(collection, key)
            return len(keys)
        done, errors = self._each(command, command.documents("deletes"), one)
        return written(sum(done), errors)

    def do_update(self, command):
        collection = self.collection(command.namespace())
        upserted = []

        def one(raw):
            shape = rb.fields(raw)
            if shape[b"u"][0] == rb.ARRAY:
                raise ServerError(9, "this member knows no pipelines in updates")
            limit = 0 if rb.is_true(shape.get(b"multi")) else 1
            keys = self.matching(collection, shape[b"q"][1], limit)
            if not keys and rb.is_true(shape.get(b"upsert")):
                made = self._upsert(collection, shape[b"q"][1], shape[b"u"][1])
                upserted.append(made)
                return 1, 0
            return len(keys), sum(self.update(collection, key, shape[b"u"][1]) for key in keys)
        done, errors = self._each(command, command.documents("updates"), one)
        count = rb.element(b"nModified", rb.int32(sum(changed for _, changed in done)))
        made = [rb.document(rb.element(b"index", rb.int32(index)), rb.element(b"_id", one))
                for index, one in enumerate(upserted)]
        if made:
            count += rb.element(b"upserted", (rb.ARRAY, rb.array(made)))
        return rb.document(written(sum(found for found, _ in done), errors)[4:-1], count)

    def _upsert(self, collection, query, update):
        new = rb.EMPTY
        identity = rb.find(query, b"_id")
        if identity and not (identity[0] == rb.OBJECT and b"$" in identity[1][:8]):
            new = rb.document(rb.element(b"_id", identity))
        after = with_id(changed(new, update, is_insert=True)[0])
        self.insert(collection, after)
        return rb.document_id(after)

    @staticmethod
    def _each(command, statements, one):
        """Results of the statements that worked, and write errors."""
        done, errors = [], []
        is_ordered = rb.is_true(command.shape.get(b"ordered", rb.boolean(True)))
        for index, raw in enumerate(statements):
            try:
                done.append(one(raw))
            except ServerError as error:
                parts = [rb.element(b"index", rb.int32(index)),
                         rb.element(b"code", rb.int32(error.code)),
                         rb.element(b"errmsg", rb.text(error.message))]
                parts += [rb.element(name.encode(), rb.encode(value))
                          for name, value in error.more.items()]
                errors.append(rb.document(*parts))
                if is_ordered:
                    break
        return done, errors

    def do_create(self, command):
        if command.namespace() in self.cluster.catalog.by_name:
            raise ServerError(48, f"a collection '{command.namespace()}' already exists")
        if b"viewOn" in command.shape:
            return self._create_view(command)
        options = command.options()
        for name in options.keys() & {b"size", b"max"}:
            options[name] = rb.int64(rb.integer_of(options[name]))
        body = rb.document(*(rb.element(name, value) for name, value in options.items()),
                           rb.element(b"idIndex", (rb.OBJECT, id_index())))
        self.log_command(command.db, new_uuid(), body)
        return OK

    def _create_view(self, command):
        views = self.collection(f"{command.db}.system.views")
        parts = [rb.element(b"_id", rb.text(command.namespace()))]
        parts += [rb.element(name, value) for name, value in command.options().items()
                  if name != b"create"]
        self.insert(views, rb.document(*parts))
        return OK

    def do_createIndexes(self, command):  # noqa: N802
        collection = self.collection(command.namespace())
        before = len(collection.indexes)
        for _, spec in rb.members(command.shape[b"indexes"][1]):
            self._create_index(command.db, collection, spec)
        return rb.document(rb.element(b"numIndexesBefore", rb.int32(before)),
                           rb.element(b"numIndexesAfter", rb.int32(len(collection.indexes))))

    def _create_index(self, database, collection, spec):
        shape = {b"v": rb.int32(2), **rb.fields(spec)}
        shape.pop(b"ns", None)
        raw = rb.document(*(rb.element(name, value) for name, value in shape.items()))
        if any(rb.find(known, b"name") == shape[b"name"] for known in collection.indexes):
            return
        if rb.is_true(shape.get(b"unique")):
            self._build(collection, raw)  # fails where there are duplicates
        name = rb.element(b"createIndexes", rb.text(collection.name.split(".", 1)[1]))
        if not collection.documents:
            self.log_command(database, collection.uuid, rb.document(name, raw[4:-1]))
            return
        build = rb.element(b"indexBuildUUID", rb.uuid(new_uuid()))
        indexes = rb.element(b"indexes", (rb.ARRAY, rb.array([raw])))
        short = rb.text(collection.name.split(".", 1)[1])
        for step in (b"startIndexBuild", b"commitIndexBuild"):
            self.log_command(database, collection.uuid,
                             rb.document(rb.element(step, short), build, indexes))

    def do_drop(self, command):
        collection = self.cluster.catalog.by_name.get(command.namespace())
        if collection is not None:
            self._drop(collection)
        elif not self._drop_view(command):
            raise ServerError(26, "ns not found")
        return rb.document(rb.element(b"ns", rb.text(command.namespace())))

    def _drop_view(self, command):
        """Whether there was such a view: a document of system.views."""
        views = self.cluster.catalog.by_name.get(f"{command.db}.system.views")
        key = rb.key(rb.text(command.namespace()))
        if views is None or key not in views.documents:
            return False
        self.delete(views, key)
        return True

    def _drop(self, collection):
        database, name = collection.name.split(".", 1)
        ui = rb.element(b"ui", rb.uuid(collection.uuid))
        body = rb.document(rb.element(b"drop", rb.text(name)))
        count = rb.document(rb.element(b"numRecords", rb.int32(len(collection.documents))))
        self.log("c", f"{database}.$cmd", ui + rb.element(b"o", (rb.OBJECT, body))
                 + rb.element(b"o2", (rb.OBJECT, count)))
        self.cluster.catalog.drop(collection)

    def do_dropDatabase(self, command):  # noqa: N802
        for collection in self.cluster.catalog.of_database(command.db):
            self._drop(collection)
        self.log_command(command.db, None, rb.document(rb.element(b"dropDatabase", rb.int32(1))))
        return rb.document(rb.element(b"dropped", rb.text(command.db)))

    def do_dropIndexes(self, command):  # noqa: N802
        collection = self.cluster.catalog.by_name.get(command.namespace())
        if collection is None:
            raise ServerError(26, "ns not found")
        wanted = rb.text_of(command.shape[b"index"])
        for spec in list(collection.indexes):
            name = rb.text_of(rb.find(spec, b"name"))
            if name != "_id_" and wanted in ("*", name):
                body = rb.document(rb.element(b"dropIndexes", command.shape[b"dropIndexes"]),
                                   rb.element(b"index", rb.text(name)))
                self.log_command(command.db, collection.uuid, body)
        return OK

    def do_collMod(self, command):  # noqa: N802
        collection = self.cluster.catalog.by_name.get(command.namespace())
        if collection is None:
            raise ServerError(26, "ns does not exist")
        body = rb.document(*(rb.element(name, value) for name, value in command.options().items()))
        self.log_command(command.db, collection.uuid, body)
        return OK

    def do_renameCollection(self, command):  # noqa: N802
        source, target = (rb.text_of(command.shape[name]) for name in (b"renameCollection", b"to"))
        catalog = self.cluster.catalog
        if source not in catalog.by_name:
            raise ServerError(26, f"Source collection {source} does not exist")
        body = [rb.element(b"renameCollection", rb.text(source)),
                rb.element(b"to", rb.text(target)), rb.element(b"stayTemp", rb.boolean(False))]
        if target in catalog.by_name:
            if not rb.is_true(command.shape.get(b"dropTarget")):
                raise ServerError(48, "target namespace exists")
            body.append(rb.element(b"dropTarget", rb.uuid(catalog.by_name[target].uuid)))
        self.log_command(source.split(".", 1)[0], catalog.by_name[source].uuid,
                         rb.document(*body))
        return OK

    def do_applyOps(self, command):  # noqa: N802
        """create with `ui`, and inserts: what a restore asks for to keep UUIDs."""
        for _, raw in rb.members(command.shape[b"applyOps"][1]):
            shape = rb.fields(raw)
            body = shape[b"o"][1]
            namespace = rb.text_of(shape[b"ns"])
            operation = rb.text_of(shape[b"op"])
            if operation == "i":
                self.insert(self.collection(namespace), body)
            elif operation == "c" and next(rb.elements(body))[0] == b"create":
                self._create_with_uuid(namespace.split(".", 1)[0], rb.uuid_of(shape.get(b"ui")),
                                       body)
            else:
                raise ServerError(20, "this member's applyOps takes create and inserts")
        return rb.document(rb.element(b"applied", rb.int32(1)))

    def do_createUser(self, command):  # noqa: N802
        roles = rb.decode(command.shape[b"roles"])
        raw = user_document(rb.text_of(command.shape[b"createUser"]), command.db,
                            rb.text_of(command.shape[b"pwd"]), roles)
        self.insert(self.collection(USERS), raw)
        return OK

    def do__mergeAuthzCollections(self, command):  # noqa: N802
        """What tools that restore users do: documents of a collection become users or roles."""
        for kind in ("users", "roles"):
            given = command.shape.get(f"temp{kind.capitalize()}Collection".encode())
            source = given and self.cluster.catalog.by_name.get(rb.text_of(given))
            if not source:
                continue
            target = self.collection(f"admin.system.{kind}")
            if command.flag("drop"):
                for key in list(target.documents):
                    self.delete(target, key)
            for key, raw in source.documents.items():
                if key in target.documents:
                    self.update(target, key, raw)
                else:
                    self.insert(target, raw)
        return OK

    def _create_with_uuid(self, database, uuid, body):
        made = collection_of_create(database, uuid or new_uuid(), body)
        if made.name in self.cluster.catalog.by_name:
            raise ServerError(48, f"a collection '{made.name}' already exists")
        if made.uuid in self.cluster.catalog.by_uuid:
            raise ServerError(2, "a collection with that UUID already exists")
        if rb.find(body, b"idIndex") is None:
            body = rb.document(body[4:-1], rb.element(b"idIndex", (rb.OBJECT, id_index())))
        self.log_command(database, made.uuid, body)


def written(count, errors):
    parts = [rb.element(b"n", rb.int32(count))]
    if errors:
        parts.append(rb.element(b"writeErrors", (rb.ARRAY, rb.array(errors))))
    return rb.document(*parts)


def with_id(raw):
    """The document with its _id in front; a new one if there is none."""
    if raw[5:9] == b"_id\0":
        return raw
    identity = rb.find(raw, b"_id") or (rb.OBJECT_ID, bson.ObjectId().binary)
    rest = (rb.element(name, (kind, value)) for name, kind, value in rb.elements(raw)
            if name != b"_id")
    return rb.document(rb.element(b"_id", identity), *rest)


def values_of(raw, index):
    """What a unique index holds of a document; None: nothing."""
    _, names, is_sparse, _ = index
    values = [rb.path(raw, name) for name in names]
    if is_sparse and all(value is None for value in values):
        return None
    return tuple(rb.key(value or (rb.NULL, b"")) for value in values)


def duplicate(collection, index, raw, names):
    values = {name.decode(): rb.decode(rb.path(raw, name) or (rb.NULL, b"")) for name in names}
    return ServerError(11000, f"E11000 duplicate key error collection: {collection.name} "
                              f"index: {index} dup key: {values}",
                       keyPattern={name.decode(): 1 for name in names}, keyValue=values)


def changed(before, update, is_insert=False):
    """The document after an update, and `o` of the entry that says so."""
    first = next(rb.elements(update), (b"", 0, b""))[0]
    if first[:1] != b"$":
        rest = [rb.element(name, (kind, value)) for name, kind, value in rb.elements(update)
                if name != b"_id"]
        identity = rb.document_id(update) or rb.document_id(before)
        after = rb.document(*([rb.element(b"_id", identity)] if identity else []), *rest)
        return after, after
    after = before
    for operator, _, operand in rb.elements(update):
        for path, kind, value in rb.elements(operand):
            after = _operated(after, operator, path, (kind, value), is_insert)
    return after, delta(before, after)


def _operated(raw, operator, path, value, is_insert):
    name, _, rest = path.partition(b".")
    if rest:
        inner = rb.find(raw, name) or (rb.OBJECT, rb.EMPTY)
        if inner[0] != rb.OBJECT:
            raise ServerError(28, f"Cannot create field in element {name.decode()}")
        deeper = _operated(inner[1], operator, rest, value, is_insert)
        return replaced(raw, name, (rb.OBJECT, deeper))
    if operator == b"$set" or operator == b"$setOnInsert" and is_insert:
        return replaced(raw, name, value)
    if operator == b"$unset":
        return replaced(raw, name, None)
    if operator == b"$inc":
        return replaced(raw, name, added(rb.find(raw, name), value))
    if operator == b"$setOnInsert":
        return raw
    raise ServerError(9, f"this member knows no {operator.decode()}")


def added(old, value):
    if old is None:
        return value
    if rb.DOUBLE in (old[0], value[0]):
        numbers = [struct.unpack("<d", one[1])[0] if one[0] == rb.DOUBLE else rb.integer_of(one)
                   for one in (old, value)]
        return rb.double(sum(numbers))
    total = rb.integer_of(old) + rb.integer_of(value)
    is_small = old[0] == value[0] == rb.INT32 and -2**31 <= total < 2**31
    return rb.int32(total) if is_small else rb.int64(total)


def delta(before, after):
    """A $v: 2 entry body that turns one document into the other."""
    old, new = rb.fields(before), rb.fields(after)
    gone = [rb.element(name, rb.boolean(False)) for name in old if name not in new]
    updated = [rb.element(name, value) for name, value in new.items()
               if name in old and old[name] != value]
    inserted = [rb.element(name, value) for name, value in new.items() if name not in old]
    parts = [rb.element(section, (rb.OBJECT, rb.document(*fields)))
             for section, fields in ((b"d", gone), (b"u", updated), (b"i", inserted)) if fields]
    return rb.document(rb.element(b"$v", rb.int32(2)),
                       rb.element(b"diff", (rb.OBJECT, rb.document(*parts))))


def is_in_transaction(command):
    return session_of(command.shape) is not None and b"autocommit" in command.shape
