"""One child process, measured by the kernel: wall time, processor time, peak resident memory."""
import dataclasses
import os
import resource
import statistics
import subprocess
import time


@dataclasses.dataclass
class Sample:
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


class CommandFailed(Exception):
    pass


def run(command, environment):
    """Runs `command` to its end. Its output is shown only if it fails."""
    started = time.monotonic()
    child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}: exit status {child.returncode}\n"
                            + output.decode(errors="replace")[-2000:])
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(samples):
    """Field by field, so that one slow run does not decide any of them."""
    fields = [field.name for field in dataclasses.fields(Sample)]
    return Sample(*(statistics.median(getattr(sample, name) for sample in samples)
                    for name in fields))


def raise_file_limit():
    """restic and holdfast open many files at once; the soft limit is often 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
