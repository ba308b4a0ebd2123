"""Users of the scripted member: stored as the server stores them, proved by SCRAM-SHA-256."""

import base64
import hashlib
import hmac
import os

import bson
import raw_bson as rb
from member_errors import ServerError

MECHANISM = "SCRAM-SHA-256"
ITERATIONS, SALT_BYTES, NONCE_BYTES = 4096, 28, 24
BEFORE_LOGIN = {"hello", "isMaster", "ismaster", "saslStart", "saslContinue", "ping", "buildInfo",
                "buildinfo", "connectionStatus", "endSessions", "logout"}
USERS = "admin.system.users"


def digest(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def credentials_of(password):
    """What the server keeps of a password (plain ASCII: no SASLprep here)."""
    salt = os.urandom(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(digest(salted, b"Client Key")).digest()
    keys = (("salt", salt), ("storedKey", stored), ("serverKey", digest(salted, b"Server Key")))
    kept = {name: base64.b64encode(value).decode() for name, value in keys}
    return {MECHANISM: {"iterationCount": ITERATIONS, **kept}}


def user_document(name, database, password, roles):
    """A document of admin.system.users."""
    whole = [role if isinstance(role, dict) else {"role": role, "db": database} for role in roles]
    return bytes(bson.BSON.encode({
        "_id": f"{database}.{name}", "userId": bson.Binary(os.urandom(16), 4), "user": name,
        "db": database, "credentials": credentials_of(password), "roles": whole}))


class Login:
    """The conversation of one connection."""

    def __init__(self, catalog):
        self.catalog = catalog
        self.user = None  # "name@database", after the proof
        self._kept = self._first = self._name = None

    def start(self, command):
        if rb.text_of(command.shape[b"mechanism"]) != MECHANISM:
            raise ServerError(334, "this member knows SCRAM-SHA-256 only")
        bare = payload_of(command)[len(b"n,,"):]
        name, nonce = (part.split(b"=", 1)[1] for part in bare.split(b",")[:2])
        name = name.decode().replace("=2C", ",").replace("=3D", "=")
        self._kept = self._credentials(command.db, name)
        self._name = f"{name}@{command.db}"
        nonce += base64.b64encode(os.urandom(NONCE_BYTES))
        told = b"r=%s,s=%s,i=%d" % (nonce, self._kept["salt"].encode(),
                                    self._kept["iterationCount"])
        self._first = bare + b"," + told
        return {"conversationId": 1, "done": False, "payload": told}

    def _credentials(self, database, name):
        users = self.catalog.by_name.get(USERS)
        key = rb.key(rb.text(f"{database}.{name}"))
        raw = users.documents.get(key) if users else None
        if raw is None:
            raise ServerError(18, "Authentication failed.")
        return bson.BSON(raw).decode()["credentials"][MECHANISM]

    def go_on(self, command):
        final = payload_of(command)
        if self._first is None:  # the empty message after our last one
            return {"conversationId": 1, "done": True, "payload": b""}
        without_proof, proof = final.rsplit(b",p=", 1)
        message = self._first + b"," + without_proof
        stored, server = (base64.b64decode(self._kept[name]) for name in ("storedKey", "serverKey"))
        key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), digest(stored, message)))
        if not hmac.compare_digest(hashlib.sha256(key).digest(), stored):
            raise ServerError(18, "Authentication failed.")
        self.user, self._first = self._name, None
        verifier = b"v=" + base64.b64encode(digest(server, message))
        return {"conversationId": 1, "done": False, "payload": verifier}


def payload_of(command):
    return bytes(rb.decode(command.shape[b"payload"]))
