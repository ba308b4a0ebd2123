#!/usr/bin/env python3
"""Runs what README.md and docs/guide/ show, and compares what they say comes out.

A block marked `sh` is run as it stands. In a block marked `console` the lines after `$ ` are run
(`> ` continues one), and the lines below each are compared with the output: `...` stands for any
text of a line, a line that is only `...` for any number of lines. A command has to succeed unless
the next one is `echo $?`. All blocks of a document share one shell, which starts in an empty
directory with an empty HOME; `tests` there is the project's. Other blocks are not run.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.M | re.S)
SHOWS_STATUS = "echo $?"
SECONDS_MAX = 300


class Step:
    """One command with the line it stands on; `output` is None when nothing is promised."""

    def __init__(self, line, command, output=None):
        self.line, self.command, self.output = line, command, output


def console_steps(first_line, text):
    steps = []
    for offset, line in enumerate(text.splitlines()):
        if line.startswith("$ "):
            steps.append(Step(first_line + offset, line[2:], []))
        elif line.startswith("> ") and steps and not steps[-1].output:
            steps[-1].command += "\n" + line[2:]
        elif steps:
            steps[-1].output.append(line)
    return steps


def steps_of(document):
    """All commands of a document, in order."""
    steps = []
    for block in FENCE.finditer(document):
        kind, text = block.groups()
        first_line = document[: block.start(2)].count("\n") + 1
        if kind == "sh":
            steps.append(Step(first_line, text))
        elif kind == "console":
            steps += console_steps(first_line, text)
    return steps


def matches(promised, got):
    """Whether the output is as promised; both are lists of lines."""
    pattern = ""
    for line in promised:
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*".join(re.escape(part) for part in line.rstrip().split("..."))
            pattern += r"[ \t]*\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in got)) is not None


class Shell:
    """One bash that keeps its directory and variables from command to command."""

    MARK = "-- end of step, status "

    def __init__(self, directory, environment):
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=directory, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.status = 0

    def run(self, command):
        """Lines of output (both streams), and the exit status."""
        self.process.stdin.write(
            f"{{ (exit {self.status})\n{command}\n}} </dev/null 2>&1\n"
            f"printf '\\n{self.MARK}%s\\n' \"$?\"\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith(self.MARK):
                self.status = int(line[len(self.MARK):])
                break
            lines.append(line.rstrip("\n"))
        else:
            self.status = -1
        if lines and not lines[-1]:
            lines.pop()  # the line break that ends the last line of output
        return lines, self.status

    def close(self):
        self.process.stdin.close()
        self.process.wait(SECONDS_MAX)


def run_document(path, binary):
    """Complaints about one document."""
    complaints = []
    with tempfile.TemporaryDirectory(prefix="holdfast-docs-") as place:
        work, home, programs = (pathlib.Path(place, name) for name in ("work", "home", "bin"))
        for directory in (work, home, programs):
            directory.mkdir()
        (programs / "holdfast").symlink_to(binary.resolve())
        (work / "tests").symlink_to(ROOT / "tests")
        shell = Shell(work, {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home),
                             "LC_ALL": "C.UTF-8", "TZ": "UTC", "USER": "you",
                             # Killed processes leave libmongoc's shared memory behind; a later one
                             # with the same number would warn of it.
                             "MONGOC_DISABLE_SHM": "1"})
        steps = steps_of(path.read_text())
        for step, following in zip(steps, steps[1:] + [None]):
            got, status = shell.run(step.command)
            shown = "\n".join("    " + line for line in got)
            where = f"{path}:{step.line}"
            asks_status = following is not None and following.command.strip() == SHOWS_STATUS
            if status != 0 and not asks_status:
                complaints.append(f"{where}: exit status {status}: {step.command}\n{shown}")
                break
            if step.output is not None and not matches(step.output, got):
                promised = "\n".join("    " + line for line in step.output)
                complaints.append(f"{where}: prints something else: {step.command}\n"
                                  f"  promised\n{promised}\n  got\n{shown}")
        shell.close()
    return complaints, len(steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("documents", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    documents = arguments.documents or [ROOT / "README.md",
                                        *sorted((ROOT / "docs/guide").glob("*.md"))]
    failed = False
    for document in documents:
        complaints, count = run_document(document, arguments.binary)
        print(f"{document.name}: {count} commands, {len(complaints)} not as shown", flush=True)
        for complaint in complaints:
            failed = True
            print(complaint)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
