#!/usr/bin/env python3
"""clang-tidy over every product source, a few at a time; a source that is unchanged since it was
clean (with everything it includes from src/, and with .clang-tidy) is not read again.
"""
import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import subprocess
import sys

import cpp_text

ROOT = pathlib.Path(__file__).resolve().parent.parent


def with_includes(source, seen):
    """The source and all headers of src/ below it."""
    if source not in seen and source.is_file():
        seen.add(source)
        for _, name in cpp_text.quoted_includes(source.read_text()):
            with_includes(ROOT / "src" / name, seen)
    return seen


def fingerprint(source, options):
    digest = hashlib.sha256(options)
    for file in sorted(with_includes(source, set())):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def lint(source, build, options):
    stamp = build / "lint" / fingerprint(source, options)
    if stamp.exists():
        return ""
    run = subprocess.run(["clang-tidy-19", "--quiet", "-p", str(build),
                          "--extra-arg=-Wno-unknown-warning-option",
                          # libstdc++ 12 calls what it declares deprecated itself.
                          "--extra-arg=-Wno-deprecated-declarations",
                          # libbson asks for 128-byte alignment of what it allocates with malloc.
                          "--extra-arg=-Wno-align-mismatch", str(source)],
                         capture_output=True, text=True, check=False)
    if run.returncode == 0:
        stamp.touch()
        return ""
    return run.stdout + (run.stderr if not run.stdout else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("sources", nargs="*", help="parts of paths; default: all")
    arguments = parser.parse_args()
    commands = json.loads((arguments.build / "compile_commands.json").read_text())
    sources = sorted({pathlib.Path(command["file"]) for command in commands})
    sources = [source for source in sources
               if source.is_relative_to(ROOT / "src") and not source.stem.endswith("_test")]
    if arguments.sources:
        sources = [source for source in sources
                   if any(part in str(source) for part in arguments.sources)]
    (arguments.build / "lint").mkdir(exist_ok=True)
    options = (ROOT / ".clang-tidy").read_bytes()
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for report in pool.map(lambda source: lint(source, arguments.build, options), sources):
            if report:
                failures += 1
                print(report.strip(), flush=True)
    print(f"lint: {len(sources) - failures} of {len(sources)} sources clean")
    return 1 if failures or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
