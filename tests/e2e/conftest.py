"""What every end-to-end test starts from: the binary, an empty HOME, a repository, restic."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
PASSWORD = "correct horse battery staple"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out by ./dev test --fast")


def find_binary():
    named = os.environ.get("HOLDFAST")
    if named:
        return pathlib.Path(named)
    built = [ROOT / "build" / name / "holdfast" for name in ("release", "dev")]
    built += [path.parent / path.name for path in (ROOT / "build").glob("*/src/holdfast")]
    found = [path for path in built if path.exists()]
    if not found:
        pytest.exit("no holdfast binary: run ./dev build, or set HOLDFAST", returncode=1)
    return max(found, key=lambda path: path.stat().st_mtime)


def restic_programs():
    """Debian's restic, and a newer one where RESTIC_NEWER names it or the lead's tools hold it."""
    programs = [shutil.which("restic"), os.environ.get("RESTIC_NEWER")]
    return [program for program in programs if program and os.path.exists(program)]


class Finished:
    def __init__(self, process):
        self.status = process.returncode
        self.stdout = process.stdout
        self.stderr = process.stderr

    def json(self):
        return json.loads(self.stdout)

    def lines(self):
        return [json.loads(line) for line in self.stdout.split("\n") if line]


class Holdfast:
    """Runs the binary on one repository."""

    def __init__(self, binary, directory, environment):
        self.binary = binary
        self.directory = directory
        self.environment = environment

    def run(self, *arguments, status=0, **options):
        process = subprocess.run(
            [str(self.binary), *map(str, arguments)],
            capture_output=True, text=True, env=self.environment, timeout=300, check=False,
            stdin=subprocess.DEVNULL, **options)
        finished = Finished(process)
        if status is not None:
            assert finished.status == status, (
                f"holdfast {' '.join(map(str, arguments))}: status {finished.status}, "
                f"expected {status}\n{finished.stdout}\n{finished.stderr}")
        return finished

    def stored_bytes(self):
        """Of all packs."""
        return sum(path.stat().st_size for path in (self.directory / "data").rglob("*")
                   if path.is_file())

    def check(self):
        """The oracle at the end of every test that writes."""
        self.run("verify", "--level", "decrypt")


class Restic:
    def __init__(self, program, repository, environment):
        self.program = program
        self.environment = dict(environment, RESTIC_REPOSITORY=str(repository),
                                RESTIC_PASSWORD_FILE=environment["HOLDFAST_PASSWORD_FILE"])

    def run(self, *arguments, status=0, **options):
        process = subprocess.run(
            [self.program, "--no-cache", *map(str, arguments)], capture_output=True, text=True,
            env=self.environment, timeout=300, check=False, stdin=subprocess.DEVNULL, **options)
        if status is not None:
            assert process.returncode == status, (
                f"restic {arguments}: {process.stdout}{process.stderr}")
        return process

    def check(self):
        self.run("check", "--read-data")


@pytest.fixture
def environment(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "TZ": "UTC", "LC_ALL": "C.UTF-8",
        "HOLDFAST_PASSWORD_FILE": str(password),
        "HOLDFAST_REPOSITORY": str(tmp_path / "repository"),
    }


@pytest.fixture
def holdfast(tmp_path, environment):
    """The binary with HOLDFAST_REPOSITORY pointing at a place where nothing is yet."""
    return Holdfast(find_binary(), tmp_path / "repository", environment)


@pytest.fixture
def repository(holdfast):
    """A freshly made repository."""
    holdfast.run("init")
    return holdfast


@pytest.fixture(params=restic_programs() or [None],
                ids=lambda program: pathlib.Path(program).parent.name if program else "none")
def restic(request, holdfast, environment):
    if request.param is None:
        pytest.skip("restic is not installed")
    return Restic(request.param, holdfast.directory, environment)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """corpus("delta-1") is the directory of that recorded history, unpacked once."""
    unpacked = {}

    def unpack(name):
        if name not in unpacked:
            directory = tmp_path_factory.mktemp("corpus")
            subprocess.run(["tar", "--zstd", "-xf", DATA / "corpus" / f"{name}.tar.zst",
                            "-C", directory], check=True)
            unpacked[name] = directory / name
        return unpacked[name]

    return unpack


@pytest.fixture
def start_server(tmp_path):
    """start_server("scripted", corpus=…) is a running server; it ends with the test."""
    started = []

    def begin(kind, **options):
        reason = servers.why_not(kind)
        if reason:
            pytest.skip(f"{kind}: {reason}")
        started.append(servers.start(kind, tmp_path / "servers", **options))
        return started[-1]

    yield begin
    for server in started:
        server.discard()


@pytest.fixture(scope="module", params=servers.KINDS)
def each_server(request, tmp_path_factory):
    """One server of every kind, for all tests of a file; what they write has names of its own."""
    reason = servers.why_not(request.param)
    if reason:
        pytest.skip(f"{request.param}: {reason}")
    server = servers.start(request.param, tmp_path_factory.mktemp(request.param))
    yield server
    server.discard()
