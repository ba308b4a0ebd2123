"""Holdfast at work beside a test: streams in the background, moments, loads of writes."""

import os
import signal
import subprocess
import threading
import time

import bson
import judge
import pymongo

IS_FULL = bool(os.environ.get("HOLDFAST_FULL"))
DOCUMENT_COUNT = 200_000 if IS_FULL else 10_000
KILL_COUNT = 200 if IS_FULL else 20
PATIENCE_SECONDS = 90
NOTES = "holdfast_restore"  # the database where an unfinished restore notes how far it came


def at(timestamp):
    """How a moment is named to holdfast: that entry included."""
    return f"{timestamp.time},{timestamp.inc}"


def newest(client):
    """The timestamp of the newest entry of a server's oplog."""
    entry = next(client.local["oplog.rs"].find().sort("$natural", -1).limit(1))
    return entry["ts"]


class Stream:
    """`holdfast stream` as a process of its own."""

    def __init__(self, holdfast, uri, *, dataset="shop", arguments=()):
        self.holdfast, self.uri, self.dataset = holdfast, uri, dataset
        self.arguments = arguments or ["--segment-age", "1s"]
        self.process = None
        self.stderr = b""
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [str(self.holdfast.binary), "stream", "--dataset", self.dataset, *self.arguments,
             self.uri], env=self.holdfast.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def is_running(self):
        return self.process.poll() is None

    def kill(self):
        """kill -9: nothing is published any more."""
        self.process.kill()
        self._end()

    def stop(self):
        """SIGTERM: the last segment is published. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        self._end()
        return self.process.returncode

    def wait(self):
        """Until it ends by itself. Returns the exit status."""
        self._end()
        return self.process.returncode

    def _end(self):
        _, stderr = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.stderr += stderr

    def wait_until(self, timestamp):
        """Until what was written up to then is recoverable."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if reaches(self.holdfast, self.dataset, timestamp):
                return
            if not self.is_running():
                self._end()
                raise AssertionError(f"the stream ended: {self.stderr.decode()}")
            time.sleep(0.2)
        raise AssertionError(f"not recorded within {PATIENCE_SECONDS} s: {at(timestamp)}")


def points(holdfast, dataset="shop"):
    """The windows and gaps of a dataset as `points --json` tells them; None: none yet."""
    told = holdfast.run("points", "--dataset", dataset, "--json", status=None)
    return told.json() if told.status == 0 and told.stdout else None


def stamp_of(moment):
    seconds, ordinal = moment["at"].split(",")
    return bson.Timestamp(int(seconds), int(ordinal))


def covers(holdfast, dataset, timestamp):
    told = points(holdfast, dataset)
    return any(stamp_of(window["from"]) <= timestamp <= stamp_of(window["to"])
               for window in (told or {}).get("windows", ()))


def reaches(holdfast, dataset, timestamp):
    """Whether something at or after that moment can be recovered."""
    told = points(holdfast, dataset)
    return any(timestamp <= stamp_of(window["to"]) for window in (told or {}).get("windows", ()))


class Load(threading.Thread):
    """Inserts, updates and deletes at a rate until stopped; what it did is counted."""

    def __init__(self, collection, *, per_second, batch_count=50, first=0):
        super().__init__(daemon=True)
        self.collection = collection.with_options(codec_options=judge.RAW)
        self.per_second, self.batch_count = per_second, batch_count
        self.next = self.first = first
        self.done = 0
        self.error = None
        self._stop_asked = threading.Event()

    def run(self):
        begun = time.monotonic()
        try:
            while not self._stop_asked.is_set():
                due = int((time.monotonic() - begun) * self.per_second)
                if self.done + self.batch_count > due:
                    time.sleep(0.002)
                    continue
                self._batch()
        except pymongo.errors.PyMongoError as error:
            self.error = error

    def _batch(self):
        """Of ten operations, six insert, three update, one deletes."""
        inserts = self.batch_count * 6 // 10
        documents = judge.documents_of_every_kind(inserts, first=self.next, size=1000)
        self.collection.insert_many(
            [judge.RawBSONDocument(raw) for raw in documents], ordered=False)
        changes = []
        for step in range(self.batch_count - inserts):
            known = self.first + (self.next + step * 7919) % (self.next + inserts - self.first)
            if step % 4 == 3:
                changes.append(pymongo.DeleteOne({"_id": known}))
            else:
                changes.append(pymongo.UpdateOne({"_id": known}, {"$set": {"int": self.done}}))
        self.collection.bulk_write(changes, ordered=False)
        self.next += inserts
        self.done += self.batch_count

    def stop(self):
        self._stop_asked.set()
        self.join()
        if self.error:
            raise self.error
