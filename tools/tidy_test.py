"""Every rule of tools/tidy.py on a tree that breaks it, and on one that does not."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cpp_text import functions, strip  # noqa: E402
from tidy import Tidy  # noqa: E402

ARROWS = """# Architecture
## The table of arrows
| folder | may include |
|---|---|
| `base` | |
| `store` | `base` |
| `repo` | `base` `store` |
| `cli` | `base` `repo` |
| `main` | `cli` |
## After
| `ghost` | `base` |
"""
HEADER = "#pragma once\n// A thing.\n"


def findings(tmp_path, files, arrows=ARROWS):
    for name, text in {"ARCHITECTURE.md": arrows, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Tidy(tmp_path).run()


def code(tmp_path, text, file="src/repo/pack.cpp"):
    """Findings of one source beside its header, which another source uses."""
    return findings(tmp_path, {
        file: text,
        "src/repo/pack.hpp": HEADER,
        "src/repo/pack_write.cpp": '#include "repo/pack.hpp"\n',
    })


def only(found, part):
    assert len(found) == 1 and part in found[0], found


def test_a_clean_tree_has_no_findings(tmp_path):
    assert code(tmp_path, '#include "repo/pack.hpp"\n\nint size() {\n  return 1;\n}\n') == []


def test_an_arrow_upwards_names_what_is_allowed(tmp_path):
    only(code(tmp_path, '#include "cli/cli.hpp"\n'),
         "repo/ may not include cli/ (only: base store)")


def test_a_missing_table_and_an_unknown_folder_are_findings(tmp_path):
    only(findings(tmp_path / "a", {}, arrows="# Architecture\n"), "no table")
    only(findings(tmp_path / "b", {"src/main.cpp": "", "src/ghost/x_test.cpp": ""}), "ghost/")


def test_cmake_must_say_the_same_as_the_table(tmp_path):
    cmake = "holdfast_module(base)\nholdfast_module(repo USES base LIBRARIES fmt::fmt\n  zstd)\n"
    only(findings(tmp_path, {"src/CMakeLists.txt": cmake}), "src/CMakeLists.txt:2: USES of repo")


def test_third_parties_stay_behind_their_fence(tmp_path):
    only(code(tmp_path, "#include <zstd.h>\n"), "use repo/compress.hpp")
    assert code(tmp_path, "#include <openssl/evp.h>\n") == []


def test_slow_headers_stay_out_of_headers_and_plain_tests(tmp_path):
    found = findings(tmp_path, {
        "src/repo/a.hpp": HEADER + "#include <nlohmann/json.hpp>\n",
        "src/repo/a_test.cpp": '#include "repo/a.hpp"\n#include <rapidcheck.h>\n',
        "src/repo/b.hpp": HEADER + "#include <nlohmann/json_fwd.hpp>\n",
        "src/repo/b_properties_test.cpp": "#include <rapidcheck.h>\n",
        "src/repo/a_and_b.cpp": '#include "repo/a.hpp"\n#include "repo/b.hpp"\n',
    })
    assert len(found) == 2 and "json.hpp" in found[0] and "properties_test" in found[1], found


def test_try_is_a_whole_initialiser_return_or_statement(tmp_path):
    good = """Result<int> f() {
  auto a = TRY(g(h(1), 2));
  const std::map<int, int> b = TRY(g());
  TRY(store.list("x", [&](const auto& seen) -> Result<void> {
    TRY(g(seen));
    return {};
  }));
  for (int i = 0; i < 3; ++i) TRY(g());
  for (const auto& [k, v] : b)
    if (k == v) TRY(g());
  if (a) return TRY(g());
  switch (a) {
    case Kind::one:
      TRY(g());
  }
  total_ = TRY(g());
  return TRY(g());
}
"""
    assert code(tmp_path, good) == []


def test_try_inside_an_expression_is_found(tmp_path):
    for bad in ["f(TRY(g()));", "auto x = 1 + TRY(g());", "auto x = TRY(g()).size();",
                "if (TRY(g())) return;", "auto x = T{TRY(g()), 1};",
                "for (auto x : TRY(g())) h(x);"]:
        only(code(tmp_path, f"void f() {{\n  {bad}\n}}\n"), "pack.cpp:2: TRY inside")


def test_banned_calls_name_the_replacement(tmp_path):
    for bad, instead in [("throw 1;", "return fail"),
                         ("now = std::chrono::system_clock::now();", "clock"),
                         ("x = rand();", "Context::rng"), ("x = getenv(\"A\");", "cli/environment"),
                         ("std::mutex m;", "Mutex"), ("std::thread t;", "TaskGroup"),
                         ("auto* x = new int;", "make_unique"), ("delete x;", "owner"),
                         ("usleep(3);", "Clock::sleep_for"), ("x = std::stoi(y);", "from_chars"),
                         ("std::cout << x;", "Log"), ("assert(x);", "CHECK")]:
        only(code(tmp_path, f"void f() {{\n  {bad}\n}}\n"), instead)
    assert code(tmp_path, "// throw, new\nX(const X&) = delete;\nauto y = \"throw\";\n"
                "void f() { clock.sleep_for(x); }\n") == []


def test_caps_on_lines_functions_parameters_and_nesting(tmp_path):
    only(code(tmp_path, "// " + "x" * 98 + "\n"), "line of 101 columns")
    only(code(tmp_path, "int a;\n" * 501), "501 lines")
    only(code(tmp_path, "void f() {\n" + "  g();\n" * 69 + "}\n"), "function of 71 lines")
    only(code(tmp_path, "void f(int a, std::map<int, int> b, int c, int d, int e, int g) {}\n"),
         "6 parameters")
    only(code(tmp_path, "void f() {\n  for (;;) {\n    if (a) {\n      if (b) {\n"
              "        while (c) {\n"
              "        }\n      }\n    }\n  }\n}\n"), "nesting of 4")


def test_dead_files_are_found(tmp_path):
    found = findings(tmp_path, {
        "src/repo/alone.hpp": HEADER,
        "src/repo/alone.cpp": '#include "repo/alone.hpp"\n',
        "src/repo/alone_test.cpp": '#include "repo/alone.hpp"\n',
        "src/repo/headless.cpp": "",
        "src/repo/placeholder.cpp": "",
    })
    assert [line.split(":")[0] for line in found] == [
        "src/repo/alone.hpp", "src/repo/headless.cpp", "src/repo/placeholder.cpp"], found


def test_names_that_say_nothing_and_words_of_the_glossary(tmp_path):
    glossary = "| **store** | where bytes live | `backend` |\n"
    only(code(tmp_path, "class PackManager {};\n"), "`manager` in `PackManager`")
    only(code(tmp_path, "void f() {\n  const auto data = g();\n}\n"), "`data` alone")
    assert code(tmp_path, "auto x = y.data();\nenum class T { data, tree };\n") == []
    (tmp_path / "GLOSSARY.md").write_text(glossary)
    only(code(tmp_path, "int backend_count = 0;\n"), "say `store`")


def test_stray_characters_machine_paths_and_unfinished_notes(tmp_path):
    only(code(tmp_path, "// a\u200bb\n"), "U+200B")
    only(code(tmp_path, "// see ../sha" + "red/x\n"), "one machine")
    only(code(tmp_path, "// TO" + "DO later\n"), "unfinished")
    only(code(tmp_path, "// docs/absent.md A1\n"), "docs/absent.md does not exist")
    only(findings(tmp_path / "h", {
        "src/repo/a.hpp": "#pragma once\nint x;\n",
        "src/repo/b.hpp": HEADER,
        "src/repo/a_and_b.cpp": '#include "repo/a.hpp"\n#include "repo/b.hpp"\n',
    }), "a header is a contract")


def test_functions_are_measured_through_initialisers_lambdas_and_macros():
    text = """#define BIG(x) do { x; } while (0)
namespace a {
struct S {
  S(int b, int c) : b_{b}, c_(c) {
    run([&](int d) {
      if (d) {
        g();
      }
    });
  }
  int b_{1}, c_ = 2;
  Result<void> next(std::span<const int, 3> span = {}) const noexcept {
    return {};
  }
};
const int rows[] = {
    1, 2,
};
TEST_CASE("a { brace") {
  CHECK(S{1, 2}.b_ == 1);
}
}  // namespace a
"""
    assert [(f.line, f.lines, f.parameters, f.nesting) for f in functions(strip(text))] == [
        (4, 7, 2, 1), (12, 3, 1, 0), (19, 3, 1, 0)]
