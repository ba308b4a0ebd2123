"""BSON as bytes: walked, keyed in the server's order, and put together, never decoded as a whole.

A value is the pair (type byte, bytes of the value). Nothing is validated beyond what is read: what
comes in here was written by a driver or by our own recordings.
"""

import decimal
import itertools
import struct

import bson

DOUBLE, STRING, OBJECT, ARRAY, BINARY, OBJECT_ID, BOOL, DATE = 1, 2, 3, 4, 5, 7, 8, 9
NULL, INT32, TIMESTAMP, INT64, DECIMAL, MIN_KEY, MAX_KEY = 10, 16, 17, 18, 19, 0xFF, 0x7F
NUMBERS = {DOUBLE, INT32, INT64, DECIMAL}
EMPTY = b"\x05\x00\x00\x00\x00"

_FIXED = {DOUBLE: 8, 6: 0, OBJECT_ID: 12, BOOL: 1, DATE: 8, NULL: 0, INT32: 4, TIMESTAMP: 8,
          INT64: 8, DECIMAL: 16, MIN_KEY: 0, MAX_KEY: 0}
_INT32, _INT64, _UINT64 = struct.Struct("<i"), struct.Struct("<q"), struct.Struct("<Q")
_INDEX_HEADERS = [b"\x03%d\x00" % index for index in range(1000)]


def value_size(kind, raw, at):
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed
    if kind == 11:
        pattern_end = raw.index(b"\0", at) + 1
        return raw.index(b"\0", pattern_end) + 1 - at
    length = _INT32.unpack_from(raw, at)[0]
    if kind in (OBJECT, ARRAY, 15):
        return length
    return length + {BINARY: 5, 12: 16}.get(kind, 4)


def elements(raw):
    """(name, type, value bytes) of every element of a document."""
    at = 4
    while raw[at]:
        kind = raw[at]
        name_end = raw.index(b"\0", at + 1)
        size = value_size(kind, raw, name_end + 1)
        end = name_end + 1 + size
        yield raw[at + 1:name_end], kind, raw[name_end + 1:end]
        at = end


def fields(raw):
    """The elements as a dict: name to (type, value bytes)."""
    return {name: (kind, value) for name, kind, value in elements(raw)}


def find(raw, name):
    """The value of that name, or None."""
    for found, kind, value in elements(raw):
        if found == name:
            return kind, value
    return None


def path(raw, dotted):
    """The value at a dotted path through documents and array positions, or None."""
    value = (OBJECT, raw)
    for part in dotted.split(b"."):
        value = find(value[1], part) if value and value[0] in (OBJECT, ARRAY) else None
    return value


def document_id(raw):
    """The value of _id, or None. It is the first element nearly always."""
    if raw[5:9] == b"_id\0":
        kind = raw[4]
        return kind, raw[9:9 + value_size(kind, raw, 9)]
    return find(raw, b"_id")


def element(name, value):
    return bytes([value[0]]) + name + b"\0" + value[1]


def document(*parts):
    """A document of ready elements."""
    body = b"".join(parts)
    return _INT32.pack(len(body) + 5) + body + b"\0"


def array(documents):
    """The bytes of an array whose members are documents."""
    headers = _INDEX_HEADERS
    while len(headers) < len(documents):
        headers.extend(b"\x03%d\x00" % index for index in range(len(headers), 2 * len(headers)))
    body = b"".join(itertools.chain.from_iterable(zip(headers, documents)))
    return _INT32.pack(len(body) + 5) + body + b"\0"


def members(raw):
    """The values of an array or document, without their names."""
    return [(kind, value) for _, kind, value in elements(raw)]


def split(raw):
    """Documents that lie back to back."""
    at, found = 0, []
    while at < len(raw):
        length = _INT32.unpack_from(raw, at)[0]
        found.append(raw[at:at + length])
        at += length
    return found


def text(string):
    string = string if isinstance(string, bytes) else string.encode()
    return STRING, _INT32.pack(len(string) + 1) + string + b"\0"


def text_of(value):
    return value[1][4:-1].decode()


def int32(number):
    return INT32, _INT32.pack(number)


def int64(number):
    return INT64, _INT64.pack(number)


def timestamp(number):
    return TIMESTAMP, _UINT64.pack(number)


def date(milliseconds):
    return DATE, _INT64.pack(milliseconds)


def uuid(raw):
    return BINARY, _INT32.pack(16) + b"\x04" + raw


def uuid_of(value):
    """The 16 bytes of a UUID, or None."""
    if value and value[0] == BINARY and len(value[1]) == 21 and value[1][4] == 4:
        return value[1][5:]
    return None


def boolean(is_true):
    return BOOL, b"\1" if is_true else b"\0"


def double(number):
    return DOUBLE, struct.pack("<d", number)


def integer_of(value):
    """A timestamp or an integer of any width, as a Python int; a double is cut."""
    if value[0] == INT32:
        return _INT32.unpack(value[1])[0]
    if value[0] == DOUBLE:
        return int(struct.unpack("<d", value[1])[0])
    return (_UINT64 if value[0] == TIMESTAMP else _INT64).unpack(value[1])[0]


def is_true(value):
    """As the server takes a flag: absent, false, null and zero are not."""
    if value is None or value[0] in (6, NULL):
        return False
    if value[0] == BOOL or value[0] in NUMBERS:
        return any(value[1])
    return True


def encode(value):
    """A Python value through the driver's encoder."""
    return next((kind, raw) for _, kind, raw in elements(bson.BSON.encode({"v": value})))


def decode(value):
    return bson.BSON(document(element(b"v", value))).decode()["v"]


# ---- keys: memcmp order is the server's order, equality is the server's equality ----

_CODES = {MIN_KEY: 0x0A, 6: 0x0F, NULL: 0x14, STRING: 0x3C, 14: 0x3C, OBJECT: 0x46, ARRAY: 0x50,
          BINARY: 0x5A, OBJECT_ID: 0x64, BOOL: 0x6E, DATE: 0x78, TIMESTAMP: 0x82, 11: 0x8C,
          12: 0x96, 13: 0xA0, 15: 0xAA, MAX_KEY: 0xF0}
_NUMBER_CODE = 0x1E
_INVERTED = bytes(255 - byte for byte in range(256))


def key(value):
    kind, raw = value
    if kind == INT32:
        return integer_key(_INT32.unpack(raw)[0])
    if kind == INT64:
        return integer_key(_INT64.unpack(raw)[0])
    if kind == DOUBLE:
        return _decimal_key(decimal.Decimal(struct.unpack("<d", raw)[0]))
    if kind == DECIMAL:
        return _decimal_key(bson.Decimal128.from_bid(raw).to_decimal())
    return bytes([_CODES[kind]]) + _BODIES.get(kind, lambda _: b"")(raw)


def _escaped(content):
    return content.replace(b"\0", b"\0\xff") + b"\0"


def _object_body(raw):
    found = b""
    for name, kind, value in elements(raw):
        rank = _NUMBER_CODE if kind in NUMBERS else _CODES[kind]
        found += bytes([rank]) + name + b"\0" + key((kind, value))
    return found + b"\0"


def _code_with_scope(raw):
    length = _INT32.unpack_from(raw, 4)[0]
    return _escaped(raw[8:7 + length]) + _object_body(raw[8 + length:])


_BODIES = {
    STRING: lambda raw: _escaped(raw[4:-1]),
    14: lambda raw: _escaped(raw[4:-1]),
    13: lambda raw: _escaped(raw[4:-1]),
    OBJECT: _object_body,
    ARRAY: lambda raw: b"".join(map(key, members(raw))) + b"\0",
    BINARY: lambda raw: struct.pack(">I", len(raw) - 5) + raw[4:],
    OBJECT_ID: bytes,
    BOOL: bytes,
    DATE: lambda raw: struct.pack(">Q", _INT64.unpack(raw)[0] + 2**63),
    TIMESTAMP: lambda raw: raw[::-1],
    11: bytes,
    12: lambda raw: struct.pack(">I", len(raw) - 16) + raw[4:],
    15: _code_with_scope,
}


def integer_key(number):
    if number == 0:
        return b"\x21"
    digits = str(abs(number))
    return _finite_key(number < 0, digits, len(digits))


def _decimal_key(number):
    if number.is_nan():
        return b"\x1e"
    if number.is_infinite():
        return b"\x1f" if number < 0 else b"\x23"
    sign, digits, exponent = number.as_tuple()
    shown = "".join(map(str, digits)).lstrip("0")
    if not shown or len(shown) > 34 and exponent > 0:
        return b"\x21"
    return _finite_key(sign == 1, shown, len(shown) + exponent)


def _finite_key(is_negative, digits, exponent):
    """|value| = 0.DIGITS x 10^exponent."""
    digits = digits.rstrip("0")
    digits += "0" * (len(digits) % 2)
    pairs = bytes(int(digits[at:at + 2]) + 1 for at in range(0, len(digits), 2))
    body = struct.pack(">H", exponent + 0x8000) + pairs + b"\0"
    return b"\x20" + body.translate(_INVERTED) if is_negative else b"\x22" + body


def bracket(value_key):
    """The half-open range of keys that a comparison with this value can reach: its own type."""
    code = value_key[0]
    if 0x1E <= code <= 0x23:
        return (b"\x1e", b"\x1f") if code == 0x1E else (b"\x1f", b"\x24")
    if code in (0x0A, 0xF0):
        return b"", b"\xff"
    return bytes([code]), bytes([code + 1])
