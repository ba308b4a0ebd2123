"""tools/run_docs.py on documents that tell the truth, and on ones that do not."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from run_docs import matches, run_document, steps_of  # noqa: E402

TRUE = pathlib.Path("/bin/true")


def complaints(tmp_path, text):
    document = tmp_path / "page.md"
    document.write_text(text)
    return run_document(document, TRUE)[0]


def test_a_page_that_tells_the_truth_has_no_complaints(tmp_path):
    assert complaints(tmp_path, """# Page
```sh
mkdir a && cd a
NAME=world
```
```text
false
```
```console
$ pwd
...work/a
$ printf 'hello %s\\n\\n' \\
> "$NAME"; seq 3
hello ...

...
3
$ holdfast anything; ls "$HOME"
$ cat
$ ls /nowhere
ls: ...
$ echo $?
2
```
""") == []


def test_a_failing_command_ends_the_page_with_its_line(tmp_path):
    found = complaints(tmp_path, "# A\n```sh\nfalse\n```\n```sh\nfalse\n```\n")
    assert len(found) == 1 and "page.md:3: exit status 1" in found[0]
    found = complaints(tmp_path, "```console\n$ (exit 3)\n$ true\n```\n")
    assert len(found) == 1 and "page.md:2: exit status 3" in found[0]


def test_another_output_shows_both(tmp_path):
    found = complaints(tmp_path, "```console\n$ echo got\npromised\n$ true\nsomething\n```\n")
    assert len(found) == 2 and "promised" in found[0] and "got" in found[0]


def test_a_command_that_ends_the_shell_is_a_complaint(tmp_path):
    assert len(complaints(tmp_path, "```sh\nexit 0\n```\n")) == 1


def test_wildcards_match_within_a_line_and_over_lines():
    assert matches(["a ... c", "..."], ["a b c"])
    assert matches(["...", "z"], ["x", "y", "z"])
    assert not matches(["a ... c"], ["a", "c"])
    assert not matches(["a"], ["a", "b"])
    assert not matches(["a.c"], ["abc"])


def test_lines_are_counted_from_the_top_of_the_page():
    steps = steps_of("one\n```console\n$ a\nx\n$ b\n```\n\n```sh\nc\n```\n")
    assert [(step.line, step.command.strip()) for step in steps] == [(3, "a"), (5, "b"), (9, "c")]
