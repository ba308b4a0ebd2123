"""Files against restic, which we did not write: the same trees, both ways, to the last attribute.

Times are compared to the nanosecond. What only root may do (owners, devices) is tried when we are.
"""

import json
import os
import random
import re
import socket
import stat
import subprocess

import pytest

IS_ROOT = os.geteuid() == 0
ODD_NAMES = [
    b"plain", b"with space", b"new\nline", b"tab\tname", b'quote"name', b"back\\slash",
    b"a<b>&c", "umlaut-\u00e4".encode(), "emoji-\U0001f600".encode(), b"latin-\xe4\xff",
    "nbsp-\u00a0x".encode(), "soft-\u00adhyphen".encode(), "line-\u2028sep".encode(),
    b"\x01\x1f\x7f", b"-dash", b"trailing ", b"\xed\xa0\x80surrogate", b".hidden",
    b"star*name[x]?", b"~", b"a-", b"a.",
]


def noise(size, seed):
    return random.Random(seed).randbytes(size)


def supports_xattrs(directory):
    try:
        os.setxattr(directory, b"user.holdfast-probe", b"1")
        os.removexattr(directory, b"user.holdfast-probe")
        return True
    except OSError:
        return False


def make_company(root):
    """A directory with one of everything that a file system can hold."""
    root = os.fsencode(root)
    os.makedirs(root)
    for number, name in enumerate(ODD_NAMES):
        with open(os.path.join(root, name), "wb") as file:
            file.write(noise(number * 37, number))
    os.makedirs(os.path.join(root, b"deep/er/and/deeper"))
    os.makedirs(os.path.join(root, b"empty"))
    for size in (0, 1, 524287, 524288, 524289, 3_000_000, 12_000_000):
        with open(os.path.join(root, b"deep", b"size-%d" % size), "wb") as file:
            file.write(noise(size, size))
    with open(os.path.join(root, b"sparse"), "wb") as file:
        file.truncate(30_000_000)
        file.seek(10_000_000)
        file.write(b"island")
    os.link(os.path.join(root, b"plain"), os.path.join(root, b"deep/er/hard"))
    os.symlink(b"plain", os.path.join(root, b"link"))
    os.symlink(b"no/such\xfftarget", os.path.join(root, b"dangling"))
    os.mkfifo(os.path.join(root, b"fifo"), 0o640)
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(root)
    server.bind("socket")
    os.chdir(here)
    server.close()
    special = os.path.join(root, b"special")
    os.makedirs(special)
    for mode in (0o4755, 0o2755, 0o1644, 0o000, 0o777):
        path = os.path.join(special, b"%o" % mode)
        with open(path, "wb") as file:
            file.write(b"x")
        os.chmod(path, mode)
    os.chmod(special, 0o1777)
    if IS_ROOT:
        os.mknod(os.path.join(special, b"null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(os.path.join(special, b"disk"), 0o640 | stat.S_IFBLK, os.makedev(8, 1))
        os.chown(os.path.join(special, b"777"), 12345, 54321)
    if supports_xattrs(root):
        os.setxattr(os.path.join(root, b"plain"), b"user.note", b"\x00binary\xff")
        os.setxattr(os.path.join(root, b"plain"), b"user.empty", b"")
        os.setxattr(os.path.join(root, b"empty"), b"user.on-a-directory", b"yes")
    os.utime(os.path.join(root, b"with space"), ns=(1, -1_500_000_000_123_456_789))
    os.utime(os.path.join(root, b"dangling"), ns=(5, 1_234_567_890_987_654_321),
             follow_symlinks=False)
    os.utime(os.path.join(root, b"deep"), ns=(5, 1_000_000_000_000_000_001))


def describe(root):
    """Everything that a restore has to bring back, by relative path."""
    root = os.fsencode(root)
    found, inodes = {}, {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, root)
            status = os.lstat(path)
            if stat.S_ISSOCK(status.st_mode):
                continue
            facts = {"mode": status.st_mode, "uid": status.st_uid, "gid": status.st_gid,
                     "mtime": status.st_mtime_ns, "rdev": status.st_rdev}
            if stat.S_ISLNK(status.st_mode):
                facts["target"] = os.readlink(path)
            if stat.S_ISREG(status.st_mode):
                facts["links"] = status.st_nlink
                facts["same_as"] = inodes.setdefault(status.st_ino, relative)
                with open(path, "rb") as file:
                    facts["content"] = file.read()
            try:
                facts["xattrs"] = sorted((attribute, os.getxattr(path, attribute,
                                                                 follow_symlinks=False))
                                         for attribute in os.listxattr(path,
                                                                       follow_symlinks=False))
            except OSError:
                pass
            found[relative] = facts
    return found


def assert_same(expected, actual):
    assert expected.keys() == actual.keys()
    for path, facts in expected.items():
        assert facts == actual[path], path


def snapshots(restic):
    return json.loads(restic.run("snapshots", "--json").stdout)


@pytest.fixture
def company(tmp_path):
    root = tmp_path / "company"
    make_company(root)
    return root


def test_the_same_directory_has_the_same_tree_in_both(repository, restic, company):
    """Also from a relative path, from `.`, and from two paths. Of an absolute path the part that
    nobody else writes to is compared: /tmp changes under our hands."""
    def below(tree, path):
        for name in [part for part in str(path).split("/") if part]:
            nodes = json.loads(restic.run("cat", "blob", tree).stdout)["nodes"]
            tree = next(node["subtree"] for node in nodes if node["name"] == name)
        return tree

    # restic 0.14 has no linktarget_raw: the one link whose target is not UTF-8 is stored otherwise.
    if "0.14" in restic.run("version").stdout:
        os.remove(os.path.join(os.fsencode(company), b"dangling"))
    for paths, directory, inside in (
            ([company], "/", company), (["."], company, ""),
            (["company/deep"], company.parent, ""), (["../company/special", "deep"], company, ""),
            ([company, company / "deep"], "/", company)):
        ours = repository.run("backup", *paths, "--json", cwd=directory).json()["tree"]
        restic.run("backup", "--host", "restic", *paths, cwd=directory)
        theirs = [one for one in snapshots(restic) if one["hostname"] == "restic"][-1]["tree"]
        assert below(ours, inside) == below(theirs, inside), paths
    restic.check()
    repository.check()


def test_restic_restores_ours(repository, restic, company, tmp_path):
    before = describe(company)
    repository.run("backup", ".", cwd=company)
    restic.check()
    restic.run("restore", "latest", "--target", tmp_path / "by-restic")
    after = describe(tmp_path / "by-restic")
    if "0.14" in restic.run("version").stdout:  # it cannot know linktarget_raw
        del before[b"dangling"], after[b"dangling"]
    assert_same(before, after)


def test_ours_restores_ours_and_restics(repository, restic, company, tmp_path):
    before = describe(company)
    repository.run("backup", ".", cwd=company)
    repository.run("restore", "latest", "--to", tmp_path / "ours")
    assert_same(before, describe(tmp_path / "ours"))
    restic.run("backup", ".", cwd=company)
    repository.run("restore", snapshots(restic)[-1]["id"], "--to", tmp_path / "restics")
    after = describe(tmp_path / "restics")
    if "0.14" in restic.run("version").stdout:
        del before[b"dangling"], after[b"dangling"]
    assert_same(before, after)


def test_holes_stay_holes(repository, company, tmp_path):
    repository.run("backup", company)
    repository.run("restore", f"latest:{company}", "--to", tmp_path / "back")
    status = os.stat(tmp_path / "back" / "sparse")
    assert status.st_size == 30_000_000
    assert status.st_blocks * 512 < 2_000_000


def test_restic_finds_our_files_unchanged_and_we_find_its(repository, restic, company):
    """Each takes the other's snapshot as its parent: nothing is read again."""
    host = ["--host", "both"]
    repository.run("backup", company, *host)
    said = restic.run("backup", company, *host).stdout
    files = len([one for one in describe(company).values() if "content" in one])
    assert re.search(rf"{files} unmodified", said), said
    restic.run("backup", company, "--force", *host)
    ours = repository.run("backup", company, *host, "--json").json()
    assert ours["parent"] == snapshots(restic)[-2]["id"]
    assert ours["files_unmodified"] == files
    assert ours["data_blobs"] == 0


def test_one_per_cent_changed(repository, restic, tmp_path):
    root = tmp_path / "many"
    for number in range(1000):
        path = root / f"{number % 17}" / f"file-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(number, number))
    large = bytearray(noise(40_000_000, 7))
    (root / "large").write_bytes(large)
    repository.run("backup", root)
    for number in range(0, 1000, 100):
        (root / f"{number % 17}" / f"file-{number}").write_bytes(noise(2000, -number))
    large[20_000_000:20_000_100] = noise(100, 8)
    (root / "large").write_bytes(large)
    second = repository.run("backup", root, "--json").json()
    assert second["files_changed"] == 11
    assert second["files_unmodified"] == 990
    assert second["data_added"] < 20_000_000
    repository.run("restore", f"latest:{root}", "--to", tmp_path / "back")
    assert_same(describe(root), describe(tmp_path / "back"))
    restic.check()
    repository.check()


def test_excludes_globs_required_and_commands(repository, tmp_path):
    root = tmp_path / "app"
    for name in ("config.env", "a.log", "keep.log", "node_modules/x.js", "cache/CACHEDIR.TAG",
                 "cache/big", "conf.d/a.json", "conf.d/b.json", "src/build/x"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    repository.run("backup", root, "--exclude", "*.log", "--exclude", "!keep.log", "--exclude",
                   "node_modules/", "--exclude", "src/build", "--exclude-caches",
                   "--before", f"touch {root}/made-before", "--require", root / "config.env")
    repository.run("restore", f"latest:{root}", "--to", tmp_path / "back")
    files = sorted(os.path.relpath(os.path.join(directory, name), tmp_path / "back")
                   for directory, _, names in os.walk(tmp_path / "back") for name in names)
    assert files == ["cache/CACHEDIR.TAG", "conf.d/a.json", "conf.d/b.json", "config.env",
                     "keep.log", "made-before"]
    missing = repository.run("backup", root, "--require", root / "gone.pem", status=None)
    assert missing.status != 0 and "gone.pem" in missing.stderr
    some = repository.run("backup", f"{root}/conf.d/*.json", f"{root}/*.none", status=3)
    assert "*.none" in some.stderr


@pytest.mark.skipif(IS_ROOT, reason="root can read everything")
def test_unreadable_files_are_named_and_the_rest_is_saved(repository, company):
    (company / "special" / "0").chmod(0)
    finished = repository.run("backup", company, status=3)
    assert "special/0" in finished.stderr


def test_a_restore_leaves_what_differs_and_goes_on_where_it_stopped(repository, company, tmp_path):
    repository.run("backup", ".", cwd=company)
    back = tmp_path / "back"
    repository.run("restore", "latest", "--to", back)
    (back / "with space").write_text("somebody's work")
    os.remove(back / "deep" / "size-12000000")
    finished = repository.run("restore", "latest", "--to", back, "--json", status=None)
    assert finished.status != 0
    assert finished.json()["conflicts"]["count"] == 1
    assert finished.json()["files"] == 1
    assert (back / "with space").read_text() == "somebody's work"
    assert finished.json()["bytes_fetched"] < 13_000_000
    repository.run("restore", "latest", "--to", back, "--overwrite")
    assert_same(describe(company), describe(back))


def test_a_killed_restore_is_completed_by_the_next_one(repository, tmp_path, environment):
    root = tmp_path / "big"
    root.mkdir()
    for number in range(6):
        (root / str(number)).write_bytes(noise(30_000_000, number))
    repository.run("backup", ".", cwd=root)
    back = tmp_path / "back"
    process = subprocess.Popen([str(repository.binary), "restore", "latest", "--to", back],
                               env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            written = sum(path.stat().st_blocks * 512 for path in back.glob(".holdfast-*"))
        except FileNotFoundError:  # finished and renamed meanwhile
            continue
        if written > 20_000_000:
            process.kill()
            break
    process.wait()
    finished = repository.run("restore", "latest", "--to", back, "--json").json()
    assert finished["bytes_kept"] > 0
    assert_same(describe(root), describe(back))


def test_browsing_finds_what_restic_lists(repository, restic, company):
    repository.run("backup", company)
    ours = repository.run("browse", "ls", "latest", "--recursive", "--json").lines()
    ours = [line for line in ours if line["type"] == "entry"]
    theirs = [json.loads(line) for line in restic.run("ls", "latest", "--json").stdout.splitlines()]
    theirs = [line for line in theirs if line["struct_type"] == "node"]
    assert len(ours) == len(theirs)
