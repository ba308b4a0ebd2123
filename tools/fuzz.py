#!/usr/bin/env python3
"""Runs the libFuzzer targets of a build: first the canary, whose planted bug must be found, then
every target for the given time, starting from the corpus kept in tests/fuzz/corpus/TARGET.

What is new stays in BUILD/corpus/TARGET; `--keep` merges what adds coverage into the kept corpus.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys

KEPT = pathlib.Path(__file__).resolve().parent.parent / "tests/fuzz/corpus"
INPUT_BYTES_MAX = 64 * 1024
CANARY_SECONDS_MAX = 120


def run(build, name, seconds):
    """Exit status and the end of the log."""
    grown = build / "corpus" / name
    grown.mkdir(parents=True, exist_ok=True)
    kept = KEPT / name
    command = [str((build / "tests" / name).resolve()), f"-max_total_time={seconds}",
               f"-max_len={INPUT_BYTES_MAX}", "-rss_limit_mb=2048", "-timeout=20",
               f"-artifact_prefix={build.resolve()}/{name}-", "-print_final_stats=1",
               str(grown.resolve())]
    if kept.is_dir():
        command.append(str(kept))
    environment = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1")
    log = subprocess.run(command, capture_output=True, text=True, errors="replace",
                         env=environment, check=False)
    return log.returncode, log.stderr


def merge(build, name):
    target = KEPT / name
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(build / "tests" / name), "-merge=1", f"-max_len={INPUT_BYTES_MAX}",
                    str(target), str(build / "corpus" / name)], check=True, capture_output=True)


def executions(log):
    lines = [line for line in log.splitlines() if line.startswith("stat::number_of_executed_units")]
    return lines[-1].split()[-1] if lines else "?"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("targets", nargs="*")
    arguments = parser.parse_args()
    present = sorted(path.name for path in (arguments.build / "tests").glob("*_fuzz"))
    targets = arguments.targets or [name for name in present if name != "canary_fuzz"]
    unknown = set(targets) - set(present)
    if unknown:
        print(f"no fuzz target {' '.join(sorted(unknown))}; there are {' '.join(present)}")
        return 2

    status, _ = run(arguments.build, "canary_fuzz", CANARY_SECONDS_MAX)
    if status == 0:
        print("canary_fuzz: the planted bug was NOT found; the set-up does not work")
        return 1
    print("canary_fuzz: the planted bug was found", flush=True)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = {name: pool.submit(run, arguments.build, name, arguments.seconds)
                for name in targets}
        for name, future in runs.items():
            status, log = future.result()
            print(f"{name}: {'FAILED' if status else 'no finding'}, {executions(log)} runs in "
                  f"{arguments.seconds} s", flush=True)
            if status:
                failed.append(name)
                print("\n".join(log.splitlines()[-60:]), flush=True)
            elif arguments.keep:
                merge(arguments.build, name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
