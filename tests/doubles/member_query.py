"""Filters, projections, sorts and pipelines on raw documents: as much of them as backups use.

What is not known is refused with the server's number for it, never ignored.
"""

import bisect
import operator
import random

import raw_bson as rb
from member_errors import ServerError

BATCH_BYTES_MAX = 16 * 1024 * 1024
LEAST, PAST = b"", b"\xff"


class Plan:
    """A filter: ranges or a set of keys of one indexed field, and tests for the rest."""

    def __init__(self, raw=rb.EMPTY, indexed=b"_id"):
        self.low, self.high = LEAST, PAST
        self.keys = None  # exactly these
        self.ranges = None  # only within these, ascending and apart
        self.tests = []
        self.equals = {}  # field: the key that it must have, for other indexes
        self.indexed = indexed
        self._read(raw)

    @property
    def is_everything(self):
        return (self.low, self.high, self.keys) == (LEAST, PAST, None) and not self.tests

    @property
    def has_range(self):
        return ((self.low, self.high) != (LEAST, PAST) or self.keys is not None
                or self.ranges is not None)

    def holds(self, key):
        """Whether a key is in the ranges; what the other tests say is not asked."""
        if not self.low <= key < self.high:
            return False
        if self.ranges is None:
            return True
        at = bisect.bisect_right(self.ranges, key, key=lambda span: span[0])
        return at > 0 and key < self.ranges[at - 1][1]

    def wanted_keys(self):
        """Those of `keys` that the ranges hold, ascending."""
        return sorted(key for key in self.keys if self.holds(key))

    def spans(self):
        """The ranges of keys to look at, ascending and apart."""
        every = [(self.low, self.high)] if self.ranges is None else self.ranges
        cut = [(max(low, self.low), min(high, self.high)) for low, high in every]
        return [(low, high) for low, high in cut if low < high]

    def _read(self, raw):
        for name, kind, value in rb.elements(raw):
            if name == b"$and":
                for _, part in rb.members(value):
                    self._read(part)
            elif name == b"$or":
                self._either([part for _, part in rb.members(value)])
            elif name == b"$nor":
                parts = [Plan(part, None) for _, part in rb.members(value)]
                self.tests.append(lambda raw, parts=parts: not any(p.fits(raw) for p in parts))
            elif name == b"$expr":
                self.tests.append(expression((kind, value)))
            elif name[:1] == b"$" and name != b"$comment":
                raise ServerError(2, f"unknown top level operator: {name.decode()}")
            elif name != b"$comment":
                self._field(name, (kind, value))

    def _either(self, alternatives):
        """Ranges of keys, as an index serves them, or a test of every document."""
        plans = [Plan(part, self.indexed) for part in alternatives]
        are_ranges = (self.indexed == b"_id" and self.ranges is None
                      and all(plan.has_range for plan in plans))
        if are_ranges:
            self.ranges = union(span for plan in plans for span in plan.key_spans())
        if not are_ranges or any(plan.tests for plan in plans):
            plans = [Plan(part, None) for part in alternatives]
            self.tests.append(lambda raw: any(plan.fits(raw) for plan in plans))

    def key_spans(self):
        if self.keys is None:
            return self.spans()
        return [(key, key + b"\0") for key in self.wanted_keys()]

    def _field(self, name, value):
        if not is_operators(value):
            value = (rb.OBJECT, rb.document(rb.element(b"$eq", value)))
        for how, kind, operand in rb.elements(value[1]):
            if name == self.indexed and self._narrow(how, (kind, operand)):
                continue
            if how == b"$eq" and kind not in (rb.ARRAY, rb.NULL):
                self.equals[name] = rb.key((kind, operand))
            self.tests.append(condition(name, how, (kind, operand)))

    def _narrow(self, how, operand):
        """Whether the operator became a range of keys."""
        if how == b"$in":
            keys = {rb.key(value) for value in rb.members(operand[1])}
            self.keys = keys if self.keys is None else self.keys & keys
            return True
        if how not in (b"$eq", b"$gt", b"$gte", b"$lt", b"$lte"):
            return False
        key = rb.key(operand)
        if how == b"$eq":
            self.keys = {key} if self.keys is None else self.keys & {key}
            return True
        low, high = rb.bracket(key)
        if how in (b"$gt", b"$gte"):
            low = key if how == b"$gte" else key + b"\0"
        else:
            high = key if how == b"$lt" else key + b"\0"
        self.low, self.high = max(self.low, low), min(self.high, high)
        return True

    def fits(self, raw):
        return all(test(raw) for test in self.tests)


def union(spans):
    """Ascending, and merged where they meet."""
    merged = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            low, last = merged.pop()
            high = max(high, last)
        merged.append((low, high))
    return merged


def is_operators(value):
    if value[0] != rb.OBJECT or value[1] == rb.EMPTY:
        return False
    return next(rb.elements(value[1]))[0][:1] == b"$"


def condition(name, how, operand):
    """A test of one field; arrays match by any member too."""
    if how in (b"$in", b"$nin"):
        keys = {rb.key(value) for value in rb.members(operand[1])}
        found = lambda raw: any(key in keys for key in keys_at(raw, name))  # noqa: E731
        return found if how == b"$in" else lambda raw: not found(raw)
    if how == b"$exists":
        wanted = rb.is_true(operand)
        return lambda raw: (rb.path(raw, name) is not None) == wanted
    if how == b"$type":
        kinds = {b"string": rb.STRING, b"object": rb.OBJECT, b"array": rb.ARRAY}
        kind = kinds.get(operand[1][4:-1]) if operand[0] == rb.STRING else rb.integer_of(operand)
        return lambda raw: (rb.path(raw, name) or (None,))[0] == kind
    key = rb.key(operand)
    low, high = rb.bracket(key)
    compare = {
        b"$eq": lambda one: one == key, b"$ne": lambda one: one == key,
        b"$gt": lambda one: key < one < high, b"$gte": lambda one: key <= one < high,
        b"$lt": lambda one: low <= one < key, b"$lte": lambda one: low <= one <= key,
    }.get(how)
    if compare is None:
        raise ServerError(2, f"unknown operator: {how.decode()}")
    if how == b"$ne":
        return lambda raw: not any(map(compare, keys_at(raw, name)))
    return lambda raw: any(map(compare, keys_at(raw, name)))


def keys_at(raw, name):
    value = rb.path(raw, name)
    if value is None:
        return [b"\x14"]  # absent is null
    if value[0] == rb.ARRAY:
        return [rb.key(value), *map(rb.key, rb.members(value[1]))]
    return [rb.key(value)]


COMPARISONS = {b"$gt": operator.gt, b"$gte": operator.ge, b"$eq": operator.eq,
               b"$lt": operator.lt, b"$lte": operator.le, b"$ne": operator.ne}


def expression(value):
    """$expr: comparisons of a field with a literal, by the order of all types; $and of them."""
    name, kind, operands = next(rb.elements(value[1]))
    if name == b"$and":
        parts = [expression(part) for part in rb.members(operands)]
        return lambda raw: all(part(raw) for part in parts)
    if name not in COMPARISONS or kind != rb.ARRAY:
        raise ServerError(168, f"Unrecognized expression '{name.decode()}'")
    left, right = map(operand_of, rb.members(operands))
    compare = COMPARISONS[name]
    return lambda raw: compare(left(raw), right(raw))


def operand_of(value):
    if value[0] == rb.STRING and value[1][4:5] == b"$":
        name = value[1][5:-1]
        return lambda raw: rb.key(rb.path(raw, name) or (6, b""))
    if value[0] == rb.OBJECT and is_operators(value):
        name, kind, literal = next(rb.elements(value[1]))
        if name != b"$literal":
            raise ServerError(168, f"Unrecognized expression '{name.decode()}'")
        value = kind, literal
    key = rb.key(value)
    return lambda raw: key


def projection(raw):
    """A function of documents, or None where nothing is to be done. Top-level names only."""
    shape = rb.fields(raw)
    if not shape:
        return None
    keeps_id = rb.is_true(shape.pop(b"_id", rb.int32(1)))
    includes = any(map(rb.is_true, shape.values())) or not shape and keeps_id
    wanted = set(shape) | ({b"_id"} if keeps_id == includes else set())

    def project(document):
        return rb.document(*(rb.element(name, (kind, value))
                             for name, kind, value in rb.elements(document)
                             if (name in wanted) == includes))
    return project


def sort_order(raw):
    """[(field, is_descending)] of a sort document."""
    return [(name, rb.integer_of((kind, value)) < 0) for name, kind, value in rb.elements(raw)]


def sorted_by(documents, order):
    for name, is_descending in reversed(order):
        documents.sort(key=lambda raw: min(keys_at(raw, name)), reverse=is_descending)  # noqa: B023
    return documents


def pipeline(stages, documents):
    """Documents through the stages after the first $match, which the caller has done."""
    for stage in stages:
        name, kind, value = next(rb.elements(stage))
        step = STAGES.get(name)
        if step is None:
            raise ServerError(40324, f"Unrecognized pipeline stage name: '{name.decode()}'")
        documents = step(list(documents), (kind, value))
    return documents


def _group(documents, value):
    shape = rb.fields(value[1])
    by = shape.pop(b"_id")
    groups = {}
    for raw in documents:
        one = by
        if by[0] == rb.STRING and by[1][4:5] == b"$":
            one = rb.path(raw, by[1][5:-1]) or (rb.NULL, b"")
        groups.setdefault(rb.key(one), (one, []))[1].append(raw)
    return [rb.document(rb.element(b"_id", one), *(
        rb.element(name, _accumulated(how, members)) for name, how in shape.items()))
        for one, members in groups.values()]


def _accumulated(how, members):
    name, kind, operand = next(rb.elements(how[1]))
    names_field = kind == rb.STRING and operand[4:5] == b"$"
    values = [rb.path(raw, operand[5:-1]) if names_field else (kind, operand) for raw in members]
    values = [value for value in values if value is not None]
    if name == b"$sum":
        total = sum(rb.integer_of(value) for value in values if value[0] in rb.NUMBERS)
        return rb.int32(total) if total < 2**31 else rb.int64(total)
    if name in (b"$min", b"$max") and values:
        return (min if name == b"$min" else max)(values, key=rb.key)
    raise ServerError(15952, f"unknown group operator '{name.decode()}'")


def _sample(documents, value):
    size = rb.integer_of(rb.find(value[1], b"size"))
    return random.sample(documents, min(size, len(documents)))


def _match(documents, value):
    plan = Plan(value[1], None)
    return [raw for raw in documents if plan.fits(raw)]


def _count(documents, value):
    name = value[1][4:-1]
    return [rb.document(rb.element(name, rb.int32(len(documents))))] if documents else []


STAGES = {
    b"$match": _match,
    b"$group": _group,
    b"$sample": _sample,
    b"$count": _count,
    b"$sort": lambda documents, value: sorted_by(documents, sort_order(value[1])),
    b"$skip": lambda documents, value: documents[rb.integer_of(value):],
    b"$limit": lambda documents, value: documents[:rb.integer_of(value)],
    b"$project": lambda documents, value: list(
        map(projection(value[1]) or (lambda raw: raw), documents)),
}


class ListCursor:
    """Over documents that were gathered when it was opened."""

    is_tailable = False

    def __init__(self, namespace, documents):
        self.namespace = namespace
        self.documents = documents
        self.at = 0
        self.at_cluster_time = None

    @property
    def is_done(self):
        return self.at >= len(self.documents)

    def next(self, count_max):
        batch, size = [], 0
        while self.at < len(self.documents) and len(batch) < count_max:
            raw = self.documents[self.at]
            if batch and size + len(raw) > BATCH_BYTES_MAX:
                break
            batch.append(raw)
            size += len(raw)
            self.at += 1
        return batch


class DocumentCursor:
    """Over a collection as it is when a batch is read, or as it was at a timestamp."""

    is_tailable = False

    def __init__(self, collection, plan, at, order="natural"):
        """order: "key", "reverse" (by _id), "natural", "backward"."""
        self.namespace = collection.name
        self.collection, self.plan, self.at_cluster_time = collection, plan, at
        self.skip, self.left = 0, None
        self.project = None
        self.is_done = False
        self._low, self._high = plan.low, plan.high
        self._order = order
        if plan.keys is not None:
            keys = plan.wanted_keys()
            self._keys = iter(keys[::-1] if order == "reverse" else keys)
        elif order in ("natural", "backward"):
            keys = collection.natural_keys(at)
            self._keys = iter(keys[::-1] if order == "backward" else keys)
        else:
            self._keys = None

    def _next_keys(self):
        """Keys from where the last batch ended; looked up anew, so that new documents show."""
        if self._keys is not None:
            yield from self._keys
            return
        is_reverse = self._order == "reverse"
        spans = self.plan.spans()
        for span in spans[::-1] if is_reverse else spans:
            low, high = self.collection.slice(max(span[0], self._low), min(span[1], self._high))
            keys = self.collection.sorted_keys()
            for index in range(high - 1, low - 1, -1) if is_reverse else range(low, high):
                key = keys[index]
                if is_reverse:
                    self._high = key
                else:
                    self._low = key + b"\0"
                yield key

    def next(self, count_max):
        """The next batch. Ends the cursor when nothing is left."""
        count_max = count_max if self.left is None else min(count_max, self.left)
        batch, size = [], 0
        needs_range = self._keys is not None and self.plan.keys is None and self.plan.has_range
        for key in self._next_keys():
            if needs_range and not self.plan.holds(key):
                continue
            raw = self.collection.document(key, self.at_cluster_time)
            if raw is None or not self.plan.fits(raw):
                continue
            if self.skip:
                self.skip -= 1
                continue
            batch.append(self.project(raw) if self.project else raw)
            size += len(batch[-1])
            if len(batch) >= count_max or size >= BATCH_BYTES_MAX - 64 * 1024:
                break
        else:
            self.is_done = True
        if self.left is not None:
            self.left -= len(batch)
            self.is_done = self.is_done or self.left <= 0
        return batch


class OplogCursor:
    """Over local.oplog.rs. Forward it keeps its place by timestamp; backward it is a list."""

    def __init__(self, oplog, plan, is_majority, is_tailable):
        self.namespace = "local.oplog.rs"
        self.oplog, self.plan = oplog, plan
        self.is_majority, self.is_tailable = is_majority, is_tailable
        self.left = None
        self.at_cluster_time = None
        self._next = stamp_of(plan.low)
        self._past = stamp_of(plan.high)
        self._last = None  # the entry given last: it must still be there

    @property
    def is_done(self):
        return self.left == 0 or not self.is_tailable and not self.has_news()

    def has_news(self):
        at = self.oplog.position(self._next)
        end = self.oplog.shown_end(self.is_majority)
        return at < end and self.oplog.stamps[at] < self._past

    def next(self, count_max):
        oldest = self.oplog.oldest()
        if self._last is not None and self._last < oldest and self._next < oldest:
            raise ServerError(136, "CollectionScan died due to position in capped collection "
                                   "being deleted")
        count_max = count_max if self.left is None else min(count_max, self.left)
        batch, size = [], 0
        end = self.oplog.shown_end(self.is_majority)
        for at in range(self.oplog.position(self._next), end):
            stamp, raw = self.oplog.stamps[at], self.oplog.entries[at]
            if stamp >= self._past or len(batch) >= count_max:
                break
            if batch and size + len(raw) > BATCH_BYTES_MAX:
                break
            self._next = stamp + 1
            self._last = stamp
            if self.plan.fits(raw):
                batch.append(raw)
                size += len(raw)
        if self.left is not None:
            self.left -= len(batch)
        return batch


def stamp_of(key):
    """The timestamp in the key of a `ts` bound, as a number; what is after it by one more."""
    if key in (LEAST, b"\x82"):
        return 0
    if key[0] != 0x82 or len(key) < 9:
        return 2**64
    return int.from_bytes(key[1:9], "big") + (len(key) > 9)


def backward(oplog, plan, is_majority, count):
    """The newest entries first: sort {$natural: -1}. No more than `count` of them if it is set."""
    low, past = stamp_of(plan.low), stamp_of(plan.high)
    found = []
    for at in range(oplog.shown_end(is_majority) - 1, oplog.begin - 1, -1):
        if low <= oplog.stamps[at] < past and plan.fits(oplog.entries[at]):
            found.append(oplog.entries[at])
            if len(found) == count:
                break
    return found
