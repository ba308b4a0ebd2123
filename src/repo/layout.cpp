#include "repo/layout.hpp"

namespace holdfast::repo {
namespace {

constexpr std::size_t id_hex_digits = 64;

std::string below(std::string_view prefix, std::string_view hex) {
  std::string name;
  name.reserve(prefix.size() + hex.size());
  return name.append(prefix).append(hex);
}

}  // namespace

std::string object_name(const PackId& id) {
  const auto hex = id.hex();
  return below(packs_prefix, hex.substr(0, 2) + "/" + hex);
}
std::string object_name(const KeyId& id) {
  return below(keys_prefix, id.hex());
}
std::string object_name(const LockId& id) {
  return below(locks_prefix, id.hex());
}
std::string object_name(const SnapshotId& id) {
  return below(snapshots_prefix, id.hex());
}
std::string object_name(const IndexId& id) {
  return below(indexes_prefix, id.hex());
}

std::optional<std::array<std::uint8_t, 32>> id_in_name(std::string_view object_name) {
  const auto slash = object_name.rfind('/');
  const auto last = slash == std::string_view::npos ? object_name : object_name.substr(slash + 1);
  const bool is_hex = last.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (last.size() != id_hex_digits || !is_hex) return std::nullopt;
  const auto bytes = from_hex(last);
  if (!bytes.has_value()) return std::nullopt;
  std::array<std::uint8_t, 32> id{};
  std::copy_n(bytes->begin(), id.size(), id.begin());
  return id;
}

}  // namespace holdfast::repo
