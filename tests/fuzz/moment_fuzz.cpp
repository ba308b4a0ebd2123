// What a person types about a database: moments, `_id`s, namespaces and renames.
#include "base/check.hpp"
#include "bson/view.hpp"
#include "catalog/mongo_moment.hpp"
#include "recover/browse_mongo.hpp"
#include "recover/namespace_choice.hpp"

using namespace holdfast;
using namespace holdfast::catalog;
using namespace holdfast::recover;

namespace {

void check_moment(std::string_view text) {
  const auto moment = parse_moment(text);
  if (!moment.has_value()) {
    CHECK(moment.error().code == ErrorCode::usage);
    return;
  }
  CHECK(!describe(*moment).empty());
  if (moment->kind != MomentKind::entry) return;
  const auto again = parse_moment(oplog::to_text(moment->at));
  CHECK(again.has_value() && again->kind == MomentKind::entry && again->at == moment->at);
}

void check_document_id(std::string_view text) {
  const auto id = parse_document_id(text);
  if (!id.has_value()) {
    CHECK(id.error().code == ErrorCode::usage);
    return;
  }
  const auto document = bson::Document::validate(*id);
  CHECK(document.has_value() && !document->is_empty());
}

// Input: names for --only, then for --rename, by lines.
void check_namespaces(std::string_view text) {
  std::vector<std::string> only;
  std::vector<std::string> renames;
  for (std::size_t at = 0; at <= text.size() && only.size() + renames.size() < 100;) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line(text.substr(at, end - at));
    (line.find('=') == std::string::npos ? only : renames).push_back(line);
    at = end + 1;
  }
  const auto choice = NamespaceChoice::make(only, renames);
  if (!choice.has_value()) return;
  CHECK(choice->takes_all() == only.empty());
  for (const auto& ns : only) {
    if (ns.find('.') == std::string::npos) continue;
    static_cast<void>(choice->takes(ns));
    CHECK(!choice->name_of(ns).db.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check_moment(text);
  check_document_id(text);
  check_namespaces(text);
  return 0;
}
