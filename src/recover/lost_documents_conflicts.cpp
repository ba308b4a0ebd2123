#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bson/compare.hpp"
#include "bson/ext_json.hpp"
#include "mongo/cursor.hpp"
#include "recover/lost_documents.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;

std::string id_text(Document document) {
  const auto id = document.find("_id");
  return id ? bson::to_ext_json(*id, bson::JsonForm::relaxed) : std::string("a document");
}

bool is_same_document(Document left, Document right) {
  const auto one = left.find("_id");
  const auto other = right.find("_id");
  return one && other && bson::is_same(*one, *other);
}

// The keys of some documents in one index, asked for in pieces.
class KeyLookup {
 public:
  KeyLookup(mongo::Connection& connection, const NamespaceName& name, const WatchedIndex& watched,
            const std::vector<ByteView>& documents)
      : connection_(connection), name_(name), watched_(watched), documents_(documents) {}

  Result<void> run(std::vector<KeyConflict>& conflicts) {
    for (std::size_t at = 0; at < documents_.size(); ++at) {
      const auto document = Document::trusted(documents_[at]);
      if (!is_in(document)) continue;
      for (IndexKey& key : watched_.rule.keys_of(document)) {
        Bytes bytes = key.bytes;
        bytes_ += bytes.size();
        waiting_.emplace(std::move(bytes), Waiting{at, std::move(key)});
        const bool is_full = waiting_.size() == looked_up_keys_max || bytes_ >= looked_up_bytes_max;
        if (is_full) TRY(ask(conflicts));
      }
    }
    return ask(conflicts);
  }

 private:
  struct Waiting {
    std::size_t document;
    IndexKey key;
  };

  // In doubt, an index that the server has is the server's business.
  bool is_in(Document document) const {
    const Membership membership = watched_.rule.membership(document);
    if (membership == Membership::unknown) return watched_.guard == Guard::gone;
    return membership == Membership::in;
  }

  Result<void> ask(std::vector<KeyConflict>& conflicts) {
    if (waiting_.empty()) return {};
    std::vector<const IndexKey*> keys;
    for (const auto& [bytes, waiting] : waiting_) keys.push_back(&waiting.key);
    mongo::FindRequest request;
    request.db = name_.db;
    request.collection = name_.collection;
    request.filter = watched_.rule.query(keys);
    auto cursor = TRY(mongo::Cursor::open(connection_, request));
    while (true) {
      const auto found = TRY(cursor.next());
      if (!found) break;
      judge(Document::trusted(*found), conflicts);
    }
    waiting_.clear();
    bytes_ = 0;
    return {};
  }

  void judge(Document taken, std::vector<KeyConflict>& conflicts) {
    for (const IndexKey& key : watched_.rule.keys_of(taken)) {
      const auto range = waiting_.equal_range(key.bytes);
      for (auto item = range.first; item != range.second; ++item) {
        const auto wanted = Document::trusted(documents_[item->second.document]);
        if (!is_same_document(wanted, taken)) tell(item->second.document, taken, conflicts);
      }
    }
  }

  void tell(std::size_t at, Document taken, std::vector<KeyConflict>& conflicts) {
    const bool is_told =
        std::any_of(conflicts.begin(), conflicts.end(), [&](const KeyConflict& conflict) {
          return conflict.document == at && conflict.index == watched_.rule.name();
        });
    if (is_told) return;
    conflicts.push_back(
        {at, std::string(watched_.rule.name()),
         fmt::format("{} can not be inserted: {} has its key in the unique index {}{}",
                     id_text(Document::trusted(documents_[at])), id_text(taken),
                     watched_.rule.name(),
                     watched_.guard == Guard::gone ? ", which was there then" : "")});
  }

  mongo::Connection& connection_;
  const NamespaceName& name_;
  const WatchedIndex& watched_;
  const std::vector<ByteView>& documents_;
  std::multimap<Bytes, Waiting> waiting_;  // at most looked_up_keys_max
  std::size_t bytes_ = 0;
};

void note_gone(const WatchedIndex& watched, const std::vector<Bytes>& now,
               LostCollection& collection) {
  const bool has_name = std::any_of(now.begin(), now.end(), [&](const Bytes& spec) {
    return oplog::index_name(spec) == watched.rule.name();
  });
  collection.notes.push_back(fmt::format(
      "the unique index {} was there then and is {} now: its keys are looked up all the "
      "same, so that none comes twice; without an index that may be slow",
      watched.rule.name(), has_name ? "another one" : "missing"));
  if (watched.rule.has_collation())
    collection.notes.push_back(
        fmt::format("{} compares by a collation: only keys that are equal without it are found",
                    watched.rule.name()));
}

// Those that the server has, then those that were there and forbade something else.
std::vector<WatchedIndex> watched_indexes(const std::vector<Bytes>& then,
                                          const std::vector<Bytes>& now,
                                          LostCollection& collection) {
  std::vector<WatchedIndex> watched;
  for (const Bytes& spec : now) {
    if (auto rule = UniqueIndex::of(spec)) watched.push_back({Guard::by_server, std::move(*rule)});
  }
  for (const Bytes& spec : then) {
    auto rule = UniqueIndex::of(spec);
    const bool is_guarded =
        !rule || std::any_of(watched.begin(), watched.end(),
                             [&](const WatchedIndex& each) { return each.rule.is_like(*rule); });
    if (is_guarded) continue;
    watched.push_back({Guard::gone, std::move(*rule)});
    note_gone(watched.back(), now, collection);
  }
  return watched;
}

}  // namespace

Result<std::vector<KeyConflict>> find_key_conflicts(mongo::Connection& connection,
                                                    const NamespaceName& name,
                                                    const std::vector<WatchedIndex>& indexes,
                                                    const std::vector<ByteView>& documents) {
  std::vector<KeyConflict> conflicts;
  for (const WatchedIndex& index : indexes) {
    KeyLookup lookup(connection, name, index, documents);
    TRY(lookup.run(conflicts));
  }
  return conflicts;
}

Result<void> find_conflicts(mongo::Connection& connection, LostDocuments::Impl::Found& found,
                            LostCollection& collection) {
  if (found.is_absent_now) return {};
  const auto now = TRY(list_indexes(connection, found.target.db, found.target.collection));
  const auto watched = watched_indexes(found.then.facts.indexes, now, collection);
  for (const WatchedIndex& each : watched) {
    if (each.guard == Guard::gone) found.unguarded.push_back(each);
  }
  if (watched.empty()) return {};
  std::vector<Bytes> documents;
  std::size_t bytes = 0;
  const auto collect = [&](const SpooledDifference& each) -> Result<void> {
    bytes += each.then.size();
    const bool has_room = documents.size() < probed_documents_max && bytes <= probed_bytes_max;
    if (has_room || documents.empty()) documents.push_back(to_bytes(each.then));
    return {};
  };
  TRY(found.documents.replay(collect));
  const std::vector<ByteView> views(documents.begin(), documents.end());
  auto conflicts = TRY(find_key_conflicts(connection, found.target, watched, views));
  collection.conflict_count = conflicts.size();
  for (KeyConflict& conflict : conflicts) {
    if (collection.conflicts.size() == conflicts_max) break;
    collection.conflicts.push_back(std::move(conflict.sentence));
  }
  if (collection.count > documents.size())
    collection.notes.push_back(
        fmt::format("conflicts were looked for in the first {} documents", documents.size()));
  return {};
}

}  // namespace holdfast::recover
