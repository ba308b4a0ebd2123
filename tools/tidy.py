#!/usr/bin/env python3
"""What formatters and compilers do not see: layers, fences, TRY, banned calls, caps, dead files.

The table of arrows is read from ARCHITECTURE.md, the words not to say from GLOSSARY.md. Every
message is `file:line: what is wrong; what to write instead`. Exit status 1 when there is any.
"""
import argparse
import pathlib
import re
import subprocess
import sys

import cpp_text

# --- rules

# include (regular expression), where it may stand (path prefixes below src/), what to use elsewhere
FENCES = [
    (r"bson/bson\.h|bson\.h|bson-.*", ["bson/", "mongo/"], "bson/view.hpp and bson/builder.hpp"),
    (r"mongoc.*", ["mongo/"], "the interfaces of mongo/"),
    (r"openssl/.*", ["repo/", "base/secret.hpp", "bson/digest"], "repo/ or bson/digest.hpp"),
    (r"zstd.*\.h", ["repo/compress"], "repo/compress.hpp"),
    (r"zlib\.h", ["dataset/"], "the streams of dataset/"),
    (r"sqlite3\.h|SQLiteCpp/.*", ["catalog/"], "catalog/"),
    (r"CLI/.*", ["cli/"], "an option struct filled by cli/"),
    (r"yaml-cpp/.*", ["plan/yaml"], "plan/"),
    (r"curl/.*", ["store/s3", "notify/"], "store/s3"),
    (r"xxhash\.h", ["repo/", "dataset/"], "a hash of repo/ or dataset/"),
]
CPP_ONLY = re.compile(r"nlohmann/json\.hpp|simdjson\.h")

# pattern in code without comments and texts, path prefixes (from the root) where it is allowed
# ("tests": in every test), what to write instead
BANNED = [
    (r"\bthrow\b", ["src/base/file.hpp"], "return fail(ErrorCode::…, …)"),
    (r"\bcatch\b", ["src/base/file.hpp"], "fence(\"doing\", [&] { … })"),
    (r"\b(system_clock|steady_clock)::now\b", ["src/base/"], "Context::clock"),
    (r"\b(gettimeofday|clock_gettime)\s*\(|\btime\s*\((nullptr|NULL|0)\)", ["src/base/"],
     "Context::clock"),
    (r"\bs?rand\s*\(|\brandom_device\b|\bmt19937", ["src/base/"], "Context::rng"),
    (r"\b(secure_)?getenv\s*\(", ["src/base/", "src/cli/environment"], "cli/environment.hpp"),
    (r"\bthis_thread::sleep|(?<![\w.>])(u|nano)?sleep\s*\(", ["src/base/"], "Clock::sleep_for"),
    (r"\bstd::(mutex|shared_mutex|recursive_mutex|lock_guard|unique_lock|scoped_lock|"
     r"condition_variable)\b", ["src/base/"], "Mutex, MutexLock, CondVar (base/mutex.hpp)"),
    (r"\bstd::(j?thread(?!::)|async|promise|future)\b",
     ["src/base/", "tests", "src/cli/signals"],  # which waits as long as the process lives
     "TaskGroup (base/task_group.hpp)"),
    (r"\bnew\b(?!\s*\()", ["src/base/bytes.hpp"], "std::make_unique or a container"),
    (r"(?<!=)(?<!= )\bdelete\b", [], "an owner that destroys it"),
    (r"\b(std::)?(f|v)?printf\s*\(|\bstd::(cout|cerr)\b|\bfmt::print\b",
     ["src/cli/", "src/base/check.cpp", "tests", "bench/"], "Log, or a value that cli/ prints"),
    (r"(?<![\w.])assert\s*\(", [], "CHECK (base/check.hpp) for bugs, Result for input"),
    (r"\b(atoi|atol|atoll|strtol|strtoul|strtoull|strtod)\s*\(|\bstd::sto(i|l|ll|ul|ull|d|f)\b",
     ["tests"], "std::from_chars"),
]
LEADS_A_STATEMENT = re.compile(
    r"\s*(?:(?:if|for|while)\s*(?:constexpr\s*)?\(|else\b"
    r"|default\s*:|case [^:]*(?:::[^:]*)*:(?!:))")
ALONE = re.compile(r"(?<!return)(?<!case)(?:(?<=[\w>])\s+|[&*]\s*)(data|info)_?\s*(?=[=;,){])")
BANNED_WORDS = {"manager", "helper", "helpers", "util", "utils"}
BANNED_FILE_WORDS = BANNED_WORDS | {"common", "misc"}
LINES_MAX = {".hpp": 200, ".cpp": 500, ".py": 400}
TEST_LINES_MAX, LINE_MAX, FUNCTION_LINES_MAX, PARAMETERS_MAX, NESTING_MAX = 800, 100, 70, 5, 3
TEXT_ENDINGS = {".cpp", ".hpp", ".def", ".inc", ".py", ".md", ".sh", ".cmake", ".json", ".txt", ""}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
ONE_MACHINE = re.compile(r"\.\./shared|(?<!\w)/work/(main|shared)|/tmp/(hf|corp)/")
STRAY = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def is_test(file):
    return file.startswith("tests/") or file.endswith(("_test.cpp", "_test.py"))


class Tidy:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.findings = []
        self.files = [f for f in self.list_files() if (self.root / f).is_file()]
        self.texts = {f: self.read(f) for f in self.files if self.is_text(f)}
        self.code = {f: cpp_text.strip(t) for f, t in self.texts.items()
                     if f.endswith((".cpp", ".hpp"))}

    def list_files(self):
        listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                                cwd=self.root, capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            return sorted(listed.stdout.splitlines())
        return sorted(str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file())

    def is_text(self, file):
        return (pathlib.PurePath(file).suffix in TEXT_ENDINGS
                and not file.startswith(("tests/data/", "tests/fuzz/corpus/")))

    def read(self, file):
        try:
            return (self.root / file).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            self.say(file, 1, "is not UTF-8; move it to tests/data/ if it is data")
            return ""

    def say(self, file, line, message):
        self.findings.append(f"{file}:{line}: {message}")

    def run(self):
        self.check_arrows()
        self.check_dead_files()
        words = self.words_not_to_say()
        for file, text in self.texts.items():
            self.check_text(file, text)
            if file in self.code:
                self.check_includes(file, text)
                self.check_try(file)
                self.check_banned(file)
                self.check_shape(file)
                self.check_names(file, words)
        return self.findings

    # --- the table of arrows

    def arrows(self):
        """{folder: set of folders it may include}, from the table in ARCHITECTURE.md."""
        text = self.texts.get("ARCHITECTURE.md", "")
        section = re.search(r"^## The table of arrows$(.*?)(^## |\Z)", text, re.M | re.S)
        table = section.group(1) if section else ""
        rows = re.findall(r"^\|\s*`(\w+)`\s*\|([^|\n]*)\|", table, re.M)
        return {folder: set(re.findall(r"`(\w+)`", allowed)) for folder, allowed in rows}

    def check_arrows(self):
        allowed = self.arrows()
        if not allowed:
            self.say("ARCHITECTURE.md", 1, "has no table under `## The table of arrows`; add it")
            return
        for file, text in self.texts.items():
            if not file.startswith("src/") or file not in self.code:
                continue
            folder = file.split("/")[1] if file.count("/") > 1 else "main"
            if folder not in allowed:
                self.say(file, 1, f"{folder}/ has no row in the table of arrows; add it there")
                continue
            for line, name in cpp_text.quoted_includes(text):
                other = name.split("/")[0] if "/" in name else ""
                if other == folder or (other == "doubles" and file.endswith("_test.cpp")):
                    continue
                if not other:
                    self.say(file, line, f'"{name}" has no folder; write "{folder}/{name}"')
                elif other not in allowed[folder]:
                    may = " ".join(sorted(allowed[folder])) or "nothing"
                    self.say(file, line, f"{folder}/ may not include {other}/ (only: {may}); "
                             "move the code, or pass a value")
        self.check_links(allowed)

    def check_links(self, allowed):
        """target_link_libraries must say the same as the table."""
        file = "src/CMakeLists.txt"
        module = r"holdfast_module\((\w+)(?:\s+USES\s+([\w\s]*?))?(?=\s+LIBRARIES|\))"
        for match in re.finditer(module, self.texts.get(file, "")):
            name, uses = match.group(1), set((match.group(2) or "").split())
            wanted = allowed.get(name, set())
            if uses != wanted:
                line = self.texts[file][: match.start()].count("\n") + 1
                self.say(file, line, f"USES of {name} differs from the table of arrows; write "
                         f"{' '.join(sorted(wanted)) or 'no USES'}")

    # --- includes

    def check_includes(self, file, text):
        inside = file.removeprefix("src/")
        for line, name in cpp_text.angle_includes(text):
            if CPP_ONLY.fullmatch(name) and file.endswith(".hpp"):
                self.say(file, line, f"<{name}> is slow to compile; include it in the .cpp only")
            if name.startswith("rapidcheck") and not file.endswith("_properties_test.cpp"):
                self.say(file, line, "RapidCheck compiles slowly; move to a *_properties_test.cpp")
            for pattern, places, instead in FENCES if file.startswith("src/") else []:
                if re.fullmatch(pattern, name) and not inside.startswith(tuple(places)):
                    self.say(file, line, f"<{name}> only in {' '.join(places)}; use {instead}")
        for line, name in cpp_text.quoted_includes(text):
            if name == "base/check.hpp" and file.endswith((".hpp", "_test.cpp")):
                self.say(file, line, "CHECK belongs into a .cpp (doctest has its own); move it")

    def check_dead_files(self):
        includers = {}
        for file, text in self.texts.items():
            for _, name in cpp_text.quoted_includes(text):
                includers.setdefault(name, set()).add(file)
        for file in self.code:
            if file.endswith(".hpp"):
                name = file.removeprefix("src/").removeprefix("tests/")
                own = re.escape(file.removesuffix(".hpp"))
                if all(re.fullmatch(rf"{own}(_\w*test)?\.cpp", user)
                       for user in includers.get(name, set())):
                    self.say(file, 1, "nobody but its own source includes it; use or remove it")
            elif file.startswith("src/") and file != "src/main.cpp" and not is_test(file):
                self.check_source(file)

    def check_source(self, file):
        path = pathlib.PurePath(file)
        siblings = [f for f in self.code if f != file and f.startswith(f"{path.parent}/")]
        if path.name == "placeholder.cpp":
            if any(f.endswith(".cpp") for f in siblings):
                self.say(file, 1, "is a placeholder beside real sources; remove it")
        elif not any(f.endswith(".hpp") and path.stem.startswith(pathlib.PurePath(f).stem)
                     for f in siblings):
            self.say(file, 1, f"has no header; add {path.stem}.hpp or begin its name with that "
                     "of the header it implements")

    # --- lines

    def check_text(self, file, text):
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            stray = STRAY.search(line)
            if stray:
                code_point = f"U+{ord(stray.group()):04X}"
                self.say(file, number, f"stray control character {code_point}; remove it")
            if line != line.rstrip() and not file.endswith(".md"):
                self.say(file, number, "trailing white space; remove it")
            if file.endswith((".cpp", ".hpp", ".py")) and len(line) > LINE_MAX:
                self.say(file, number, f"line of {len(line)} columns; break it at {LINE_MAX}")
            for cited in re.findall(r"(?<![\w/])docs/[\w/-]+\.md", line):
                if cited not in self.texts and not file.endswith("_test.py"):
                    self.say(file, number, f"{cited} does not exist; name the document meant")
            if file in self.code and UNFINISHED.search(line):
                self.say(file, number, "an unfinished note; finish it, or name an issue: TODO(#12)")
            if not file.startswith("tools/tidy") and ONE_MACHINE.search(line):
                self.say(file, number, "a path of one machine; cite docs/ or tests/data/")
        suffix = pathlib.PurePath(file).suffix
        cap = TEST_LINES_MAX if is_test(file) else LINES_MAX.get(suffix)
        if cap and suffix in LINES_MAX and len(lines) - 1 > cap:
            self.say(file, cap, f"{len(lines) - 1} lines; split it below {cap}")
        if suffix == ".hpp":
            if not text.startswith("#pragma once\n"):
                self.say(file, 1, "a header starts with `#pragma once`; put it first")
            elif not text.startswith("#pragma once\n//"):
                self.say(file, 2, "a header is a contract; begin with a sentence on what it is")

    def check_banned(self, file):
        for number, line in enumerate(self.code[file].split("\n"), 1):
            if line.lstrip().startswith("#"):
                continue
            for pattern, places, instead in BANNED:
                found = re.search(pattern, line)
                allowed = file.startswith(tuple(places)) or ("tests" in places and is_test(file))
                if found and not allowed:
                    call = found.group().strip()
                    self.say(file, number, f"`{call}` is banned here; use {instead}")

    # TRY leaks earlier temporaries unless it is a whole initialiser, return operand or statement.
    def check_try(self, file):
        code = cpp_text.without_directives(self.code[file])
        for match in re.finditer(r"\bTRY\s*\(", code):
            before = re.split(r"[;{}]", code[: match.start()])[-1]
            while (stray := cpp_text.unbalanced_close(before)) is not None:
                before = before[stray + 1:]  # the end of a for (…; …; …)
            while lead := LEADS_A_STATEMENT.match(before):
                parenthesis = lead.group().endswith("(")
                end = cpp_text.closing(before, lead.end() - 1) + 1 if parenthesis else lead.end()
                before = before[end:]
            after = code[cpp_text.closing(code, match.end() - 1) + 1:].lstrip()
            whole = re.fullmatch(r"\s*(return\s*|[\w:<>,&*\s\[\].\->]+=\s*)?", before)
            if not whole or not after.startswith(";"):
                line = code[: match.start()].count("\n") + 1
                self.say(file, line, "TRY inside an expression leaks; write: auto x = TRY(…);")

    # --- shape

    def check_shape(self, file):
        for function in cpp_text.functions(self.code[file]):
            if function.lines > FUNCTION_LINES_MAX:
                self.say(file, function.line, f"function of {function.lines} lines; split it "
                         f"below {FUNCTION_LINES_MAX}")
            if function.parameters > PARAMETERS_MAX:
                self.say(file, function.line, f"{function.parameters} parameters; pass an options "
                         "struct")
            if function.nesting > NESTING_MAX:
                self.say(file, function.line, f"nesting of {function.nesting}; return early or "
                         "name the inner part")

    def words_not_to_say(self):
        """{word: the word of the glossary to use}, from the third column of GLOSSARY.md."""
        words = {}
        row = r"^\|\s*\*\*([^*|]+)\*\*\s*\|[^|]*\|([^|]*)\|"
        for say, instead_of in re.findall(row, self.texts.get("GLOSSARY.md", ""), re.M):
            for word in re.findall(r"`(\w+)`", instead_of):
                words[word] = say.strip()
        return words

    def check_names(self, file, not_to_say):
        stem = pathlib.PurePath(file).stem
        for word in set(stem.split("_")) & BANNED_FILE_WORDS:
            self.say(file, 1, f"`{word}` in a file name says nothing; name what it does")
        for number, line in enumerate(self.code[file].split("\n"), 1):
            if line.lstrip().startswith("#"):
                continue
            alone = ALONE.search(line)
            if alone:
                self.say(file, number, f"`{alone.group(1)}` alone says nothing; name what it holds")
            for name in re.findall(r"(?<!std::)\b[A-Za-z_]\w*", line):
                parts = set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))
                for word in parts & BANNED_WORDS:
                    self.say(file, number, f"`{word}` in `{name}` says nothing; name what it does")
                for word in parts & not_to_say.keys():
                    self.say(file, number, f"`{word}` in `{name}`; say `{not_to_say[word]}` "
                             "(GLOSSARY.md)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent)
    findings = Tidy(parser.parse_args().root).run()
    print("\n".join(findings) if findings else "tidy: clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
