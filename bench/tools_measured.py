"""The programs that are compared: the same five jobs in each one's words."""
import os
import re
import subprocess

JOBS = ["first backup", "second backup", "backup of 1 % changed", "restore", "verify"]


class Tool:
    """A program, its repository and the environment it runs in."""

    def __init__(self, program, work):
        self.program = program
        self.name = self._name()
        self.work = work / re.sub(r"[^a-z0-9.]+", "-", self.name)
        self.repository = self.work / "repository"
        self.work.mkdir(parents=True, exist_ok=True)
        password = self.work / "password"
        password.write_text("benchmark\n")
        self.environment = {
            "HOME": str(self.work), "XDG_CACHE_HOME": str(self.work / "cache"),
            "PATH": os.environ.get("PATH", ""), "TMPDIR": str(self.work), "TZ": "UTC",
            "RESTIC_PASSWORD_FILE": str(password), "HOLDFAST_PASSWORD_FILE": str(password),
        }

    def _first_line(self, *arguments):
        return subprocess.run([self.program, *arguments], capture_output=True, text=True,
                              check=True).stdout.split("\n")[0]


class Restic(Tool):
    def _name(self):
        return "restic " + self._first_line("version").split()[1]

    def init(self):
        return [self.program, "-r", str(self.repository), "--quiet", "init"]

    def job(self, job, source, target):
        words = {"restore": ["restore", "latest", "--target", str(target)],
                 "verify": ["check", "--read-data"]}.get(job, ["backup", str(source)])
        return [self.program, "-r", str(self.repository), "--quiet", *words]

    def verifies_before_storing(self):
        """Since 0.16.4 every blob is decoded and hashed again before it is stored."""
        version = tuple(int(part) for part in re.findall(r"\d+", self.name)[:3])
        return version >= (0, 16, 4)


class Holdfast(Tool):
    def _name(self):
        return "holdfast"

    def init(self):
        return [self.program, "init", "-r", str(self.repository)]

    def job(self, job, source, target):
        words = {"restore": ["restore", "latest", "--to", str(target)],
                 "verify": ["verify", "--level", "decrypt"]}.get(job, ["backup", str(source)])
        return [self.program, words[0], "-r", str(self.repository), *words[1:]]

    def verifies_before_storing(self):
        return True
