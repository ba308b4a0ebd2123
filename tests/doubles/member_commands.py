"""The commands of the scripted member."""

import asyncio
import datetime
import time

import bson
import raw_bson as rb
from member_auth import BEFORE_LOGIN, MECHANISM, Login
from member_errors import ServerError
from member_history import packed, unpacked
from member_query import (DocumentCursor, ListCursor, OplogCursor, Plan, backward, pipeline,
                          projection, sort_order, sorted_by)
from member_store import Collection
from member_writes import is_in_transaction

VERSIONS = {8: "4.2.24", 9: "4.4.29", 12: "4.9.0", 13: "5.0.31", 17: "6.0.20", 21: "7.0.15"}
FIRST_BATCH_COUNT, AWAIT_MS_DEFAULT = 101, 1000
OPLOG = "local.oplog.rs"
OPLOG_UUID = bytes.fromhex("6f706c6f6700400080006f706c6f6700")
WRITES = {"insert", "update", "delete", "create", "createIndexes", "drop", "dropDatabase",
          "dropIndexes", "collMod", "renameCollection", "applyOps", "findAndModify", "createUser",
          "createRole", "dropUser", "_mergeAuthzCollections"}
EVERY_COUNT = 2**31
EMPTY_BODY = rb.document()
GENERIC = {b"$db", b"lsid", b"$clusterTime", b"$readPreference", b"writeConcern", b"readConcern",
           b"comment", b"maxTimeMS", b"txnNumber", b"autocommit", b"startTransaction"}


class Command:
    """A request: its name, database, arguments as raw values, and sequences of documents."""

    def __init__(self, body, database=None, sequences=None):
        self.shape = rb.fields(body)
        self.name = next(iter(self.shape)).decode()
        self.db = database or rb.text_of(self.shape[b"$db"])
        self.sequences = sequences or {}

    def namespace(self):
        value = self.shape[self.name.encode()]
        if value[0] != rb.STRING:
            raise ServerError(14, f"collection name has invalid type in {self.name}")
        return f"{self.db}.{rb.text_of(value)}"

    def options(self):
        return {name: value for name, value in self.shape.items() if name not in GENERIC}

    def documents(self, name):
        if name in self.sequences:
            return self.sequences[name]
        return [raw for _, raw in rb.members(self.shape[name.encode()][1])]

    def number(self, name, default):
        value = self.shape.get(name.encode())
        return default if value is None else rb.integer_of(value)

    def flag(self, name):
        return rb.is_true(self.shape.get(name.encode()))

    def body(self, name):
        value = self.shape.get(name.encode())
        return rb.EMPTY if value is None else value[1]

    def read_concern(self):
        value = self.shape.get(b"readConcern")
        return rb.decode(value) if value else {}


def encoded(**fields):
    return bytes(bson.BSON.encode(fields))


class Commands:
    """Answers on one connection. An answer is the raw document without ok and times."""

    def __init__(self, cluster, member):
        self.cluster, self.member = cluster, member
        self.login = Login(cluster.catalog)

    async def answer(self, command):
        name = command.name
        self.cluster.counts[name] += 1
        if self.cluster.delay_seconds:
            await asyncio.sleep(self.cluster.delay_seconds)
        self.cluster.check_failure(name)
        if self.cluster.options.user and not self.login.user and name not in BEFORE_LOGIN:
            raise ServerError(13, f"command {name} requires authentication")
        if name in WRITES:
            self._check_writable(command)
            do = getattr(self.cluster.writer, "do_" + name, None)
        else:
            do = getattr(self, "do_" + name, None)
        if do is None:
            raise ServerError(59, f"no such command: '{name}'")
        result = do(command)
        return await result if asyncio.iscoroutine(result) else result

    def _check_writable(self, command):
        if self.cluster.primary is not self.member:
            raise ServerError(10107, "not primary")
        if self.cluster.has_future:
            raise ServerError(20, "this member replays a recorded history")
        if is_in_transaction(command):
            raise ServerError(20, "this member has no transactions")

    # ---- who is there ----

    def do_hello(self, command):
        cluster = self.cluster
        is_primary = cluster.primary is self.member
        now = datetime.datetime.utcnow()
        flag = "isWritablePrimary" if command.name == "hello" else "ismaster"
        told = {"helloOk": True, flag: is_primary, "maxBsonObjectSize": 16 * 1024 * 1024,
                "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "localTime": now,
                "logicalSessionTimeoutMinutes": 30, "connectionId": 1, "minWireVersion": 0,
                "maxWireVersion": cluster.wire, "readOnly": False}
        if cluster.set_name:
            told |= self._topology(is_primary)
        if b"saslSupportedMechs" in command.shape:
            told["saslSupportedMechs"] = [MECHANISM]
        return encoded(**told)

    do_isMaster = do_ismaster = do_hello  # noqa: N815

    def _topology(self, is_primary):
        cluster = self.cluster
        alive = [one for one in cluster.members if not one.is_arbiter]
        newest = cluster.oplog.newest() - packed(self.member.lag_seconds, 0)
        majority = min(newest, cluster.oplog.newest_for(is_majority=True))
        told = {"setName": cluster.set_name, "setVersion": 1, "me": self.member.address,
                "hosts": [one.address for one in alive],
                "secondary": not is_primary and not self.member.is_arbiter,
                "arbiterOnly": self.member.is_arbiter,
                "lastWrite": {"opTime": cluster.op_time(newest),
                              "lastWriteDate": when(newest),
                              "majorityOpTime": cluster.op_time(majority),
                              "majorityWriteDate": when(majority)}}
        arbiters = [one.address for one in cluster.members if one.is_arbiter]
        if arbiters:
            told["arbiters"] = arbiters
        if cluster.primary:
            told["primary"] = cluster.primary.address
        return told

    def do_saslStart(self, command):  # noqa: N802
        return encoded(**self.login.start(command))

    def do_saslContinue(self, command):  # noqa: N802
        return encoded(**self.login.go_on(command))

    def do_ping(self, _command):
        return EMPTY_BODY

    do_endSessions = do_refreshSessions = do_killSessions = do_logout = do_ping  # noqa: N815

    def do_startSession(self, _command):  # noqa: N802
        return encoded(id={"id": bson.Binary(b"\1" * 16, 4)}, timeoutMinutes=30)

    def do_buildInfo(self, _command):  # noqa: N802
        version = VERSIONS.get(self.cluster.wire, "7.0.15")
        return encoded(version=version, versionArray=[*map(int, version.split(".")), 0], bits=64,
                       maxBsonObjectSize=16 * 1024 * 1024, modules=[], debug=False,
                       storageEngines=["wiredTiger"], gitVersion="scripted")

    do_buildinfo = do_buildInfo

    def do_getParameter(self, command):  # noqa: N802
        version = ".".join(VERSIONS.get(self.cluster.wire, "7.0").split(".")[:2])
        known = {"featureCompatibilityVersion": {"version": version},
                 "enableMajorityReadConcern": True, "periodicNoopIntervalSecs": 10,
                 "minSnapshotHistoryWindowInSeconds": 300, "ttlMonitorEnabled": True}
        if command.shape[b"getParameter"][0] == rb.STRING:
            return encoded(**known)
        asked = {name.decode() for name in command.options()} & set(known)
        if not asked:
            raise ServerError(72, "no option found to get")
        return encoded(**{name: known[name] for name in asked})

    def do_connectionStatus(self, _command):  # noqa: N802
        user, database = (self.cluster.user or self.login.user or "@").split("@")
        users = [{"user": user, "db": database}] if user else []
        everything = [{"resource": {"anyResource": True}, "actions": ["anyAction"]}]
        privileges = everything if self.login.user else self.cluster.privileges
        return encoded(authInfo={"authenticatedUsers": users, "authenticatedUserRoles": [],
                                 "authenticatedUserPrivileges": privileges})

    def do_getCmdLineOpts(self, _command):  # noqa: N802
        return encoded(argv=["mongod"], parsed={"replication": {"replSet": self.cluster.set_name}})

    def do_hostInfo(self, _command):  # noqa: N802
        return encoded(system={"hostname": "scripted", "numCores": 2}, os={"type": "Linux"})

    def do_whatsmyuri(self, _command):
        return encoded(you="127.0.0.1:1")

    def do_serverStatus(self, _command):  # noqa: N802
        queued = self.cluster.queued
        half = {"total": queued, "readers": queued, "writers": 0}
        return encoded(host=self.member.address, process="mongod", uptime=1.0,
                       version=VERSIONS.get(self.cluster.wire, "7.0.15"),
                       localTime=datetime.datetime.utcnow(),
                       globalLock={"currentQueue": half,
                                   "activeClients": {"total": 1, "readers": 1, "writers": 0}},
                       connections={"current": len(self.cluster.connections), "available": 1000},
                       storageEngine={"name": "wiredTiger", "supportsCommittedReads": True})

    def do_replSetGetStatus(self, _command):  # noqa: N802
        self._check_member()
        cluster = self.cluster
        newest = cluster.oplog.newest()
        rows = []
        for index, one in enumerate(cluster.members):
            state, name = ((7, "ARBITER") if one.is_arbiter else
                           (1, "PRIMARY") if one is cluster.primary else (2, "SECONDARY"))
            at = newest - packed(one.lag_seconds, 0)
            rows.append({"_id": index, "name": one.address, "state": state, "stateStr": name,
                         "health": 1.0 if one.is_alive else 0.0, "self": one is self.member,
                         "optime": cluster.op_time(at), "optimeDate": when(at)})
        mine = 1 if self.member is cluster.primary else 2
        return encoded(set=cluster.set_name, date=datetime.datetime.utcnow(), myState=mine,
                       term=bson.Int64(cluster.term), members=rows)

    def do_replSetGetConfig(self, _command):  # noqa: N802
        self._check_member()
        members = [{"_id": index, "host": one.address, "arbiterOnly": one.is_arbiter}
                   for index, one in enumerate(self.cluster.members)]
        return encoded(config={"_id": self.cluster.set_name, "version": 1, "members": members,
                               "writeConcernMajorityJournalDefault": True,
                               "settings": {"replicaSetId": self.cluster.set_id}})

    def _check_member(self):
        if not self.cluster.set_name:
            raise ServerError(76, "not running with --replSet")

    # ---- catalog ----

    def do_listDatabases(self, command):  # noqa: N802
        names = sorted({*self.cluster.catalog.databases(), "admin", "config", "local"})
        if command.flag("nameOnly"):
            return encoded(databases=[{"name": name} for name in names])
        rows = []
        for name in names:
            size = sum(sum(map(len, one.documents.values()))
                       for one in self.cluster.catalog.of_database(name))
            rows.append({"name": name, "sizeOnDisk": float(size), "empty": size == 0})
        return encoded(databases=rows)

    def do_listCollections(self, command):  # noqa: N802
        rows = [self._collection_row(one) for one in self.cluster.catalog.of_database(command.db)]
        rows += [view_row(raw) for raw in self.cluster.catalog.views(command.db)]
        if command.db == "local" and self.cluster.set_name:
            rows.append(self._oplog_row())
        plan = Plan(command.body("filter"), None)
        rows = [row for row in rows if plan.fits(row)]
        return self._first_batch(command, ListCursor(f"{command.db}.$cmd.listCollections", rows))

    @staticmethod
    def _collection_row(collection):
        info = rb.document(rb.element(b"readOnly", rb.boolean(False)),
                           rb.element(b"uuid", rb.uuid(collection.uuid)))
        name = collection.name.split(".", 1)[1]
        kind = "timeseries" if rb.find(collection.options, b"timeseries") else "collection"
        parts = [rb.element(b"name", rb.text(name)), rb.element(b"type", rb.text(kind)),
                 rb.element(b"options", (rb.OBJECT, collection.options)),
                 rb.element(b"info", (rb.OBJECT, info))]
        parts += [rb.element(b"idIndex", (rb.OBJECT, spec)) for spec in collection.indexes[:1]]
        return rb.document(*parts)

    def _oplog_row(self):
        options = encoded(capped=True, size=1024 * 1024 * 1024, autoIndexId=False)
        return self._collection_row(Collection(OPLOG, OPLOG_UUID, options))

    def do_listIndexes(self, command):  # noqa: N802
        collection = self._named(command, b"listIndexes")
        if collection is None:
            raise ServerError(26, "ns does not exist")
        return self._first_batch(command, ListCursor(collection.name, collection.indexes))

    def do_collStats(self, command):  # noqa: N802
        collection = self._named(command, b"collStats")
        documents = collection.documents.values() if collection else ()
        size = sum(map(len, documents))
        return encoded(ns=command.namespace(), count=len(documents), size=size, storageSize=size,
                       avgObjSize=size // max(1, len(documents)), nindexes=1,
                       capped=bool(collection and collection.is_capped))

    def do_dbStats(self, command):  # noqa: N802
        every = self.cluster.catalog.of_database(command.db)
        size = sum(sum(map(len, one.documents.values())) for one in every)
        return encoded(db=command.db, collections=len(every), objects=sum(
            len(one.documents) for one in every), dataSize=float(size), storageSize=float(size))

    def do_usersInfo(self, _command):  # noqa: N802
        return encoded(users=[])

    def do_rolesInfo(self, _command):  # noqa: N802
        return encoded(roles=[])

    def _named(self, command, name):
        """The collection that a command names, by name or UUID; None if there is none."""
        value = command.shape[name]
        uuid = rb.uuid_of(value)
        if uuid is not None:
            found = self.cluster.catalog.by_uuid.get(uuid)
            if found is None:
                raise ServerError(26, "No namespace with UUID found")
            return found
        return self.cluster.catalog.by_name.get(command.namespace())

    # ---- reading ----

    def do_find(self, command):
        if command.db == "local" and command.shape[b"find"][1][4:-1] == b"oplog.rs":
            return self._find_oplog(command)
        if command.db not in ("local", "config", "admin"):
            self.cluster.on_document_read()
        at = self._snapshot(command)
        collection = self._named(command, b"find")
        plan = Plan(command.body("filter"))
        self._bounds(command, plan)
        if collection is None:
            return self._first_batch(command, ListCursor(command.namespace(), []))
        cursor = self._document_cursor(command, collection, plan, at)
        return self._first_batch(command, cursor)

    @staticmethod
    def _bounds(command, plan):
        """min and max: bounds of the index on _id, which no type brackets."""
        for name in ("min", "max"):
            bound = rb.find(command.body(name), b"_id")
            if bound and name == "min":
                plan.low = max(plan.low, rb.key(bound))
            elif bound:
                plan.high = min(plan.high, rb.key(bound))

    def _use_unique_index(self, collection, plan):
        """Equality on all fields of a unique index finds one document, without a scan."""
        if plan.has_range or not plan.equals:
            return
        for _, names, _, known in self.cluster.writer.unique_indexes(collection):
            if all(name in plan.equals for name in names):
                key = known.get(tuple(plan.equals[name] for name in names))
                plan.keys = set() if key is None else {key}

    def _document_cursor(self, command, collection, plan, at):
        if at is None:
            self._use_unique_index(collection, plan)
        order = sort_order(command.body("sort"))
        hint = command.shape.get(b"hint")
        if not order and hint and hint[0] == rb.OBJECT:
            order = [one for one in sort_order(hint[1]) if one[0] == b"$natural"]
        by_id = [(b"_id", False)] if plan.has_range and not order else order[:1]
        names = {(b"_id", False): "key", (b"_id", True): "reverse",
                 (b"$natural", True): "backward"}
        limit = abs(command.number("limit", 0))
        if order and order[0][0] not in (b"_id", b"$natural"):
            every = DocumentCursor(collection, plan, at).next(EVERY_COUNT)
            every = sorted_by(every, order)[command.number("skip", 0):]
            return ListCursor(collection.name, every[:limit] if limit else every)
        cursor = DocumentCursor(collection, plan, at, names.get(by_id[0] if by_id else None,
                                                                "natural"))
        cursor.skip = command.number("skip", 0)
        cursor.left = limit or None
        cursor.project = projection(command.body("projection"))
        return cursor

    def _snapshot(self, command):
        """The timestamp of a snapshot read; None: the present."""
        concern = command.read_concern()
        if concern.get("level") != "snapshot":
            return None
        if self.cluster.wire < 13:
            raise ServerError(72, "readConcern level snapshot is only valid in a transaction")
        asked = concern.get("atClusterTime")
        newest = self.cluster.oplog.newest_for(is_majority=True)
        if asked is None:
            return newest
        at = packed(asked.time, asked.inc)
        if at < self.cluster.snapshot_floor:
            raise ServerError(239, "Read timestamp is older than the oldest available timestamp.")
        if at > newest:
            raise ServerError(246, "Unable to read from a snapshot in the future")
        return at

    def _find_oplog(self, command):
        level = command.read_concern().get("level", "local")
        is_majority = level in ("majority", "linearizable", "snapshot")
        plan = Plan(command.body("filter"), b"ts")
        order = sort_order(command.body("sort")) or sort_order(command.body("hint"))
        limit = abs(command.number("limit", 0))
        if (b"$natural", True) in order:
            found = backward(self.cluster.oplog, plan, is_majority, limit)
            return self._first_batch(command, ListCursor(OPLOG, found))
        cursor = OplogCursor(self.cluster.oplog, plan, is_majority, command.flag("tailable"))
        cursor.left = limit or None
        return self._first_batch(command, cursor)

    def _first_batch(self, command, cursor):
        options = rb.fields(command.body("cursor"))
        asked = command.shape.get(b"batchSize") or options.get(b"batchSize")
        default = FIRST_BATCH_COUNT if command.name == "find" else EVERY_COUNT
        count = rb.integer_of(asked) if asked else default
        batch = cursor.next(count) if count else []
        is_dead_tail = cursor.is_tailable and not batch and count
        is_over = cursor.is_done or is_dead_tail or command.flag("singleBatch")
        number = 0 if is_over else self.cluster.keep(cursor)
        return self._batch(cursor, b"firstBatch", batch, number)

    def _batch(self, cursor, name, batch, number):
        self.cluster.document_count += len(batch)
        parts = [rb.element(name, (rb.ARRAY, rb.array(batch))),
                 rb.element(b"id", rb.int64(number)),
                 rb.element(b"ns", rb.text(cursor.namespace))]
        if cursor.at_cluster_time is not None:
            parts.append(rb.element(b"atClusterTime", rb.timestamp(cursor.at_cluster_time)))
        return rb.document(rb.element(b"cursor", (rb.OBJECT, rb.document(*parts))))

    async def do_getMore(self, command):  # noqa: N802
        number = command.number("getMore", 0)
        cursor = self.cluster.cursors.get(number)
        if cursor is None:
            raise ServerError(43, f"cursor id {number} not found")
        count = command.number("batchSize", 0) or EVERY_COUNT
        if cursor.is_tailable:
            await self._await_news(number, cursor, command.number("maxTimeMS", AWAIT_MS_DEFAULT))
        try:
            batch = cursor.next(count)
        except ServerError:
            self.cluster.cursors.pop(number, None)
            raise
        if cursor.is_done:
            self.cluster.cursors.pop(number, None)
        return self._batch(cursor, b"nextBatch", batch, 0 if cursor.is_done else number)

    async def _await_news(self, number, cursor, milliseconds):
        deadline = time.monotonic() + milliseconds / 1000
        while not cursor.has_news():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            try:
                await asyncio.wait_for(self.cluster.news.wait(), left)
            except asyncio.TimeoutError:
                return
            if number not in self.cluster.cursors:
                raise ServerError(11602, "interrupted at shutdown of a cursor by a state change")

    def do_killCursors(self, command):  # noqa: N802
        numbers = rb.decode(command.shape[b"cursors"])
        killed = [one for one in numbers if self.cluster.cursors.pop(one, None)]
        missing = [one for one in numbers if one not in killed]
        return encoded(cursorsKilled=killed, cursorsNotFound=missing, cursorsAlive=[],
                       cursorsUnknown=[])

    def _shown_entries(self, raw):
        """The oplog as documents, for what is not a find."""
        plan = Plan(raw, b"ts")
        return OplogCursor(self.cluster.oplog, plan, False, False).next(EVERY_COUNT)

    def do_count(self, command):
        if command.namespace() == OPLOG:
            return encoded(n=len(self._shown_entries(command.body("query"))))
        collection = self._named(command, b"count")
        plan = Plan(command.body("query"))
        if collection is None or plan.is_everything:
            return encoded(n=len(collection.documents) if collection else 0)
        return encoded(n=len(DocumentCursor(collection, plan, None).next(EVERY_COUNT)))

    def do_aggregate(self, command):
        stages = [raw for _, raw in rb.members(command.shape[b"pipeline"][1])]
        first = next(rb.elements(stages[0])) if stages else (b"", 0, rb.EMPTY)
        if first[0] in (b"$currentOp", b"$listSessions", b"$listLocalSessions", b"$indexStats"):
            return self._first_batch(command, ListCursor(f"{command.db}.$cmd.aggregate", []))
        if command.shape[b"aggregate"][0] != rb.STRING:
            raise ServerError(73, "{aggregate: 1} is not valid for this pipeline")
        collection = self._named(command, b"aggregate")
        if first[0] == b"$collStats":
            documents = [self._coll_stats_row(command, collection)]
            stages = stages[1:]
        elif command.namespace() == OPLOG:
            documents = self._shown_entries(first[2] if first[0] == b"$match" else rb.EMPTY)
        else:
            plan = Plan(first[2] if first[0] == b"$match" else rb.EMPTY)
            stages = stages[1:] if first[0] == b"$match" else stages
            at = self._snapshot(command)
            order = "key" if plan.has_range else "natural"
            documents = (every_document(DocumentCursor(collection, plan, at, order))
                         if collection else [])
        found = pipeline(stages, documents)
        return self._first_batch(command, ListCursor(command.namespace(), list(found)))

    @staticmethod
    def _coll_stats_row(command, collection):
        documents = collection.documents.values() if collection else ()
        size = sum(map(len, documents))
        stats = {"size": size, "count": len(documents), "storageSize": size,
                 "avgObjSize": size // max(1, len(documents)), "nindexes": 1}
        return encoded(ns=command.namespace(), storageStats=stats, count=len(documents))


def every_document(cursor):
    found = []
    while not cursor.is_done:
        found += cursor.next(EVERY_COUNT)
    return found


def when(stamp):
    return datetime.datetime.utcfromtimestamp(max(0, unpacked(stamp)[0]))


def view_row(raw):
    """The listing of a view, from its document in system.views."""
    shape = rb.fields(raw)
    name = rb.text_of(shape.pop(b"_id")).split(".", 1)[1]
    options = rb.document(*(rb.element(field, value) for field, value in shape.items()))
    return rb.document(rb.element(b"name", rb.text(name)), rb.element(b"type", rb.text("view")),
                       rb.element(b"options", (rb.OBJECT, options)),
                       rb.element(b"info", (rb.OBJECT, encoded(readOnly=True))))
