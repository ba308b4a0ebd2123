// Trees: what decodes is encoded and decoded again to the same nodes; encoding settles at once.
#include "base/check.hpp"
#include "repo/names.hpp"
#include "repo/tree.hpp"

using namespace holdfast;
using namespace holdfast::repo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto nodes = decode_tree({bytes, size});
  if (!nodes.has_value()) return 0;
  const Bytes blob = encode_tree(*nodes);
  const auto again = decode_tree(blob);
  CHECK(again.has_value());
  CHECK(*again == *nodes);
  CHECK(encode_tree(*again) == blob);
  const bool is_sound = find_flaws(*nodes).empty();
  TreeEncoder encoder;
  bool is_taken = true;
  for (const auto& node : *nodes) is_taken = is_taken && encoder.add(node).has_value();
  if (is_sound) CHECK(is_taken && encoder.finish() == blob);
  return 0;
}
