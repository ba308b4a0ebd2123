#include "recover/guarded_writes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dataset/mongo_sorter.hpp"
#include "mongo/cursor.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;

constexpr std::size_t refusals_max = 100;
// Beyond this a guard and a document do not fit into one command together.
constexpr std::size_t guard_bytes_max = std::size_t{15} << 20;

Bytes key_of_document(ByteView document) {
  Bytes key;
  dataset::id_key_of(Document::trusted(document), key);
  return key;
}

void append_id(bson::Builder& to, ByteView document) {
  if (const auto id = Document::trusted(document).find("_id")) to.append("_id", *id);
}

// {$expr: {$eq: ["$$ROOT", {$literal: document}]}}
void append_whole(bson::Builder& to, ByteView document) {
  to.begin_document("$expr");
  to.begin_array("$eq");
  to.append_text("0", "$$ROOT");
  to.begin_document("1");
  to.append_document("$literal", Document::trusted(document));
  to.end();
  to.end();
  to.end();
}

// Only fields whose equality all servers agree about (not so: NaN, regular expressions, arrays): it
// narrows what a racing writer could do.
void append_fields(bson::Builder& to, ByteView document) {
  constexpr std::array<bson::Type, 6> plain_types{bson::Type::string,    bson::Type::int32,
                                                  bson::Type::int64,     bson::Type::boolean,
                                                  bson::Type::object_id, bson::Type::date};
  for (const auto& element : Document::trusted(document)) {
    const bool has_plain_name = element.name != "_id" && !element.name.empty() &&
                                element.name.find_first_of(".$") == std::string_view::npos;
    const bool is_plain =
        std::find(plain_types.begin(), plain_types.end(), element.value.type) != plain_types.end();
    if (!has_plain_name || !is_plain) continue;
    to.begin_document(element.name);
    to.append("$eq", element.value);
    to.end();
  }
}

bool is_equal(ByteView left, ByteView right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

}  // namespace

Result<DocumentsByKey> fetch_same_ids(mongo::Connection& connection, const NamespaceName& name,
                                      const std::vector<ByteView>& documents) {
  bson::Builder filter;
  filter.begin_document("_id");
  filter.begin_array("$in");
  for (std::size_t number = 0; number < documents.size(); ++number) {
    if (const auto id = Document::trusted(documents[number]).find("_id"))
      filter.append(std::to_string(number), *id);
  }
  filter.end();
  filter.end();
  mongo::FindRequest request;
  request.db = name.db;
  request.collection = name.collection;
  request.filter = filter.take();
  auto cursor = TRY(mongo::Cursor::open(connection, request));
  DocumentsByKey found;
  while (true) {
    const auto document = TRY(cursor.next());
    if (!document) return found;
    found.insert_or_assign(key_of_document(*document), to_bytes(*document));
  }
}

Result<void> GuardedWrites::add(GuardedChange change) {
  const std::size_t bytes = change.now.size() + change.then.size();
  const bool is_full = changes_.size() == guarded_documents_max ||
                       (!changes_.empty() && bytes_ + bytes > guarded_bytes_max);
  if (is_full) TRY(flush());
  bytes_ += bytes;
  changes_.push_back(std::move(change));
  return {};
}

Result<void> GuardedWrites::finish() {
  return flush();
}

std::vector<ByteView> GuardedWrites::seen() const {
  std::vector<ByteView> views;
  for (const GuardedChange& change : changes_) views.emplace_back(change.now);
  return views;
}

Result<void> GuardedWrites::flush() {
  if (changes_.empty()) return {};
  auto* connection = TRY(link_.connection());
  const auto current = TRY(fetch_same_ids(*connection, name_, seen()));
  std::vector<const GuardedChange*> replaced;
  std::vector<const GuardedChange*> removed;
  for (const GuardedChange& change : changes_) {
    const auto found = current.find(key_of_document(change.now));
    if (found == current.end() || !is_equal(found->second, change.now)) {
      ++left_;
      continue;
    }
    if (guard_ == Guard::unknown) TRY(find_guard(change));
    (change.then.empty() ? removed : replaced).push_back(&change);
  }
  if (!replaced.empty()) TRY(replace(replaced));
  if (!removed.empty()) TRY(remove(removed));
  changes_.clear();
  bytes_ = 0;
  return {};
}

// Some servers refuse comparing whole documents, or accept it and match nothing: tried on one that
// is known, and with a document that it is not.
Result<void> GuardedWrites::find_guard(const GuardedChange& sample) {
  guard_ = Guard::id_only;
  if (sample.now.size() > guard_bytes_max) return {};
  bson::Builder fields;
  append_id(fields, sample.now);
  append_fields(fields, sample.now);
  const bool finds_by_fields = TRY(finds(fields.finish()));
  if (finds_by_fields) guard_ = Guard::by_fields;
  bson::Builder right;
  append_id(right, sample.now);
  append_whole(right, sample.now);
  bson::Builder wrong;
  append_id(wrong, sample.now);
  const Bytes nothing = bson::Builder().take();
  append_whole(wrong, nothing);
  const bool finds_right = TRY(finds(right.finish()));
  const bool finds_wrong = TRY(finds(wrong.finish()));
  if (finds_right && !finds_wrong) guard_ = Guard::whole;
  return {};
}

Result<bool> GuardedWrites::finds(Document filter) {
  auto* connection = TRY(link_.connection());
  mongo::FindRequest request;
  request.db = name_.db;
  request.collection = name_.collection;
  request.filter = to_bytes(filter.bytes());
  request.limit = 1;
  auto cursor = mongo::Cursor::open(*connection, request);
  if (!cursor.has_value() && cursor.error().code == ErrorCode::server_failed) return false;
  auto opened = TRY(std::move(cursor));
  const auto first = TRY(opened.next());
  return first.has_value();
}

void GuardedWrites::append_filter(bson::Builder& to, const GuardedChange& change) const {
  append_id(to, change.now);
  if (change.now.size() + change.then.size() > guard_bytes_max) return;
  if (guard_ == Guard::whole) append_whole(to, change.now);
  if (guard_ == Guard::by_fields) append_fields(to, change.now);
}

Result<void> GuardedWrites::replace(const std::vector<const GuardedChange*>& changes) {
  bson::Builder command;
  command.append_text("update", name_.collection);
  command.append_bool("ordered", false);
  command.append_bool("bypassDocumentValidation", true);
  append_majority(command);
  command.begin_array("updates");
  for (std::size_t number = 0; number < changes.size(); ++number) {
    command.begin_document(std::to_string(number));
    command.begin_document("q");
    append_filter(command, *changes[number]);
    command.end();
    command.append_document("u", Document::trusted(changes[number]->then));
    command.end();
  }
  command.end();
  TRY(send(command.finish(), "putting documents of " + name_.ns() + " back"));
  return count_done(changes);
}

Result<void> GuardedWrites::remove(const std::vector<const GuardedChange*>& changes) {
  bson::Builder command;
  command.append_text("delete", name_.collection);
  command.append_bool("ordered", false);
  append_majority(command);
  command.begin_array("deletes");
  for (std::size_t number = 0; number < changes.size(); ++number) {
    command.begin_document(std::to_string(number));
    command.begin_document("q");
    append_filter(command, *changes[number]);
    command.end();
    command.append_int32("limit", 1);
    command.end();
  }
  command.end();
  TRY(send(command.finish(), "removing documents of " + name_.ns()));
  return count_done(changes);
}

Result<void> GuardedWrites::send(Document command, std::string_view doing) {
  const auto outcome = TRY(link_.write(name_.db, command, doing));
  for (const WriteFailure& failure : outcome.failures) {
    if (refusals_.size() < refusals_max) refusals_.push_back(failure.message);
  }
  return {};
}

// The answer only counts; which ones it were, is read.
Result<void> GuardedWrites::count_done(const std::vector<const GuardedChange*>& changes) {
  std::vector<ByteView> ids;
  for (const GuardedChange* change : changes) ids.emplace_back(change->now);
  auto* connection = TRY(link_.connection());
  const auto current = TRY(fetch_same_ids(*connection, name_, ids));
  for (const GuardedChange* change : changes) {
    const auto found = current.find(key_of_document(change->now));
    const bool is_done = change->then.empty()
                             ? found == current.end()
                             : found != current.end() && is_equal(found->second, change->then);
    ++(is_done ? written_ : left_);
  }
  return {};
}

}  // namespace holdfast::recover
