#!/usr/bin/env python3
"""holdfast and restic on the same data, on the same machine, in the same run.

For each data set: first backup, second backup of the unchanged data, backup after 1 % changed,
restore (compared with the source afterwards), verification of every byte. Both programs run with
their defaults, each with a cache of its own that is empty at first. Prints a table; --json also
writes the figures. Everything is made in, and removed from, one temporary folder.
"""
import argparse
import dataclasses
import filecmp
import json
import os
import pathlib
import platform
import shutil
import sys
import tempfile

import datasets
import measure
import tools_measured

FREE_BYTES_SPARE = 1 << 30


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--holdfast", default="build/release/holdfast")
    parser.add_argument("--restic", action="append", default=[],
                        help="a restic to compare with; may be given again. Else $RESTIC and the "
                             "installed one")
    parser.add_argument("--directory", help="where to work; else memory if there is room")
    parser.add_argument("--runs", type=int, default=1, help="medians of so many runs")
    parser.add_argument("--quick", action="store_true", help="1/20 of the sizes")
    parser.add_argument("--set", action="append", choices=[s.name for s in datasets.ALL],
                        help="only this data set; may be given again")
    parser.add_argument("--json", help="also write the figures to this file")
    return parser.parse_args()


def programs(options):
    """Paths of the restics to run, each version once."""
    wanted = options.restic or [os.environ.get("RESTIC"), shutil.which("restic")]
    return [path for path in dict.fromkeys(wanted) if path]


def free_bytes(folder):
    return shutil.disk_usage(folder).free


def available_memory_bytes():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def place_to_work(options, needed_bytes):
    """The folder asked for; else memory, so that the disk does not decide, if there is room."""
    memory = "/dev/shm"
    if options.directory:
        place = options.directory
    elif (os.path.isdir(memory) and free_bytes(memory) > needed_bytes
          and available_memory_bytes() > needed_bytes + FREE_BYTES_SPARE):
        place = memory
    else:
        place = tempfile.gettempdir()
    if free_bytes(place) < needed_bytes:
        sys.exit(f"bench: {place} has {free_bytes(place) >> 20} MiB free; "
                 f"{needed_bytes >> 20} MiB are needed. See --directory and --quick")
    return place


def differences(left, right):
    """Files that are not byte for byte the same below two folders."""
    compared = filecmp.dircmp(left, right, ignore=[])
    found = compared.left_only + compared.right_only + compared.funny_files
    _, mismatch, errors = filecmp.cmpfiles(left, right, compared.common_files, shallow=False)
    found += mismatch + errors
    for folder in compared.common_dirs:
        found += differences(os.path.join(left, folder), os.path.join(right, folder))
    return found


def restored_folder(target, source):
    """Programs restore either the whole path of what was backed up, or its last name."""
    whole = target / source.relative_to("/")
    return whole if whole.is_dir() else target / source.name


def run_job(tool, job, source):
    target = tool.work / "restored"
    sample = measure.run(tool.job(job, source, target), tool.environment)
    if job == "restore":
        wrong = differences(source, restored_folder(target, source))
        if wrong:
            raise measure.CommandFailed(
                f"{tool.name} restored {len(wrong)} differences: {wrong[:5]}")
        shutil.rmtree(target)
    return sample


def measure_set(data, tools, runs):
    """{tool: {job: samples}} and {tool: bytes in the repository after the first backup}."""
    samples = {tool.name: {job: [] for job in tools_measured.JOBS} for tool in tools}
    stored = {}
    for number in range(runs):
        for tool in tools:
            shutil.rmtree(tool.repository, ignore_errors=True)
            shutil.rmtree(tool.work / "cache", ignore_errors=True)
            measure.run(tool.init(), tool.environment)
            for job in tools_measured.JOBS[:2]:
                samples[tool.name][job].append(run_job(tool, job, data.folder))
            stored[tool.name] = datasets.stored_bytes(tool.repository)
        data.change_one_percent()
        for tool in tools:
            for job in tools_measured.JOBS[2:]:
                samples[tool.name][job].append(run_job(tool, job, data.folder))
        print(f"{data.name}: run {number + 1} of {runs} done", file=sys.stderr)
    for tool in tools:
        shutil.rmtree(tool.repository)
    medians = {name: {job: measure.median(taken) for job, taken in jobs.items()}
               for name, jobs in samples.items()}
    return medians, stored


def ratio(other, ours):
    return f"{other / ours:6.1f}x" if ours > 0 else "      -"


def print_set(data, tools, medians, stored):
    print(f"\n{data.name}: {data.description()}")
    print(f"  {'job':<22} {'program':<15} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9}"
          f"   {'speed':>7} {'CPU':>7} {'memory':>7}   (restic / holdfast)")
    ours = medians["holdfast"]
    for job in tools_measured.JOBS:
        for tool in tools:
            got, own = medians[tool.name][job], ours[job]
            line = (f"  {job:<22} {tool.name:<15} {got.wall_seconds:8.2f} {got.cpu_seconds:8.2f} "
                    f"{got.peak_mib:9.0f}")
            if tool.name != "holdfast":
                line += (f"   {ratio(got.wall_seconds, own.wall_seconds)} "
                         f"{ratio(got.cpu_seconds, own.cpu_seconds)} "
                         f"{ratio(got.peak_mib, own.peak_mib)}")
            print(line)
    print("  in the repository: " + ", ".join(
        f"{name} {size / 1e6:.1f} MB" for name, size in stored.items()))


def machine():
    model = platform.processor()
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"processor": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "load": os.getloadavg()[0]}


def as_json(data, medians, stored):
    return {"description": data.description(), "stored_bytes": stored,
            "jobs": {name: {job: dataclasses.asdict(sample) for job, sample in jobs.items()}
                     for name, jobs in medians.items()}}


def main():
    options = arguments()
    measure.raise_file_limit()
    chosen = [s for s in datasets.ALL if not options.set or s.name in options.set]
    restics = programs(options)
    if not restics:
        print("bench: no restic found; measuring holdfast alone", file=sys.stderr)
    sizes = [s("unused", options.quick).bytes_max() for s in chosen]
    place = place_to_work(options, max(sizes) * (3 + len(restics)) + FREE_BYTES_SPARE // 4)

    facts = machine()
    report = {"machine": facts, "quick": options.quick, "runs": options.runs, "sets": {}}
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir=place) as folder:
        work = pathlib.Path(folder)
        tools = [tools_measured.Restic(path, work) for path in restics]
        tools.append(tools_measured.Holdfast(os.path.abspath(options.holdfast), work))
        print(f"{facts['processor']}, {facts['cores']} cores, load {facts['load']:.1f}; "
              f"in {place}; medians of {options.runs}")
        for tool in tools:
            print(f"{tool.name}: defaults, own cache, "
                  f"{'checks' if tool.verifies_before_storing() else 'does not check'} "
                  "every blob again before storing it")
        for make in chosen:
            data = make(work / "source", options.quick)
            data.generate()
            medians, stored = measure_set(data, tools, options.runs)
            print_set(data, tools, medians, stored)
            report["sets"][data.name] = as_json(data, medians, stored)
            shutil.rmtree(data.folder)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except measure.CommandFailed as failed:
        sys.exit(f"bench: {failed}")
