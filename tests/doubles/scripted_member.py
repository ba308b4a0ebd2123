#!/usr/bin/env python3
"""A scripted replica-set member: speaks MongoDB's wire protocol on the loopback.

    scripted_member.py --port N [--corpus DIR --state base|fuzzy|K] [--control PORT]

With --corpus it replays a recorded history: it shows the oplog up to a position, and the documents
that the entries up to there make (--state base: from the base, at its end; fuzzy: the base's own
documents, the oplog at its beginning; K: expected/K). Without one it is empty. At the end of its
history it takes writes into memory and logs them as the server does. Several --port are several
members; the first is primary.

Orders come as JSON lines to the control port (see ScriptedMember in tests/e2e/servers.py):
    {"do": "advance", "to": [seconds, increment]}
"""

import argparse
import asyncio
import json
import os
import pathlib
import struct
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import raw_bson as rb  # noqa: E402
from member_cluster import Cluster  # noqa: E402
from member_commands import Command, Commands  # noqa: E402
from member_errors import RETRYABLE_CODES, ServerError  # noqa: E402

HEADER = struct.Struct("<iiii")
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
MESSAGE_BYTES_MAX, LIMIT = 48_000_000, 32 * 1024 * 1024
CHECKSUM_PRESENT, MORE_TO_COME = 1, 2
HELLO = {"hello", "isMaster", "ismaster"}
OK = rb.element(b"ok", rb.double(1.0))


class Connection:
    """One client. Requests are answered one after the other, as the server does."""

    def __init__(self, cluster, member, reader, writer):
        self.cluster, self.member = cluster, member
        self.commands = Commands(cluster, member)
        self.reader, self.writer = reader, writer

    def abort(self):
        self.writer.transport.abort()

    async def serve(self):
        self.cluster.connections.add(self)
        try:
            while True:
                length, number, _, code = HEADER.unpack(await self.reader.readexactly(16))
                if not 16 <= length <= MESSAGE_BYTES_MAX:
                    break
                reply = await self._reply(code, await self.reader.readexactly(length - 16))
                if reply is not None:
                    await self._send(number, *reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception:
            traceback.print_exc()  # a request that this member can not take: its log tells
        finally:
            self.cluster.connections.discard(self)
            self.abort()

    async def _reply(self, code, body):
        """(opcode, body) of the answer; None: the client wants none."""
        if code == OP_QUERY:
            at = body.index(b"\0", 4) + 9
            command = Command(body[at:], body[4:at - 9].split(b".", 1)[0].decode())
            if command.name not in HELLO:
                raise ValueError("an old form of a command")
            told = await self._told(command)
            return OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + told
        if code != OP_MSG:
            raise ValueError(f"an opcode {code} that this member does not know")
        flags, command = parse_message(body)
        told = await self._told(command)
        return None if flags & MORE_TO_COME else (OP_MSG, b"\0\0\0\0\0" + told)

    async def _told(self, command):
        try:
            answer = await self.commands.answer(command)
            return rb.document(answer[4:-1], OK, self._times(command))
        except ServerError as error:
            return rb.document(
                rb.element(b"ok", rb.double(0.0)), rb.element(b"errmsg", rb.text(error.message)),
                rb.element(b"code", rb.int32(error.code)),
                rb.element(b"codeName", rb.text(error.name)), labels(error, command),
                self._times(command))

    def _times(self, command):
        """operationTime and $clusterTime, as members of a set add them."""
        if not self.cluster.set_name:
            return b""
        concern = rb.find(command.body("readConcern"), b"level")
        is_majority = concern is not None and rb.text_of(concern) != "local"
        stamp = self.cluster.oplog.newest_for(is_majority)
        newest = self.cluster.oplog.newest()
        signature = rb.document(
            rb.element(b"hash", (rb.BINARY, b"\x14\0\0\0\0" + bytes(20))),
            rb.element(b"keyId", rb.int64(0)))
        time = rb.document(rb.element(b"clusterTime", rb.timestamp(newest)),
                           rb.element(b"signature", (rb.OBJECT, signature)))
        return (rb.element(b"$clusterTime", (rb.OBJECT, time))
                + rb.element(b"operationTime", rb.timestamp(stamp)))

    async def _send(self, number, code, body):
        message = HEADER.pack(16 + len(body), 0, number, code) + body
        cluster = self.cluster
        cluster.byte_count += len(message)
        if cluster.bytes_until_cut is not None:
            cluster.bytes_until_cut -= len(message)
            if cluster.bytes_until_cut < 0:
                self.writer.write(message[:cluster.bytes_until_cut])
                cluster.bytes_until_cut = None
                await self.writer.drain()
                self.writer.close()
                raise ConnectionResetError
        self.writer.write(message)
        await self.writer.drain()


def labels(error, command):
    """Says that a write with a transaction number may be sent again, as servers since 4.4 do."""
    if error.code not in RETRYABLE_CODES or b"txnNumber" not in command.shape:
        return b""
    return rb.element(b"errorLabels", rb.encode(["RetryableWriteError"]))


def parse_message(body):
    """(flags, command) of an OP_MSG."""
    flags = int.from_bytes(body[:4], "little")
    end = len(body) - (4 if flags & CHECKSUM_PRESENT else 0)
    at, document, sequences = 4, None, {}
    while at < end:
        length = int.from_bytes(body[at + 1:at + 5], "little")
        if body[at] == 0:
            document = body[at + 1:at + 1 + length]
        else:
            name_end = body.index(b"\0", at + 5)
            name = body[at + 5:name_end].decode()
            sequences[name] = rb.split(body[name_end + 1:at + 1 + length])
        at += 1 + length
    return flags, Command(document, None, sequences)


async def obey(cluster, reader, writer):
    """The control port: one order a line, one answer a line."""
    while line := await reader.readline():
        order = json.loads(line)
        try:
            do = getattr(cluster, "do_" + order["do"])
            answer = do(order)
        except Exception as error:  # the test that sent the order is told
            answer = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()


def exit_with_stdin(loop):
    """Ends with the process that holds our standard input, however that one ends."""
    def ended():
        if not os.read(0, 4096):
            os._exit(0)
    loop.add_reader(0, ended)


async def run(options):
    cluster = Cluster(options)
    if options.control:
        await asyncio.start_server(lambda reader, writer: obey(cluster, reader, writer),
                                   "127.0.0.1", options.control)
    for member in cluster.members:
        def connected(reader, writer, member=member):
            return Connection(cluster, member, reader, writer).serve()
        member.server = await asyncio.start_server(connected, "127.0.0.1", member.port,
                                                   limit=LIMIT)
    if options.noop_seconds:
        asyncio.ensure_future(cluster.write_noops(options.noop_seconds))
    if options.exit_with_stdin:
        exit_with_stdin(asyncio.get_running_loop())
    print("ready", ",".join(member.address for member in cluster.members), flush=True)
    await asyncio.Event().wait()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, action="append", required=True)
    parser.add_argument("--arbiter-port", type=int, action="append", default=[])
    parser.add_argument("--control", type=int)
    parser.add_argument("--set", default="rs0", help="name of the set; empty: a lone server")
    parser.add_argument("--set-id", default="5" * 24, help="settings.replicaSetId, as hex")
    parser.add_argument("--wire", type=int, default=13, help="13 is 5.0; below it, no snapshots")
    parser.add_argument("--corpus")
    parser.add_argument("--state")
    parser.add_argument("--oplog")
    parser.add_argument("--visible", type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--noop-seconds", type=float, default=10.0)
    parser.add_argument("--oplog-entries-max", type=int, default=0)
    parser.add_argument("--snapshot-seconds", type=int, default=60)
    parser.add_argument("--user", help="NAME:PASSWORD: nobody else gets in (SCRAM-SHA-256)")
    parser.add_argument("--exit-with-stdin", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        asyncio.run(run(parse(sys.argv[1:])))
    except KeyboardInterrupt:
        pass
