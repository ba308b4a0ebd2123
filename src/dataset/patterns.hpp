#pragma once
// Which paths a person means: the words of .gitignore (gitignore(5)), compiled once and matched
// against bytes. Used for excludes of a backup, for --include/--exclude of a restore and for find.
//
// Matching is by components with single-level backtracking, so a hostile pattern costs at most
// (pattern bytes x path bytes), never an exponential.
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace holdfast::dataset {

constexpr std::size_t pattern_bytes_max = 4096;
constexpr std::size_t pattern_count_max = 100'000;

enum class EntryShape : std::uint8_t { directory, other };

// One name (no slash) against `*`, `?`, `[a-z]`, `[!a]`, `[[:alpha:]]` and `\x`. Immutable.
class NameGlob {
 public:
  // A malformed glob (an open bracket, a last backslash) is legal and matches nothing, as in git.
  static NameGlob compile(std::string_view glob);

  bool matches(std::string_view name) const;
  bool is_literal() const { return literal_only_; }
  const std::string& literal() const { return literal_; }

 private:
  enum class Kind : std::uint8_t { literal, any_one, any_run, one_of };
  struct Token {
    Kind kind = Kind::literal;
    std::uint8_t byte = 0;
    std::uint16_t set = 0;  // index into sets_ for one_of
  };
  friend class GlobCompiler;

  bool accepts(const Token& token, char byte) const;

  std::vector<Token> tokens_;
  std::vector<std::bitset<256>> sets_;
  std::string literal_;  // the whole pattern when it has no wildcard
  bool literal_only_ = false;
  bool never_ = false;
};

// One component of a path pattern: a glob over a name, or `**` (any number of directories).
struct PathComponent {
  bool any_depth = false;
  NameGlob glob;
};

// Splits at slashes outside brackets. A last `**` stands for one component or more.
std::vector<PathComponent> compile_path_components(std::string_view pattern);
bool match_path_components(const std::vector<PathComponent>& pattern,
                           const std::vector<std::string_view>& path);

// What the last matching line says about a path: nothing, "this one", or "!not this one".
enum class Match : std::uint8_t { none, yes, negated };

// The path being judged, both as seen from the target that is walked and from the file system's
// root; neither begins with a slash. A line beginning with `/` is about `absolute`, one with a
// slash in the middle about `relative`, one without a slash about the last component.
struct PathToMatch {
  std::string_view relative;
  std::string_view absolute;
  EntryShape shape = EntryShape::other;
};

// An ordered list of lines. Immutable once built; reading is thread-safe.
class PatternSet {
 public:
  // Blank lines and comments are skipped. `limit_exceeded` for a line above pattern_bytes_max.
  Result<void> add_line(std::string_view line);
  // A whole file: LF or CRLF, an optional byte order mark.
  Result<void> add_text(std::string_view text);

  bool empty() const { return rules_.empty(); }
  Match match(const PathToMatch& path) const;

  // True when the path or a directory above it is matched: what lies in a matched directory can
  // not be negated again (gitignore(5)). For callers that do not walk from the top.
  bool selects(std::string_view path, EntryShape shape) const;

 private:
  struct Rule {
    bool negated = false;
    bool directory_only = false;
    bool from_root = false;  // began with a slash
    bool by_name = false;    // no slash but a last one
    std::vector<PathComponent> components;
  };

  std::vector<Rule> rules_;
};

}  // namespace holdfast::dataset
