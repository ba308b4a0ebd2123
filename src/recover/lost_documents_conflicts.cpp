#include <fmt/format.h>

#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "bson/ext_json.hpp"
#include "mongo/cursor.hpp"
#include "oplog/facts.hpp"
#include "recover/lost_documents.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;

bool is_true(Document document, std::string_view name) {
  const auto value = document.find(name);
  return value && value->type == bson::Type::boolean && value->as_bool();
}

// Unique indexes whose keys can be asked for by equality of fields.
bool is_asked_about(ByteView spec) {
  const auto index = Document::trusted(spec);
  const bool is_partial = index.find("partialFilterExpression") || index.find("collation");
  return is_true(index, "unique") && !is_partial && oplog::index_name(spec) != "_id_";
}

// The value at a dotted path through documents; nothing when there is none, or an array on the way.
std::optional<bson::Value> value_at(Document document, std::string_view path) {
  const std::size_t dot = path.find('.');
  const auto value = document.find(path.substr(0, dot));
  if (!value || value->type == bson::Type::array) return std::nullopt;
  if (dot == std::string_view::npos) return value;
  if (value->type != bson::Type::document) return std::nullopt;
  return value_at(value->as_document(), path.substr(dot + 1));
}

// {path: {$eq: value}, …}; nothing when the document has no plain value for one of the fields.
std::optional<Bytes> filter_for(ByteView spec, Document document) {
  const auto key = Document::trusted(spec).find("key");
  if (!key || key->type != bson::Type::document) return std::nullopt;
  bson::Builder filter;
  for (const auto& part : key->as_document()) {
    const auto value = value_at(document, part.name);
    if (!value) return std::nullopt;
    filter.begin_document(part.name);
    filter.append("$eq", *value);
    filter.end();
  }
  return filter.take();
}

// One document of a collection against its unique indexes.
class ConflictSearch {
 public:
  ConflictSearch(mongo::Connection& connection, const NamespaceName& name,
                 LostCollection& collection)
      : connection_(connection), name_(name), collection_(collection) {}

  Result<void> ask(const Bytes& spec, Document document) {
    const auto filter = filter_for(spec, document);
    if (!filter) return {};
    mongo::FindRequest request;
    request.db = name_.db;
    request.collection = name_.collection;
    request.filter = *filter;
    request.limit = 1;
    auto cursor = TRY(mongo::Cursor::open(connection_, request));
    const auto taken = TRY(cursor.next());
    if (taken) tell(spec, document, Document::trusted(*taken));
    return {};
  }

 private:
  void tell(const Bytes& spec, Document document, Document taken) {
    ++collection_.conflict_count;
    const auto id = document.find("_id");
    const auto other = taken.find("_id");
    if (!id || !other || collection_.conflicts.size() == conflicts_max) return;
    collection_.conflicts.push_back(
        fmt::format("{} can not be inserted: {} has its key in the unique index {}",
                    bson::to_ext_json(*id, bson::JsonForm::relaxed),
                    bson::to_ext_json(*other, bson::JsonForm::relaxed), oplog::index_name(spec)));
  }

  mongo::Connection& connection_;
  const NamespaceName& name_;
  LostCollection& collection_;
};

}  // namespace

Result<void> find_conflicts(mongo::Connection& connection, LostDocuments::Impl::Found& found,
                            LostCollection& collection) {
  if (found.is_absent_now) return {};
  std::vector<Bytes> unique;
  auto specs = TRY(list_indexes(connection, found.target.db, found.target.collection));
  for (Bytes& spec : specs) {
    if (is_asked_about(spec)) unique.push_back(std::move(spec));
  }
  if (unique.empty()) return {};
  std::size_t asked = 0;
  ConflictSearch search(connection, found.target, collection);
  const auto probe = [&](const SpooledDifference& each) -> Result<void> {
    if (asked++ >= probed_documents_max) return {};
    for (const Bytes& spec : unique) TRY(search.ask(spec, Document::trusted(each.then)));
    return {};
  };
  TRY(found.documents.replay(probe));
  if (asked > probed_documents_max)
    collection.notes.push_back(
        fmt::format("conflicts were looked for in the first {} documents", probed_documents_max));
  return {};
}

}  // namespace holdfast::recover
