// Lines of gitignore against paths: compiled once, matched in bounded time, the same each time.
// Input: lines of patterns; what stands behind a NUL byte is the path.
#include "base/check.hpp"
#include "dataset/patterns.hpp"

using namespace holdfast;
using namespace holdfast::dataset;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const std::size_t cut = std::min(input.find('\0'), input.size());
  const std::string_view text = input.substr(0, cut);
  const std::string_view path = cut == input.size() ? "a/b.o" : input.substr(cut + 1);
  PatternSet patterns;
  if (!patterns.add_text(text).has_value()) return 0;
  for (const auto shape : {EntryShape::directory, EntryShape::other}) {
    const PathToMatch whole{path, path, shape};
    const Match match = patterns.match(whole);
    CHECK(match == patterns.match(whole));
    if (patterns.empty()) CHECK(match == Match::none);
    if (match == Match::yes && !path.empty() && path.find('/') == std::string_view::npos)
      CHECK(patterns.selects(path, shape));
    static_cast<void>(patterns.selects(path, shape));
  }
  const NameGlob glob = NameGlob::compile(text);
  if (glob.is_literal() && text.find('\\') == std::string_view::npos)
    CHECK(glob.matches(glob.literal()));
  static_cast<void>(glob.matches(path));
  return 0;
}
