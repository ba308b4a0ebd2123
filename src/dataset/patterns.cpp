#include "dataset/patterns.hpp"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <ranges>

namespace holdfast::dataset {

// Reads one glob from left to right. Follows git's wildmatch, whose rules for odd brackets are
// not written down anywhere else: patterns_test.cpp compares with `git check-ignore`.
class GlobCompiler {
 public:
  explicit GlobCompiler(std::string_view text) : text_(text) {}

  NameGlob compile() {
    while (at_ < text_.size() && !glob_.never_) compile_one();
    finish();
    return std::move(glob_);
  }

 private:
  using Kind = NameGlob::Kind;

  void compile_one() {
    const char byte = text_[at_++];
    switch (byte) {
      case '*':
        if (glob_.tokens_.empty() || glob_.tokens_.back().kind != Kind::any_run)
          glob_.tokens_.push_back({Kind::any_run, 0, 0});
        return;
      case '?':
        glob_.tokens_.push_back({Kind::any_one, 0, 0});
        return;
      case '[':
        compile_set();
        return;
      case '\\':
        if (at_ == text_.size())
          glob_.never_ = true;
        else
          push_literal(text_[at_++]);
        return;
      default:
        push_literal(byte);
    }
  }

  void push_literal(char byte) {
    glob_.tokens_.push_back({Kind::literal, static_cast<std::uint8_t>(byte), 0});
  }

  void compile_set() {
    std::bitset<256> set;
    bool negated = false;
    if (at_ < text_.size() && (text_[at_] == '!' || text_[at_] == '^')) {
      negated = true;
      ++at_;
    }
    int previous = -1;  // the left end of a range that may follow, if any
    bool first = true;
    while (true) {
      if (at_ == text_.size()) return reject();
      const char byte = text_[at_];
      if (byte == ']' && !first) break;
      first = false;
      if (!add_to_set(set, previous)) return reject();
    }
    ++at_;
    if (negated) set.flip();
    set.reset('/');
    glob_.tokens_.push_back({Kind::one_of, 0, static_cast<std::uint16_t>(glob_.sets_.size())});
    glob_.sets_.push_back(set);
  }

  // One member: `[:name:]`, `a-z`, or a byte. False when the bracket is malformed.
  bool add_to_set(std::bitset<256>& set, int& previous) {
    char byte = text_[at_];
    if (byte == '[' && at_ + 1 < text_.size() && text_[at_ + 1] == ':') {
      const auto end = text_.find(']', at_ + 2);
      if (end == std::string_view::npos) return false;
      if (end >= at_ + 3 && text_[end - 1] == ':') {
        const auto name = text_.substr(at_ + 2, end - 1 - (at_ + 2));
        at_ = end + 1;
        previous = -1;
        return add_named_class(set, name);
      }
    }
    if (byte == '-' && previous >= 0 && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
      ++at_;
      if (text_[at_] == '\\') ++at_;
      if (at_ == text_.size()) return false;
      const int last = static_cast<std::uint8_t>(text_[at_++]);
      for (int value = previous; value <= last; ++value) set.set(static_cast<std::size_t>(value));
      previous = -1;
      return true;
    }
    if (byte == '\\') {
      if (++at_ == text_.size()) return false;
      byte = text_[at_];
    }
    ++at_;
    previous = static_cast<std::uint8_t>(byte);
    set.set(static_cast<std::size_t>(previous));
    return true;
  }

  static bool add_named_class(std::bitset<256>& set, std::string_view name) {
    using Test = int (*)(int);
    struct NamedClass {
      std::string_view name;
      Test test;
    };
    static constexpr std::array<NamedClass, 12> classes{{{"alnum", std::isalnum},
                                                         {"alpha", std::isalpha},
                                                         {"blank", std::isblank},
                                                         {"cntrl", std::iscntrl},
                                                         {"digit", std::isdigit},
                                                         {"graph", std::isgraph},
                                                         {"lower", std::islower},
                                                         {"print", std::isprint},
                                                         {"punct", std::ispunct},
                                                         {"space", std::isspace},
                                                         {"upper", std::isupper},
                                                         {"xdigit", std::isxdigit}}};
    for (const auto& known : classes) {
      if (known.name != name) continue;
      for (int byte = 0; byte < 128; ++byte)
        if (known.test(byte) != 0) set.set(static_cast<std::size_t>(byte));
      return true;
    }
    return false;
  }

  void reject() { glob_.never_ = true; }

  void finish() {
    if (glob_.never_) return;
    glob_.literal_only_ = true;
    for (const auto& token : glob_.tokens_) {
      if (token.kind != Kind::literal) glob_.literal_only_ = false;
      glob_.literal_.push_back(static_cast<char>(token.byte));
    }
    if (!glob_.literal_only_) glob_.literal_.clear();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  NameGlob glob_;
};

NameGlob NameGlob::compile(std::string_view glob) {
  return GlobCompiler(glob).compile();
}

bool NameGlob::accepts(const Token& token, char byte) const {
  switch (token.kind) {
    case Kind::literal:
      return token.byte == static_cast<std::uint8_t>(byte);
    case Kind::any_one:
      return true;
    case Kind::one_of:
      return sets_[token.set].test(static_cast<std::uint8_t>(byte));
    case Kind::any_run:
      break;
  }
  return false;
}

bool NameGlob::matches(std::string_view name) const {
  if (never_) return false;
  if (literal_only_) return name == literal_;
  constexpr auto none = static_cast<std::size_t>(-1);
  std::size_t token = 0;
  std::size_t at = 0;
  std::size_t last_run = none;  // only the last `*` ever needs to give way
  std::size_t run_end = 0;
  while (at < name.size()) {
    if (token < tokens_.size() && tokens_[token].kind == Kind::any_run) {
      last_run = token++;
      run_end = at;
    } else if (token < tokens_.size() && accepts(tokens_[token], name[at])) {
      ++token;
      ++at;
    } else if (last_run != none) {
      token = last_run + 1;
      at = ++run_end;
    } else {
      return false;
    }
  }
  while (token < tokens_.size() && tokens_[token].kind == Kind::any_run) ++token;
  return token == tokens_.size();
}

namespace {

// Where the component that begins at `begin` ends: the next slash that is not inside brackets.
std::size_t component_end(std::string_view pattern, std::size_t begin) {
  std::size_t at = begin;
  while (at < pattern.size() && pattern[at] != '/') {
    if (pattern[at] == '\\') {
      // An escaped slash is a slash.
      if (at + 1 < pattern.size() && pattern[at + 1] == '/') return at;
      at += 2;
      continue;
    }
    if (pattern[at] == '[') {
      auto close = at + 1;
      if (close < pattern.size() && (pattern[close] == '!' || pattern[close] == '^')) ++close;
      if (close < pattern.size() && pattern[close] == ']') ++close;
      while (close < pattern.size() && pattern[close] != ']')
        close += pattern[close] == '\\' ? 2U : 1U;
      if (close < pattern.size()) at = close;
    }
    ++at;
  }
  return std::min(at, pattern.size());
}

bool is_double_star(std::string_view text) {
  return text.size() >= 2 && text.find_first_not_of('*') == std::string_view::npos;
}

// Spaces at the end go, unless escaped; what follows a backslash is never looked at.
std::string_view without_trailing_spaces(std::string_view line) {
  std::size_t kept = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '\\' && at + 1 < line.size())
      kept = ++at + 1;
    else if (line[at] != ' ')
      kept = at + 1;
  }
  return line.substr(0, kept);
}

std::string_view last_component(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

std::vector<PathComponent> compile_path_components(std::string_view pattern) {
  std::vector<PathComponent> components;
  std::size_t begin = 0;
  while (begin <= pattern.size()) {
    const auto end = component_end(pattern, begin);
    const auto text = pattern.substr(begin, end - begin);
    const bool last = end >= pattern.size();
    if (is_double_star(text)) {
      components.push_back({true, {}});
      if (last) components.push_back({false, NameGlob::compile("*")});
    } else {
      components.push_back({false, NameGlob::compile(text)});
    }
    if (last) break;
    begin = end + (pattern[end] == '\\' ? 2 : 1);
  }
  return components;
}

bool match_path_components(const std::vector<PathComponent>& pattern,
                           const std::vector<std::string_view>& path) {
  constexpr auto none = static_cast<std::size_t>(-1);
  std::size_t part = 0;
  std::size_t at = 0;
  std::size_t last_depth = none;
  std::size_t depth_end = 0;
  while (at < path.size()) {
    if (part < pattern.size() && pattern[part].any_depth) {
      last_depth = part++;
      depth_end = at;
    } else if (part < pattern.size() && pattern[part].glob.matches(path[at])) {
      ++part;
      ++at;
    } else if (last_depth != none) {
      part = last_depth + 1;
      at = ++depth_end;
    } else {
      return false;
    }
  }
  while (part < pattern.size() && pattern[part].any_depth) ++part;
  return part == pattern.size();
}

Result<void> PatternSet::add_line(std::string_view line) {
  if (line.starts_with('#')) return {};
  line = without_trailing_spaces(line);
  if (line.empty()) return {};
  if (line.size() > pattern_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("a pattern has {} bytes, more than {}",
                                                       line.size(), pattern_bytes_max));
  if (rules_.size() >= pattern_count_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("more than {} patterns", pattern_count_max));
  Rule rule;
  if (line.starts_with('!')) {
    rule.negated = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    rule.directory_only = true;
    line.remove_suffix(1);
  }
  rule.by_name = line.find('/') == std::string_view::npos;
  if (line.starts_with('/')) {
    rule.from_root = true;
    line.remove_prefix(1);
  }
  if (rule.by_name)
    rule.components.push_back({false, NameGlob::compile(line)});
  else
    rule.components = compile_path_components(line);
  rules_.push_back(std::move(rule));
  return {};
}

Result<void> PatternSet::add_text(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    if (end != std::string_view::npos && line.ends_with('\r')) line.remove_suffix(1);
    TRY(add_line(line));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

Match PatternSet::match(const PathToMatch& path) const {
  std::vector<std::string_view> relative;
  std::vector<std::string_view> absolute;
  const auto name = last_component(path.relative);
  const auto hits = [&](const Rule& rule) {
    if (rule.directory_only && path.shape != EntryShape::directory) return false;
    if (rule.by_name) return rule.components.front().glob.matches(name);
    auto& parts = rule.from_root ? absolute : relative;
    if (parts.empty()) parts = split_path(rule.from_root ? path.absolute : path.relative);
    return match_path_components(rule.components, parts);
  };
  for (const auto& rule : std::views::reverse(rules_))
    if (hits(rule)) return rule.negated ? Match::negated : Match::yes;
  return Match::none;
}

bool PatternSet::selects(std::string_view path, EntryShape shape) const {
  if (rules_.empty()) return false;
  for (auto slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    const auto above = path.substr(0, slash);
    if (match({above, above, EntryShape::directory}) == Match::yes) return true;
  }
  return match({path, path, shape}) == Match::yes;
}

}  // namespace holdfast::dataset
