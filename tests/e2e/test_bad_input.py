"""Bad input gets one clear error, the documented exit status, and leaves nothing half-written."""

import os
import stat

import pytest


def one_error(finished, *expected):
    """One error on standard error: what is wrong and what to do next; no data printed."""
    lines = [line for line in finished.stderr.splitlines() if line.startswith("holdfast: ")]
    assert len(lines) == 1, finished.stderr
    assert "next:" in finished.stderr, finished.stderr
    for text in expected:
        assert text in finished.stderr, finished.stderr
    assert finished.stdout == ""


def test_a_command_without_a_repository_says_how_to_name_one(holdfast):
    del holdfast.environment["HOLDFAST_REPOSITORY"]
    one_error(holdfast.run("points", status=2), "-r DIR", "HOLDFAST_REPOSITORY")


def test_a_place_without_a_repository_is_exit_10(holdfast, tmp_path):
    one_error(holdfast.run("points", status=10), str(holdfast.directory))
    (tmp_path / "empty").mkdir()
    one_error(holdfast.run("points", "-r", tmp_path / "empty", status=10))


def test_the_wrong_password_is_exit_12_and_is_not_printed(repository, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("s3cr3t-guess")
    finished = repository.run("points", "--password-file", wrong, status=12)
    one_error(finished)
    assert "s3cr3t-guess" not in finished.stderr


@pytest.mark.parametrize("arguments", [
    ["frobnicate"], [], ["points", "--no-such-option"], ["export", "--dataset", "x"],
    ["restore", "latest"], ["verify", "--level", "wishful"], ["prune", "--keep-last", "many"],
    ["verify", "--level", "decrypt", "--share", "0/3"],
    ["points", "--progress", "loud"], ["key", "remove"],
])
def test_a_malformed_command_line_is_exit_2(repository, arguments):
    one_error(repository.run(*arguments, status=2))


@pytest.mark.parametrize("words", [["backup"], ["stream"], ["plan", "check"], ["browse", "find"]])
def test_help_of_a_command_is_what_the_command_says_of_itself(holdfast, words):
    told = holdfast.run("help", *words).stdout
    assert f"Usage: holdfast {' '.join(words)}" in told
    assert told == holdfast.run(*words, "--help").stdout


def test_help_alone_lists_the_commands_and_refuses_unknown_ones(holdfast):
    assert holdfast.run("help").stdout == holdfast.run("--help").stdout
    assert "backup" in holdfast.run("help").stdout
    one_error(holdfast.run("help", "frobnicate", status=2), "frobnicate")
    one_error(holdfast.run("help", "plan", "frobnicate", status=2), "holdfast plan")


def test_the_version_is_told_by_an_option_too(holdfast):
    assert holdfast.run("--version").stdout == holdfast.run("version").stdout


NOBODY = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"


@pytest.mark.parametrize("verb,option", [("backup", ["--tag", "x"]), ("stream", ["--tag", "x"])])
def test_a_repeatable_option_leaves_the_server_that_follows_alone(repository, verb, option):
    one_error(repository.run(verb, "--dataset", "shop", *option, *option, NOBODY, status=15),
              "127.0.0.1:1")


@pytest.mark.parametrize("option", [
    ["--tag", "x"], ["--require", "{0}/a"], ["--exclude", "*.log"], ["--exclude-file", "{0}/a"],
    ["--exclude-if-present", "CACHEDIR.TAG"]])
def test_a_repeatable_option_leaves_the_path_that_follows_alone(repository, tmp_path, option):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    option = [word.format(tmp_path) for word in option]
    repository.run("backup", *option, *option, tmp_path / "a", tmp_path / "b")
    assert repository.run("points", "--json").json()["points"][0]["paths"] == [
        str(tmp_path / "a"), str(tmp_path / "b")]


def test_repeatable_options_of_other_verbs_take_one_value_each(repository, tmp_path, corpus):
    (tmp_path / "a").write_text("a")
    repository.run("backup", tmp_path / "a")
    assert "/a" in repository.run("browse", "find", "--snapshot", "latest", "a").stdout
    repository.run("restore", "-i", "a", "-e", "b", "latest", "--to", tmp_path / "back")
    one_error(repository.run("points", "--tag", "x", "y", status=2))
    repository.run("import", "--dataset", "shop", "--tag", "x", corpus("delta-1") / "base")


@pytest.mark.parametrize("option", [
    ["--before", "true"], ["--after", "true"], ["--require", "/x"], ["--exclude", "*.log"],
    ["--exclude-file", "x"], ["--exclude-if-present", "x"], ["--exclude-caches"],
    ["--exclude-larger-than", "1M"], ["--cross-file-systems"], ["--time", "2026-01-01T00:00:00Z"],
    ["--host", "x"], ["--parent", "latest"], ["--note", "x"], ["--local-times"],
    ["--ignore-ctime"], ["--ignore-inode"], ["--threads", "2"]])
def test_an_option_for_files_is_refused_for_a_database(repository, option):
    one_error(repository.run("backup", "--dataset", "shop", *option, NOBODY, status=2), option[0])


@pytest.mark.parametrize("option", [
    ["--dataset", "shop"], ["--max-rate", "1M"], ["--max-load", "5"], ["--max-lag", "5s"],
    ["--connections", "2"], ["--change-streams"], ["--full-every", "5"], ["--new-base"],
    ["--uri-file", "x"], ["--uri-command", "x"]])
def test_an_option_for_a_database_is_refused_for_files(repository, tmp_path, option):
    (tmp_path / "a").write_text("a")
    finished = repository.run("backup", *option, tmp_path / "a", status=2)
    one_error(finished, "database")
    assert repository.run("points", "--json").json()["points"] == []


@pytest.mark.parametrize("verb,option,allowed", [
    ("stream", ["--segment-size", "16M"], "8M"), ("stream", ["--segment-size", "0"], "8M"),
    ("stream", ["--segment-age", "0s"], "1h"), ("stream", ["--for", "0"], "1"),
    ("stream", ["--max-rate", "0"], "1K"), ("backup", ["--full-every", "0"], "3650"),
    ("backup", ["--max-lag", "0s"], "1s"), ("backup", ["--max-load", "0"], "1000000"),
    ("backup", ["--max-rate", "0"], "1K"), ("backup", ["--connections", "0"], "16")])
def test_a_value_that_makes_no_sense_is_refused_with_what_is_allowed(repository, verb, option,
                                                                     allowed):
    one_error(repository.run(verb, "--dataset", "shop", *option, NOBODY, status=2), option[0],
              allowed)


@pytest.mark.parametrize("source,word", [
    (["--uri-file", "{0}/none"], "file"), (["--uri-file", "{0}/empty"], "file"),
    (["--uri-file", "{0}/wrong"], "file"), (["--uri-command", "{0}/none"], "command"),
    (["--uri-command", "false"], "command"), (["--uri-command", "true"], "command"),
    (["--uri-command", "echo nothing"], "command")])
def test_the_next_step_is_about_where_the_connection_string_was_to_come_from(repository, tmp_path,
                                                                             source, word):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "wrong").write_text("s3cr3t\n")
    source = [part.format(tmp_path) for part in source]
    for verb in ("backup", "stream", "status"):
        finished = repository.run(verb, "--dataset", "shop", *source, status=None)
        assert finished.status in (1, 2)
        one_error(finished)
        step = finished.stderr.splitlines()[-1]
        assert "next:" in step and word in step and "connection string" in step
        assert "s3cr3t" not in finished.stderr


def test_an_empty_or_missing_password_file_is_named(repository, tmp_path):
    empty = tmp_path / "empty-password"
    empty.write_text("\n")
    one_error(repository.run("points", "--password-file", empty, status=2), str(empty))
    one_error(repository.run("points", "--password-file", tmp_path / "none", status=1), "none")


def test_making_a_repository_twice_is_refused(repository):
    before = sorted(os.listdir(repository.directory / "keys"))
    one_error(repository.run("init", status=1))
    assert sorted(os.listdir(repository.directory / "keys")) == before


def test_an_unknown_or_ambiguous_snapshot_is_named(repository, tmp_path):
    (tmp_path / "file").write_text("x")
    for _ in range(20):
        repository.run("backup", tmp_path / "file")
    one_error(repository.run("restore", "ffffffffffff", "--to", tmp_path / "out", status=1),
              "ffffffffffff")
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_not_there_fails_the_backup_and_names_it(repository, tmp_path):
    finished = repository.run("backup", tmp_path / "absent", status=None)
    assert finished.status in (1, 3)
    assert "absent" in finished.stderr
    assert repository.run("points", "--json").json()["points"] == []


def test_a_truncated_dump_is_refused_with_file_and_offset(repository, tmp_path):
    dump = tmp_path / "dump" / "shop"
    dump.mkdir(parents=True)
    (dump / "orders.bson").write_bytes(b"\x16\x00\x00\x00\x02a\x00")
    one_error(repository.run("import", "--dataset", "shop", tmp_path / "dump", status=1),
              "orders.bson")
    assert repository.run("points", "--json").json()["points"] == []


def test_an_import_of_something_that_is_no_dump_is_refused(repository, tmp_path):
    (tmp_path / "notes.txt").write_text("not a dump")
    one_error(repository.run("import", "--dataset", "shop", tmp_path / "notes.txt", status=1),
              "notes.txt")
    (tmp_path / "hollow").mkdir()
    one_error(repository.run("import", "--dataset", "shop", tmp_path / "hollow", status=1))


def test_an_export_never_touches_a_place_that_is_in_use(corpus, repository, tmp_path):
    history = corpus("delta-1")
    repository.run("import", "--dataset", "shop", "--oplog", history / "oplog.bson",
                   history / "base")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").write_text("mine")
    one_error(repository.run("export", "--dataset", "shop", "--at", "last", "--to",
                             tmp_path / "used", status=1), "used")
    assert os.listdir(tmp_path / "used") == ["mine"]
    for moment in ("yesterday", "1,2,3", "2026-13-01T00:00:00Z"):
        one_error(repository.run("export", "--dataset", "shop", "--at", moment, "--to",
                                 tmp_path / "new", status=2), moment)
    one_error(repository.run("export", "--dataset", "nope", "--at", "last", "--to",
                             tmp_path / "new", status=1), "nope")
    assert not (tmp_path / "new").exists()


def test_a_repository_that_can_not_be_written_is_named(repository, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    (tmp_path / "file").write_text("x")
    os.chmod(repository.directory, stat.S_IRUSR | stat.S_IXUSR)
    one_error(repository.run("backup", tmp_path / "file", status=13))
