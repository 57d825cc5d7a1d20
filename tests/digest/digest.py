"""The digest of a table, written apart from the program: NDJSON on standard input, key fields as
arguments; prints the digest, the number of rows, and the number of buckets that hold any."""
import hashlib
import json
import struct
import sys


def utf8(text):
    well = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    data = well.encode("utf-8")
    return struct.pack(">I", len(data)) + data


def canonical(value):
    if value is None:
        return b"N"
    if value is True or value is False:
        return b"T" if value else b"F"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return b"I" + utf8(str(value))
    if isinstance(value, float):
        return b"D" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"S" + utf8(value)
    if isinstance(value, list):
        return b"A" + struct.pack(">I", len(value)) + b"".join(map(canonical, value))
    fields = sorted((utf8(name)[4:], name) for name in value)
    parts = [utf8(name) + canonical(value[name]) for _, name in fields]
    return b"O" + struct.pack(">I", len(parts)) + b"".join(parts)


def sha(data):
    return hashlib.sha256(data).digest()


buckets = {}
rows = 0
for line in sys.stdin:
    record = json.loads(line)
    key = [record[name] for name in sys.argv[1:]]
    bucket = sha(canonical(key))[:2]
    digest = int.from_bytes(sha(canonical(record)), "big")
    buckets[bucket] = (buckets.get(bucket, 0) + digest) % 2**256
    rows += 1
print(f"{sum(buckets.values()) % 2**256:064x} {rows} {len(buckets)}")
