"""The oplog of the scripted member: what it shows, in which order, up to where."""

import bisect
import struct
import time

import raw_bson as rb

TERM_FIRST = 1


def ts_of(entry):
    """The timestamp of an entry as one number. Where it is the last but a few elements."""
    return rb.integer_of(rb.find(entry, b"ts"))


def packed(seconds, increment):
    return seconds << 32 | increment


def unpacked(number):
    return [number >> 32, number & 0xFFFFFFFF]


class Oplog:
    """Entries in ascending order. Those up to `visible` exist; the rest is the script's future."""

    def __init__(self, entries=(), entries_max=0):
        self.entries = list(entries)
        self.stamps = [ts_of(entry) for entry in self.entries]
        self.begin = 0  # entries before it have rolled over
        self.end = 0  # entries from it on are not shown yet
        self.majority = None  # None: everything shown is majority committed
        self.entries_max = entries_max
        self.term = TERM_FIRST

    @classmethod
    def read(cls, file, entries_max=0):
        return cls(rb.split(file.read_bytes()), entries_max)

    def newest(self):
        """Timestamp of the newest entry shown; 0: there is none."""
        return self.stamps[self.end - 1] if self.end > 0 else 0

    def oldest(self):
        return self.stamps[self.begin] if self.begin < self.end else 0

    def newest_for(self, is_majority):
        if is_majority and self.majority is not None:
            return min(self.newest(), self.majority)
        return self.newest()

    def term_of_newest(self):
        found = rb.find(self.entries[self.end - 1], b"t") if self.end else None
        return rb.integer_of(found) if found else TERM_FIRST

    def position(self, stamp):
        """Of the first entry with at least this timestamp."""
        return max(self.begin, bisect.bisect_left(self.stamps, stamp))

    def shown_end(self, is_majority):
        if is_majority and self.majority is not None:
            return min(self.end, bisect.bisect_right(self.stamps, self.majority))
        return self.end

    def next_stamp(self):
        return max(self.newest() + 1, packed(int(time.time()), 1))

    def append(self, entry, stamp):
        """A new entry, shown at once. What the script had in store is forgotten."""
        if self.end < len(self.entries):
            del self.entries[self.end:], self.stamps[self.end:]
        self.entries.append(entry)
        self.stamps.append(stamp)
        self.end += 1
        if self.entries_max and self.end - self.begin > self.entries_max:
            self.roll_over(self.end - self.entries_max)

    def roll_over(self, begin):
        self.begin = max(self.begin, min(begin, self.end))
        if self.begin > 65536:  # give the memory back now and then
            del self.entries[:self.begin], self.stamps[:self.begin]
            self.end -= self.begin
            self.begin = 0


_TAIL = struct.Struct("<B3sQB2sqB2sqB5sq")


def entry_tail(stamp, term):
    """ts, t, v and wall: how every entry ends."""
    wall = int(time.time() * 1000)
    return _TAIL.pack(rb.TIMESTAMP, b"ts\0", stamp, rb.INT64, b"t\0", term,
                      rb.INT64, b"v\0", 2, rb.DATE, b"wall\0", wall)


def entry(operation, namespace, parts, stamp, term):
    """A raw entry; `parts` are its elements between ns and ts."""
    return rb.document(rb.element(b"op", rb.text(operation)),
                       rb.element(b"ns", rb.text(namespace)), parts, entry_tail(stamp, term))


def noop(message, stamp, term):
    body = rb.document(rb.element(b"msg", rb.text(message)))
    return entry("n", "", rb.element(b"o", (rb.OBJECT, body)), stamp, term)
