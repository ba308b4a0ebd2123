#!/usr/bin/env python3
"""Backup, restore and stream against live servers, measured.

    bench/live_bench.py rates  [--documents N] [--kinds scripted,java,ferretdb,mongod]
    bench/live_bench.py stream [--seconds 600] [--per-second 5000]
    bench/live_bench.py synthetic [--documents 1000000]

rates: what a scan and inserts by a driver alone take, and what holdfast takes, in MB/s.
stream: processor time of `holdfast stream` under load, achieved RPO, memory over time; with
--seconds 3600 it is the soak. synthetic: the next backup after 1 % of the documents changed,
the oplog of the changes included.
--json FILE keeps the figures. Needs root only for FerretDB.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "bench")]

import judge  # noqa: E402
import live  # noqa: E402
import measure  # noqa: E402
import pymongo  # noqa: E402
import servers  # noqa: E402

SAMPLE_SECONDS = 2
BASE_COUNT = 10_000  # documents that are there before the load begins
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Repository:
    """As tests/e2e/conftest.py has it, without pytest."""

    def __init__(self, binary, directory):
        self.binary, self.directory = binary, directory / "repository"
        password = directory / "password"
        password.write_text("benchmark\n")
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(directory),
                            "HOLDFAST_PASSWORD_FILE": str(password),
                            "HOLDFAST_REPOSITORY": str(self.directory)}
        self.measured("init")

    def measured(self, *arguments):
        return measure.run([str(self.binary), *map(str, arguments)], self.environment)

    def told(self, *arguments):
        done = subprocess.run([str(self.binary), *map(str, arguments), "--json"],
                              env=self.environment, capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def stored_bytes(self):
        return sum(file.stat().st_size for file in self.directory.rglob("*") if file.is_file())


def seconds_of(action):
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def say(text):
    print(text, flush=True)


def rates(options, scratch):
    figures = []
    for kind in options.kinds.split(","):
        reason = servers.why_not(kind)
        if reason:
            say(f"{kind}: not measured: {reason}")
            continue
        figures += rates_of(kind, options, scratch / kind)
    return figures


def rates_of(kind, options, scratch):
    scratch.mkdir()
    source, target = servers.start(kind, scratch), servers.start(kind, scratch)
    insert, megabytes = inserted(source, options.documents)
    figures = []

    def note(what, sample):
        row = {"server": kind, "what": what, "megabytes": megabytes,
               "seconds": sample.wall_seconds, "cpu_seconds": sample.cpu_seconds,
               "peak_mib": sample.peak_mib, "mb_per_second": megabytes / sample.wall_seconds}
        figures.append(row)
        say(f"{kind:9} {what:42} {row['mb_per_second']:7.1f} MB/s  "
            f"cpu {row['cpu_seconds']:6.1f} s  peak {row['peak_mib']:5.0f} MiB")

    goods = source.client().shop.goods
    note("a driver inserts (pymongo, one thread)", measure.Sample(insert, 0, 0))
    scan = seconds_of(lambda: sum(len(raw) for raw in judge.raw_documents(goods)))
    note("a driver scans (pymongo, one thread)", measure.Sample(scan, 0, 0))
    for label, level in (("default compression", None), ("fastest compression", -5)):
        repository = Repository(options.holdfast, fresh(scratch))
        more = [] if level is None else ["--compression", level]
        note(f"backup, {label}",
             repository.measured("backup", "--dataset", "shop", "--full", *more, source.uri))
    note("restore, compared afterwards",
         repository.measured("restore", "--dataset", "shop", "--to", target.uri))
    differences = judge.differences(judge.judge_server(target.client()),
                                    judge.judge_server(source.client()))
    say(f"{kind:9} {'equal' if not differences else differences}")
    for server in (source, target):
        server.discard()
    return figures


def inserted(server, count):
    """Seconds and megabytes. In a process of its own: the peak memory of a command that we start
    is never less than what we had ourselves."""
    def insert(answer):
        documents = list(judge.documents_of_every_kind(count, unkept=server.abilities.unkept))
        goods = server.client().shop.goods
        seconds = seconds_of(lambda: judge.insert_raw(goods, documents))
        answer.put((seconds, sum(map(len, documents)) / 1e6))

    answer = multiprocessing.SimpleQueue()
    process = multiprocessing.Process(target=insert, args=(answer,))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit("the documents could not be inserted; see above")
    return answer.get()


def fresh(scratch):
    return pathlib.Path(tempfile.mkdtemp(dir=scratch))


class Usage:
    """Processor time and resident memory of a running process."""

    def __init__(self, pid):
        self.pid = pid
        self.cpu_begun = self.cpu()
        self.begun = time.monotonic()

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self):
        pages = pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * PAGE_BYTES / 2**20

    def cpu_share(self):
        return (self.cpu() - self.cpu_begun) / (time.monotonic() - self.begun)


def write_for(uri, per_second, seconds, done):
    """The load, in a process of its own."""
    client = pymongo.MongoClient(uri)
    load = live.Load(client.shop.goods, per_second=per_second, batch_count=100, first=BASE_COUNT)
    load.start()
    time.sleep(seconds)
    load.stop()
    done.value = load.done


def stream(options, scratch):
    server = servers.start("scripted", scratch, oplog_entries_max=2_000_000,
                           arguments=["--snapshot-seconds", "15"])
    repository = Repository(options.holdfast, scratch)
    judge.insert_raw(server.client().shop.goods, judge.documents_of_every_kind(BASE_COUNT))
    repository.measured("backup", "--dataset", "shop", server.uri)
    process = subprocess.Popen(
        [str(options.holdfast), "stream", "--dataset", "shop", server.uri],
        env=repository.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    done = multiprocessing.Value("q", 0)
    load = multiprocessing.Process(target=write_for, args=(
        server.uri, options.per_second, options.seconds, done))
    load.start()
    time.sleep(5)
    usage, ages, memory = Usage(process.pid), [], []
    while load.is_alive():
        told = repository.told("status", "--dataset", "shop")
        if told and told["achieved_rpo_s"] is not None:
            ages.append(told["achieved_rpo_s"])
        memory.append(usage.resident_mib())
        time.sleep(SAMPLE_SECONDS)
    share = usage.cpu_share()
    if load.exitcode != 0:
        raise SystemExit("the load failed; see above")
    process.terminate()
    status = process.wait()
    server.discard()
    return stream_figures(options, done.value, share, ages, memory, status)


def stream_figures(options, count, share, ages, memory, status):
    ages.sort()
    tenth = max(1, len(memory) // 10)
    row = {"operations_per_second": count / options.seconds, "seconds": options.seconds,
           "cpu_share_of_one_core": share, "exit_status": status,
           "rpo_p50_s": statistics.median(ages), "rpo_p99_s": ages[len(ages) * 99 // 100],
           "rss_first_tenth_mib": statistics.mean(memory[:tenth]),
           "rss_last_tenth_mib": statistics.mean(memory[-tenth:]), "rss_max_mib": max(memory)}
    for name, value in row.items():
        say(f"stream    {name:24} {value:10.2f}")
    return [row]


def synthetic(options, scratch):
    server = servers.start("scripted", scratch, noop_seconds=1)
    goods = server.client().shop.goods
    judge.insert_raw(goods, judge.documents_of_every_kind(options.documents))
    repository = Repository(options.holdfast, scratch)
    first = repository.measured("backup", "--dataset", "shop", server.uri)
    first_bytes = repository.stored_bytes()
    say(f"first backup                {first.wall_seconds:8.2f} s  cpu {first.cpu_seconds:6.2f} s  "
        f"{first_bytes / 1e6:8.2f} MB")
    figures = [{"what": "first", "seconds": first.wall_seconds, "bytes": first_bytes}]
    count = options.documents // 100
    rng = random.Random(5)
    begin = rng.randrange(options.documents * 9 // 10)
    for what, ids in (("neighbours", range(begin, begin + count)),
                      ("spread evenly", rng.sample(range(options.documents), count))):
        goods.bulk_write([pymongo.UpdateOne({"_id": one}, {"$set": {"int": rng.randrange(10**6)}})
                          for one in ids], ordered=False)
        before = repository.stored_bytes()
        second = repository.measured("backup", "--dataset", "shop", server.uri)
        row = {"what": what, "seconds": second.wall_seconds,
               "bytes": repository.stored_bytes() - before}
        row["time_ratio"] = row["seconds"] / first.wall_seconds
        row["bytes_ratio"] = row["bytes"] / first_bytes
        say(f"1 % changed, {what:14} {row['seconds']:8.2f} s  cpu {second.cpu_seconds:6.2f} s  "
            f"{row['bytes'] / 1e6:8.2f} MB: {100 * row['time_ratio']:.1f} % of the time, "
            f"{100 * row['bytes_ratio']:.2f} % of the bytes")
        figures.append(row)
    server.discard()
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=("rates", "stream", "synthetic"))
    parser.add_argument("--holdfast", default=ROOT / "build" / "release" / "holdfast",
                        type=pathlib.Path)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--kinds", default=",".join(servers.KINDS))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--per-second", type=int, default=5000)
    parser.add_argument("--directory", help="for scratch files")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as scratch:
        actions = {"rates": rates, "stream": stream, "synthetic": synthetic}
        figures = actions[options.what](options, pathlib.Path(scratch))
    if options.json:
        options.json.write_text(json.dumps({options.what: figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
