#include "oplog/update_shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace holdfast::oplog {

namespace {

using bson::Document;

constexpr std::size_t text_bytes_max = 200;

enum class Treatment : std::uint8_t { set, unset };
using Visit = std::function<void(Treatment, std::string_view path)>;

bool is_document(const bson::Value& value) {
  return value.type == bson::Type::document || value.type == bson::Type::array;
}

// Sections of docs/oplog_format.md 3.3.1. In arrays the path stays that of the array.
void walk_diff(Document diff, const std::string& prefix, const Visit& visit) {
  const auto first = diff.begin();
  const bool is_array = first != diff.end() && first->name == "a";
  for (const auto& element : diff) {
    const std::string_view name = element.name;
    const bool is_section = name == "d" || name == "u" || name == "i" || name == "b";
    if (is_array) {
      if (name.starts_with("u")) visit(Treatment::set, prefix);
      if (name.starts_with("s") && is_document(element.value))
        walk_diff(element.value.as_document(), prefix, visit);
    } else if (is_section && is_document(element.value)) {
      const auto treatment = name == "d" ? Treatment::unset : Treatment::set;
      for (const auto& field : element.value.as_document())
        visit(treatment, prefix + std::string(field.name));
    } else if (name.starts_with("s") && is_document(element.value)) {
      walk_diff(element.value.as_document(), prefix + std::string(name.substr(1)) + ".", visit);
    }
  }
}

void walk(UpdateKind kind, Document o, const Visit& visit) {
  if (kind == UpdateKind::delta) {
    const auto diff = o.find("diff");
    if (diff && is_document(*diff)) walk_diff(diff->as_document(), "", visit);
  }
  if (kind != UpdateKind::modifiers) return;
  for (const auto& element : o) {
    if (!is_document(element.value)) continue;
    const auto treatment = element.name == "$unset" ? Treatment::unset : Treatment::set;
    for (const auto& field : element.value.as_document()) visit(treatment, field.name);
  }
}

std::string without_point(std::string_view path) {
  return std::string(path.ends_with('.') ? path.substr(0, path.size() - 1) : path);
}

}  // namespace

std::uint64_t shape_hash(UpdateKind kind, Document o) {
  if (kind == UpdateKind::replacement) return 0;
  // A sum, so that the order of fields, which depends on the document, does not count.
  std::uint64_t sum = 1;
  std::uint64_t last = 0;
  walk(kind, o, [&](Treatment treatment, std::string_view path) {
    const std::uint64_t hash =
        std::hash<std::string_view>()(path) * 2 + static_cast<std::uint64_t>(treatment);
    if (hash != last) sum += hash;  // elements of one array
    last = hash;
  });
  return sum == 0 ? 1 : sum;
}

std::string shape_text(UpdateKind kind, Document o) {
  std::vector<std::string> set;
  std::vector<std::string> unset;
  walk(kind, o, [&](Treatment treatment, std::string_view path) {
    auto& names = treatment == Treatment::set ? set : unset;
    std::string name = without_point(path);
    if (std::find(names.begin(), names.end(), name) == names.end() && names.size() < 20)
      names.push_back(std::move(name));
  });
  std::string text;
  if (!set.empty()) text = fmt::format("set {}", fmt::join(set, ", "));
  if (!unset.empty())
    text += fmt::format("{}unset {}", text.empty() ? "" : "; ", fmt::join(unset, ", "));
  if (text.size() <= text_bytes_max) return text;
  std::size_t end = text_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "…";
}

}  // namespace holdfast::oplog
