"""Servers for the tests: each on a free loopback port, with its log, ended with the test.

    server = start("scripted", directory, state="2", corpus=history)
    server.uri, server.client(), server.stop(), server.kill()

Kinds: "scripted" (tests/doubles/scripted_member.py), "java" (mongo-java-server), "ferretdb"
(FerretDB over PostgreSQL), "mongod" (a real one, from PATH or HOLDFAST_MONGOD). `why_not(kind)`
says what is missing for a kind, or None. Only what was started here is ever ended.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import bson
import pymongo

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "servers"
MEMBER = ROOT / "tests" / "doubles" / "scripted_member.py"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10


@dataclasses.dataclass(frozen=True)
class Abilities:
    """What a kind of server has. Tests ask these, never the name of the kind."""

    oplog: bool  # local.oplog.rs holds every write
    tailable: bool  # a tailable cursor on it stays open
    logs_commands: bool  # create, createIndexes, renameCollection stand in it
    listed_uuid: bool  # listCollections tells the UUID
    find_by_uuid: bool
    keeps_uuid: bool  # applyOps create with `ui`
    options: bool  # validators, capped, collation are kept
    snapshot_read: bool  # readConcern snapshot with atClusterTime
    counts_inserts: bool = True  # `n` of an insert is what was inserted, when some failed
    unkept: tuple = ()  # BSON types that come back changed or not at all (names of judge.py)


ABILITIES = {
    "scripted": Abilities(True, True, True, True, True, True, True, True),
    "mongod": Abilities(True, True, True, True, True, True, True, True),
    "java": Abilities(True, False, False, False, False, False, False, False,
                      counts_inserts=False, unkept=("scoped", "custom")),
    "ferretdb": Abilities(False, False, False, True, False, False, False, False),
}
KINDS = tuple(ABILITIES)


def prefix():
    """Where tests/servers/install puts programs."""
    named = os.environ.get("HOLDFAST_SERVERS")
    return pathlib.Path(named) if named else ROOT / "build" / "servers"


def mongod():
    named = os.environ.get("HOLDFAST_MONGOD")
    return named if named and os.path.exists(named) else shutil.which("mongod")


def why_not(kind):
    """None when a server of this kind can be started here, else the reason."""
    if kind == "scripted":
        return None
    if kind == "mongod":
        return None if mongod() else "no mongod in PATH, and HOLDFAST_MONGOD names none"
    told = subprocess.run([SCRIPTS / "install", "--check", kind], capture_output=True, text=True,
                          check=False)
    return None if told.returncode == 0 else told.stderr.strip()


def free_ports(count):
    """Ports of the loopback that nobody listens on; all different."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """One running server. `log` is the file that it writes to."""

    def __init__(self, kind, directory, port, command, environment=None):
        self.kind = kind
        self.abilities = ABILITIES[kind]
        self.port = port
        self.set_name = "" if kind == "ferretdb" else "rs0"
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / f"{kind}-{port}.log"
        self.command = [str(part) for part in command]
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None
        self.clients = []
        self.start()

    @property
    def uri(self):
        options = f"?replicaSet={self.set_name}" if self.set_name else ""
        return f"mongodb://127.0.0.1:{self.port}/{options}"

    def start(self):
        """Starts it, again after stop() or kill(), and waits until it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=log, stderr=log,
                env=self.environment, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not is_open(self.port):
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.kind} did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def client(self, **options):
        """A pymongo client of this server; closed with it."""
        options.setdefault("serverSelectionTimeoutMS", 20_000)
        client = pymongo.MongoClient(self.uri, **options)
        self.clients.append(client)
        return client

    def pids(self):
        """The process and all below it: what to measure."""
        listed = subprocess.run(["ps", "-o", "pid=", "-s", str(self.process.pid)],
                                capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in listed.split()]

    def stop(self):
        self._close()
        self._signal(signal.SIGTERM)

    def discard(self):
        """Ends it, and forgets what it kept outside of its directory."""
        self.stop()
        if self.kind == "ferretdb":
            subprocess.run([SCRIPTS / "run", "forget", self.command[-1]], check=True)

    def kill(self):
        """As kill -9 does: nothing is said to anybody."""
        self._close()
        self._signal(signal.SIGKILL)

    def _close(self):
        for client in self.clients:
            client.close()
        self.clients.clear()

    def _signal(self, number):
        if self.process is None:
            return
        self.process.stdin.close()
        for attempt in (number, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, attempt)
                self.process.wait(STOP_SECONDS_MAX)
            except ProcessLookupError:
                self.process.wait()
            except subprocess.TimeoutExpired:
                continue
            break
        self.process = None


class ScriptedMember(Server):
    """Our own member. Its script is what the test tells it here."""

    def __init__(self, directory, *, corpus=None, state=None, oplog=None, visible=None,
                 members=1, wire=13, noop_seconds=10.0, oplog_entries_max=0, user=None,
                 arguments=()):
        """corpus: a recorded history. state: "base", "fuzzy", "0", "1"… (of it), None: empty.

        oplog: another file of entries. visible: bson.Timestamp of the newest entry shown; None:
        that of the state. Without a corpus it takes writes and logs them; with one it does so too
        at the end of its history. user: "name:password", then nobody else gets in.
        """
        ports = free_ports(members + 1)
        self.ports, self.control_port = ports[:-1], ports[-1]
        command = [sys.executable, "-B", MEMBER, "--control", self.control_port, "--wire", wire,
                   "--noop-seconds", noop_seconds, "--oplog-entries-max", oplog_entries_max,
                   "--exit-with-stdin"]
        for port in self.ports:
            command += ["--port", port]
        for name, value in (("--corpus", corpus), ("--state", state), ("--oplog", oplog)):
            if value is not None:
                command += [name, value]
        if visible is not None:
            command += ["--visible", f"{visible.time},{visible.inc}"]
        self.user_and_password = user
        if user:
            command += ["--user", user]
        super().__init__("scripted", directory, self.ports[0], [*command, *arguments])

    @property
    def uri(self):
        return self.uri_as(self.user_and_password)

    def uri_as(self, user):
        """For "name:password", or for nobody."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"mongodb://{user + '@' if user else ''}{hosts}/?replicaSet={self.set_name}"

    def ask(self, do, **arguments):
        """One order, its answer. Every order below is one of these."""
        with socket.create_connection(("127.0.0.1", self.control_port), timeout=120) as link:
            link.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
            line = link.makefile("rb").readline()
        answer = json.loads(line) if line else {}
        if "error" in answer:
            raise RuntimeError(f"{do}: {answer['error']}")
        return answer

    def advance(self, entries=None, to=None):
        """Shows that many more entries, or those up to a timestamp; the documents follow them."""
        return self._position(self.ask("advance", entries=entries, to=pair(to)))

    def play(self, per_second, to=None):
        """Shows entries at a rate, in the background, up to a timestamp or the end."""
        self.ask("play", per_second=per_second, to=pair(to))

    def position(self):
        """The newest entry shown."""
        return self._position(self.ask("position"))

    def on_first_read(self, to):
        """Once, when a client begins to read documents: advances to this timestamp."""
        self.ask("on_first_read", to=pair(to))

    def set_state(self, state):
        """Documents and catalog of the corpus' "base" or "0", "1"…; the oplog ends there."""
        self.ask("set_state", state=str(state))

    def election(self, seconds=0.5):
        """No primary for a while; cursors are gone; then another member (if any) is primary."""
        self.ask("election", seconds=seconds)

    def cut(self, after_bytes=None):
        """Closes every connection; or each that has carried so many more bytes, once."""
        self.ask("cut", after_bytes=after_bytes)

    def slow(self, seconds):
        """Every answer waits that long."""
        self.ask("slow", seconds=seconds)

    def rollover(self, oldest=None, entries=None):
        """Entries before a timestamp, or all but the newest so many, are gone."""
        return self._position(self.ask("rollover", oldest=pair(oldest), entries=entries))

    def rollback(self, oplog, visible=None):
        """Another branch of history: its entries, and the documents that they make."""
        self.ask("rollback", oplog=str(oplog), visible=pair(visible))

    def majority(self, to):
        """Majority reads end at this timestamp; None: at the newest entry."""
        self.ask("majority", to=pair(to))

    def user(self, name, privileges):
        """connectionStatus tells of this user; name None: access control is off."""
        self.ask("user", name=name, privileges=privileges)

    def fail(self, command, code, times=1, message="scripted failure"):
        """The next so many commands of that name fail with a server's error number."""
        self.ask("fail", command=command, code=code, times=times, message=message)

    def busy(self, queued, lag_seconds=0):
        """What serverStatus says of waiting operations, and how far secondaries lag."""
        self.ask("busy", queued=queued, lag_seconds=lag_seconds)

    def log_entry(self, entry):
        """Appends a raw oplog entry (a dict without ts, t, v and wall) that nothing applies."""
        return self._position(self.ask("log_entry", entry=bson.BSON.encode(entry).hex()))

    def counters(self):
        """How many commands of each name came, documents and bytes sent."""
        return self.ask("counters")

    @staticmethod
    def _position(answer):
        return bson.Timestamp(*answer["position"])


def pair(timestamp):
    return None if timestamp is None else [timestamp.time, timestamp.inc]


def start(kind, directory, **options):
    """A running server of that kind; options are those of ScriptedMember."""
    directory = pathlib.Path(directory)
    if kind == "scripted":
        return ScriptedMember(directory, **options)
    assert not options, f"a {kind} server takes no script"
    if kind == "mongod":
        return _start_mongod(directory)
    port = free_ports(1)[0]
    state = directory / f"{kind}-{port}"
    return Server(kind, directory, port, [SCRIPTS / "run", kind, port, state])


def _start_mongod(directory):
    port = free_ports(1)[0]
    place = directory / f"mongod-{port}"
    place.mkdir(parents=True)
    server = Server("mongod", directory, port, [
        mongod(), "--dbpath", place, "--port", port, "--bind_ip", "127.0.0.1", "--replSet", "rs0",
        "--nounixsocket"])
    address = f"127.0.0.1:{port}"
    alone = pymongo.MongoClient(address, directConnection=True)
    alone.admin.command("replSetInitiate", {"_id": "rs0",
                                            "members": [{"_id": 0, "host": address}]})
    alone.close()
    server.client().admin.command("ping")
    return server
