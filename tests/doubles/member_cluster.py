"""What all members of the scripted replica set share: documents, oplog, term, and the script."""

import asyncio
import collections
import json
import pathlib
import time

import bson
import raw_bson as rb
from member_auth import USERS, user_document
from member_errors import ServerError
from member_history import Oplog, entry_tail, noop, packed, unpacked
from member_store import Catalog, load_dump
from member_writes import Writer

PLAY_STEP_SECONDS = 0.02


class Member:
    """One port of the set."""

    def __init__(self, port, is_arbiter=False):
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.is_arbiter = is_arbiter
        self.is_alive = True
        self.lag_seconds = 0


class Cluster:
    """One event loop; nothing here may be touched from another thread."""

    def __init__(self, options):
        self.options = options
        self.set_name, self.set_id = options.set, bson.ObjectId(options.set_id)
        self.wire = options.wire
        self.members = [Member(port) for port in options.port]
        self.members += [Member(port, is_arbiter=True) for port in options.arbiter_port]
        self.primary = self.members[0]
        self.connections = set()
        self.cursors = {}
        self.news = asyncio.Event()
        self.counts = collections.Counter()
        self.document_count = self.byte_count = 0
        self.delay_seconds = 0.0
        self.bytes_until_cut = None
        self.failures = {}  # command name: [code, how many times, message]
        self.user, self.privileges = None, []
        self.queued = 0
        self.first_read_to = None
        self.snapshot_floor = 0
        self.writer = Writer(self)
        self._next_cursor = 1000
        self._playing = None
        self._load(options.state, options.oplog, options.visible)
        if options.user:
            name, password = options.user.split(":", 1)
            root = user_document(name, "admin", password, ["root"])
            self.writer.insert(self.writer.collection(USERS), root)

    def _load(self, state, oplog_file, visible):
        corpus = pathlib.Path(self.options.corpus) if self.options.corpus else None
        remember = self.wire >= 13
        if oplog_file is None and corpus:
            oplog_file = corpus / "oplog.bson"
        entries_max = self.options.oplog_entries_max
        self.oplog = (Oplog.read(pathlib.Path(oplog_file), entries_max) if oplog_file
                      else Oplog(entries_max=entries_max))
        self.catalog = Catalog(remember)
        target = 0
        if corpus and state is not None:
            target = self._load_state(corpus, state, remember)
        if visible is not None:
            target = packed(*visible)
        self._show_to(target)
        self.term = self.oplog.term_of_newest()
        if not self.oplog.end:
            self.append_noop("initiating set")
        self.snapshot_floor = self.oplog.newest()

    def _load_state(self, corpus, state, remember):
        """Documents of a recorded state. Returns the timestamp at which they are consistent."""
        is_base = state in ("base", "fuzzy")
        place = corpus / "base" if is_base else corpus / "expected" / state
        self.catalog = load_dump(place, remember)
        manifest = json.loads((place / "manifest.json").read_text())
        first, last = (packed(manifest[end]["t"], manifest[end]["i"]) for end in ("first", "last"))
        # Documents of a base have effects of entries up to `last`; each is applied once more.
        self.oplog.end = self.oplog.position(first + (0 if is_base else 1))
        return first if state == "fuzzy" else last

    # ---- time ----

    def _show_to(self, stamp):
        end = self.oplog.position(stamp + 1)
        while self.oplog.end < end:
            self.catalog.apply(self.oplog.entries[self.oplog.end])
            self.oplog.end += 1

    def advance_to(self, stamp):
        self._show_to(stamp)
        self.has_news()

    def has_news(self):
        self.news.set()
        self.news = asyncio.Event()

    def append_noop(self, message):
        stamp = self.oplog.next_stamp()
        self.oplog.append(noop(message, stamp, self.term), stamp)
        self.has_news()

    @property
    def has_future(self):
        return self.oplog.end < len(self.oplog.entries)

    async def write_noops(self, seconds):
        """As the primary does when nobody wrote since the last look."""
        last = self.oplog.newest()
        while True:
            await asyncio.sleep(seconds)
            if self.oplog.newest() == last and not self.has_future:
                self.append_noop("periodic noop")
            last = self.oplog.newest()
            if self.catalog.remember:
                floor = last - packed(self.options.snapshot_seconds, 0)
                self.snapshot_floor = max(self.snapshot_floor, floor)
                self.catalog.forget_before(self.snapshot_floor)

    def on_document_read(self):
        if self.first_read_to is not None:
            self.advance_to(self.first_read_to)
            self.first_read_to = None

    # ---- cursors ----

    def keep(self, cursor):
        self._next_cursor += 1
        self.cursors[self._next_cursor] = cursor
        return self._next_cursor

    # ---- orders ----

    def position(self):
        return {"position": unpacked(self.oplog.newest())}

    def do_position(self, _order):
        return self.position()

    def do_advance(self, order):
        if order.get("to"):
            self.advance_to(packed(*order["to"]))
        else:
            end = len(self.oplog.entries)
            more = order.get("entries")
            at = end if more is None else min(end, self.oplog.end + more)
            if at > 0:
                self.advance_to(self.oplog.stamps[at - 1])
        return self.position()

    def do_play(self, order):
        if self._playing:
            self._playing.cancel()
        to = packed(*order["to"]) if order.get("to") else self.oplog.stamps[-1]
        self._playing = asyncio.ensure_future(self._play(order["per_second"], to))
        return {}

    async def _play(self, per_second, to):
        begun, shown = time.monotonic(), 0
        while self.oplog.newest() < to and self.has_future:
            due = int((time.monotonic() - begun) * per_second)
            if due > shown:
                end = min(len(self.oplog.entries), self.oplog.end + due - shown)
                self.advance_to(min(to, self.oplog.stamps[end - 1]))
                shown = due
            await asyncio.sleep(PLAY_STEP_SECONDS)

    def do_on_first_read(self, order):
        self.first_read_to = packed(*order["to"])
        return {}

    def do_set_state(self, order):
        self.cursors.clear()
        self._load(order["state"], None, None)
        self.has_news()
        return self.position()

    def do_election(self, order):
        self.cursors.clear()
        before = self.primary
        self.primary = None
        self.has_news()
        asyncio.get_running_loop().call_later(order["seconds"], self._elect, before)
        return {}

    def _elect(self, before):
        able = [one for one in self.members if one.is_alive and not one.is_arbiter]
        others = [one for one in able if one is not before]
        self.primary = (others or able or [None])[0]
        if not self.has_future:
            self.term += 1
            self.append_noop("new primary")

    def do_die(self, order):
        """That member (by its place, 0 first) is gone; its connections break."""
        member = self.members[order["member"]]
        member.is_alive = False
        member.server.close()
        for connection in list(self.connections):
            if connection.member is member:
                connection.abort()
        if member is self.primary:
            self.do_election({"seconds": order.get("seconds", 0.5)})
        return {}

    def do_cut(self, order):
        if order.get("after_bytes") is None:
            for connection in list(self.connections):
                connection.abort()
        else:
            self.bytes_until_cut = order["after_bytes"]
        return {}

    def do_slow(self, order):
        self.delay_seconds = order["seconds"]
        return {}

    def do_rollover(self, order):
        if order.get("oldest"):
            self.oplog.roll_over(self.oplog.position(packed(*order["oldest"])))
        else:
            self.oplog.roll_over(self.oplog.end - order["entries"])
        self.has_news()
        return self.position()

    def do_rollback(self, order):
        self.cursors.clear()
        oplog = Oplog.read(pathlib.Path(order["oplog"]), self.options.oplog_entries_max)
        self.oplog, self.catalog = oplog, Catalog(self.wire >= 13)
        self._show_to(packed(*order["visible"]) if order.get("visible") else oplog.stamps[-1])
        self.term = oplog.term_of_newest()
        self.snapshot_floor = oplog.newest()
        self.writer = Writer(self)
        self.has_news()
        return self.position()

    def do_majority(self, order):
        self.oplog.majority = packed(*order["to"]) if order.get("to") else None
        self.has_news()
        return {}

    def do_user(self, order):
        self.user, self.privileges = order["name"], order["privileges"]
        return {}

    def do_fail(self, order):
        self.failures[order["command"]] = [order["code"], order["times"], order["message"]]
        return {}

    def do_busy(self, order):
        self.queued = order["queued"]
        for member in self.members:
            member.lag_seconds = order["lag_seconds"] if member is not self.primary else 0
        return {}

    def do_log_entry(self, order):
        raw = bytes.fromhex(order["entry"])
        stamp = self.oplog.next_stamp()
        self.oplog.append(rb.document(raw[4:-1], entry_tail(stamp, self.term)), stamp)
        self.has_news()
        return self.position()

    def do_counters(self, _order):
        return {"commands": dict(self.counts), "documents": self.document_count,
                "bytes": self.byte_count, "cursors": len(self.cursors)}

    def check_failure(self, name):
        failure = self.failures.get(name)
        if failure and failure[1] > 0:
            failure[1] -= 1
            raise ServerError(failure[0], failure[2])

    def op_time(self, stamp):
        """An optime {ts, t} as the server tells it."""
        return {"ts": bson.Timestamp(*unpacked(stamp)), "t": bson.Int64(self.term)}


