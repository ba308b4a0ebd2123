"""Errors as a server numbers them."""

CODE_NAMES = {
    2: "BadValue", 9: "FailedToParse", 11: "UserNotFound", 13: "Unauthorized", 14: "TypeMismatch",
    18: "AuthenticationFailed", 20: "IllegalOperation", 26: "NamespaceNotFound",
    27: "IndexNotFound", 43: "CursorNotFound", 48: "NamespaceExists", 50: "MaxTimeMSExpired",
    59: "CommandNotFound", 72: "InvalidOptions", 91: "ShutdownInProgress",
    112: "WriteConflict", 136: "CappedPositionLost", 189: "PrimarySteppedDown",
    239: "SnapshotTooOld", 246: "SnapshotUnavailable", 10107: "NotWritablePrimary",
    11000: "DuplicateKey", 11602: "InterruptedDueToReplStateChange",
}


# The member is on its way to another state: the same command may work elsewhere, or later.
RETRYABLE_CODES = {91, 189, 10107, 11602}


class ServerError(Exception):
    """What a command answers instead of ok: 1."""

    def __init__(self, code, message, **more):
        super().__init__(message)
        self.code, self.message, self.more = code, message, more
        self.name = CODE_NAMES.get(code, f"Location{code}")
