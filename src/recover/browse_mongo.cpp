#include "recover/browse_mongo.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/builder.hpp"
#include "bson/ext_json.hpp"
#include "catalog/stored_base.hpp"
#include "dataset/spill_files.hpp"
#include "oplog/applier.hpp"

namespace holdfast::recover {

namespace {

bool is_object_id(std::string_view text) {
  constexpr std::size_t digits = 24;
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

Result<void> check_namespace(std::string_view ns) {
  const std::size_t dot = ns.find('.');
  if (dot != std::string_view::npos && dot > 0 && dot + 1 < ns.size()) return {};
  return fail(ErrorCode::usage, fmt::format("'{}' is no db.collection", ns));
}

// What a look-up starts from.
class Lookup {
 public:
  static Result<std::unique_ptr<Lookup>> open(repo::Repository& repository,
                                              const DocumentQuery& query) {
    TRY(check_namespace(query.ns));
    Bytes id = TRY(parse_document_id(query.id));
    const auto snapshots = TRY(repository.snapshots());
    TRY(repository.load_index());
    auto points = TRY(catalog::MongoPoints::load(repository, snapshots, query.dataset));
    return std::make_unique<Lookup>(repository, query, std::move(id), std::move(points));
  }

  Lookup(const repo::Repository& repository, const DocumentQuery& query, Bytes id,
         catalog::MongoPoints points)
      : repository_(repository),
        query_(query),
        id_(std::move(id)),
        points_(std::move(points)),
        spill_(query.temp_directory) {}

  catalog::MongoPoints& points() { return points_; }
  bson::Value id() const { return (*bson::Document::trusted(id_).begin()).value; }

  // Versions up to `to` computed from one base, through its chain.
  Result<std::vector<oplog::DocumentVersion>> history(catalog::StoredBase& base,
                                                      const oplog::Recoverable& window,
                                                      oplog::Timestamp to) {
    const oplog::BaseLookup find = [&base](const oplog::CollectionFacts& facts,
                                           bson::Value wanted) -> Result<std::optional<Bytes>> {
      const auto* stored = base.find_collection(facts.uuid);
      if (stored == nullptr) return std::optional<Bytes>();
      return base.find(*stored, wanted);
    };
    auto entries = entries_for(base, window);
    return oplog::history_of(base, find, *entries, spill_,
                             {.ns = query_.ns, .id = id(), .to = to, .rules = query_.rules});
  }

  // The collection that bears the name at that moment.
  Result<std::optional<oplog::Uuid>> bearer_at(catalog::StoredBase& base,
                                               const oplog::Recoverable& window,
                                               oplog::Timestamp at) {
    auto facts = TRY(base.collections());
    auto catalog = TRY(oplog::Catalog::make(std::move(facts)));
    oplog::NoEffects ignored;
    oplog::Applier applier(catalog, spill_, ignored,
                           {at, base.window(), query_.rules,
                            [&base](std::string_view ns) { return base.covers(ns); }});
    auto entries = entries_for(base, window);
    TRY(oplog::feed(*entries, applier));
    const auto number = catalog.find_name(query_.ns);
    if (!number) return std::optional<oplog::Uuid>();
    return std::optional<oplog::Uuid>(catalog.at(*number).facts.uuid);
  }

  // The document in the base itself, by name.
  Result<std::optional<Bytes>> find_as_stored(catalog::StoredBase& base) {
    for (const dataset::StoredCollection& stored : base.manifest().collections) {
      if (stored.facts.ns() == query_.ns && stored.facts.has_documents)
        return base.find(stored, id());
    }
    return std::optional<Bytes>();
  }

  Result<std::unique_ptr<catalog::StoredBase>> open_base(const repo::StoredSnapshot& stored) {
    return catalog::StoredBase::open(repository_, stored);
  }

 private:
  std::unique_ptr<oplog::EntrySource> entries_for(const catalog::StoredBase& base,
                                                  const oplog::Recoverable& window) {
    if (window.chain == oplog::Recoverable::npos) return std::make_unique<catalog::NoEntries>();
    const oplog::Chain& chain = points_.timeline().chains()[window.chain];
    const std::size_t first = oplog::Timeline::first_segment_for(chain, base.window());
    return std::make_unique<catalog::SegmentEntries>(points_, chain, first);
  }

  const repo::Repository& repository_;
  const DocumentQuery& query_;
  Bytes id_;
  catalog::MongoPoints points_;
  dataset::SpillFiles spill_;
};

// The earliest base of each chain tells the most; bases without a chain tell their own moment.
std::vector<oplog::Recoverable> windows_to_read(const catalog::MongoPoints& points) {
  std::vector<oplog::Recoverable> chosen;
  for (const oplog::Recoverable& window : points.timeline().recoverable(points.windows())) {
    const bool is_told = std::any_of(chosen.begin(), chosen.end(), [&](const auto& other) {
      return other.chain == window.chain && window.chain != oplog::Recoverable::npos;
    });
    if (!is_told) chosen.push_back(window);
  }
  return chosen;
}

}  // namespace

Result<Bytes> parse_document_id(std::string_view text) {
  if (text.empty()) return fail(ErrorCode::usage, "an empty _id");
  bson::Builder builder;
  if (is_object_id(text)) {
    const Bytes bytes = TRY(from_hex(text));
    builder.append("", {bson::Type::object_id, bytes});
    return builder.take();
  }
  auto value = bson::parse_ext_json_value(text);
  if (value.has_value()) return std::move(*value);
  const bool looks_like_json = text[0] == '{' || text[0] == '[' || text[0] == '"';
  if (looks_like_json)
    return fail(ErrorCode::usage, fmt::format("the _id is no JSON: {}", value.error().message));
  builder.append_text("", text);
  return builder.take();
}

Result<std::vector<FoundVersion>> versions_of(repo::Repository& repository,
                                              const DocumentQuery& query) {
  const auto lookup = TRY(Lookup::open(repository, query));
  std::vector<FoundVersion> found;
  for (const oplog::Recoverable& window : windows_to_read(lookup->points())) {
    const auto& stored = lookup->points().bases()[window.base].stored;
    const auto base = TRY(lookup->open_base(stored));
    auto versions = TRY(lookup->history(*base, window, window.to));
    for (oplog::DocumentVersion& version : versions)
      found.push_back({std::move(version), stored.id});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.version.order < b.version.order; });
  return found;
}

Result<DocumentAtMoment> document_at(repo::Repository& repository, const DocumentQuery& query) {
  const catalog::Moment moment = TRY(catalog::parse_moment(query.at));
  const auto lookup = TRY(Lookup::open(repository, query));
  catalog::MongoPoints& points = lookup->points();
  if (points.bases().empty() && !points.timeless().empty() &&
      moment.kind == catalog::MomentKind::newest) {
    const auto& stored = points.timeless().back();
    const auto base = TRY(lookup->open_base(stored));
    auto document = TRY(lookup->find_as_stored(*base));
    return DocumentAtMoment{std::nullopt, "the newest dump as it is", stored.id,
                            std::move(document)};
  }
  const catalog::MomentChoice choice =
      TRY(catalog::choose_moment(points.timeline(), points.windows(), moment));
  const auto& stored = points.bases()[choice.window.base].stored;
  const auto base = TRY(lookup->open_base(stored));
  const std::string text = moment.kind == catalog::MomentKind::newest ? catalog::describe(choice.at)
                                                                      : catalog::describe(moment);
  DocumentAtMoment result{choice.at, text, stored.id, {}};
  if (base->window().kind != oplog::BaseKind::fuzzy && base->window().last == choice.at) {
    result.document = TRY(lookup->find_as_stored(*base));
    return result;
  }
  const auto bearer = TRY(lookup->bearer_at(*base, choice.window, choice.at));
  if (!bearer) return result;
  auto versions = TRY(lookup->history(*base, choice.window, choice.at));
  for (oplog::DocumentVersion& version : versions) {
    if (version.uuid == *bearer) result.document = std::move(version.document);
  }
  return result;
}

}  // namespace holdfast::recover
