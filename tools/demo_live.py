#!/usr/bin/env python3
"""Running servers and what happens to them, for tools/demo.sh.

    demo_live.py serve DIRECTORY     starts two servers, writes DIRECTORY/servers.sh, and keeps them
                                     until its standard input ends
    demo_live.py fill URI            customers and orders
    demo_live.py trade URI           orders come in, and are changed
    demo_live.py delete URI          somebody deletes the open orders
    demo_live.py same URI URI        exit status 0 when both hold the same documents
    demo_live.py orders URI          how many orders there are, and how many of them are open
"""

import pathlib
import random
import shlex
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import judge  # noqa: E402
import pymongo  # noqa: E402
import servers  # noqa: E402

WORDS = {
    "mongod": "a real mongod ({path})",
    "scripted": "our own scripted replica-set member (no mongod is in PATH, HOLDFAST_MONGOD names "
                "none)",
}
PREFERRED = ("mongod", "scripted")
CUSTOMER_COUNT, ORDER_COUNT, TRADE_COUNT = 500, 4000, 400


def serve(directory):
    kind = next(kind for kind in PREFERRED if servers.why_not(kind) is None)
    source, target = (servers.start(kind, pathlib.Path(directory) / name)
                      for name in ("source", "target"))
    words = WORDS[kind].format(path=servers.mongod())
    (pathlib.Path(directory) / "servers.sh").write_text(
        f"server_words={shlex.quote(words)}\nsource_uri={shlex.quote(source.uri)}\n"
        f"target_uri={shlex.quote(target.uri)}\n")
    sys.stdin.read()
    source.discard()
    target.discard()


def database(uri):
    return pymongo.MongoClient(uri).company


def order(rng, number):
    return {"_id": number, "customer": rng.randrange(CUSTOMER_COUNT),
            "state": "open" if number % 7 == 0 else "paid",
            "lines": [{"article": rng.randrange(900), "count": rng.randrange(1, 5)}
                      for _ in range(rng.randrange(1, 6))]}


def fill(uri):
    rng, company = random.Random(1), database(uri)
    company.customers.create_index("mail", unique=True)
    company.customers.insert_many([{"_id": number, "mail": f"customer{number}@example.com"}
                                   for number in range(CUSTOMER_COUNT)])
    company.orders.create_index([("customer", 1), ("state", 1)])
    company.orders.insert_many([order(rng, number) for number in range(ORDER_COUNT)])


def trade(uri):
    rng, company = random.Random(), database(uri)
    first = next(company.orders.find().sort("_id", -1).limit(1))["_id"] + 1
    company.orders.insert_many([order(rng, first + step) for step in range(TRADE_COUNT)])
    paid = [pymongo.UpdateOne({"_id": rng.randrange(first)}, {"$set": {"parcel": rng.random()}})
            for _ in range(TRADE_COUNT)]
    company.orders.bulk_write(paid)


def delete(uri):
    deleted = database(uri).orders.delete_many({"state": "open"})
    print(deleted.deleted_count)


def orders(uri):
    company = database(uri)
    print(company.orders.count_documents({}), company.orders.count_documents({"state": "open"}))


def same(first, second):
    held = [judge.judge_server(pymongo.MongoClient(uri)) for uri in (first, second)]
    lines = judge.differences(*held)
    print("\n".join(lines))
    sys.exit(1 if lines or not held[0] else 0)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
