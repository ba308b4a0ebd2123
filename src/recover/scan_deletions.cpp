#include "recover/scan_deletions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/time_text.hpp"
#include "catalog/mongo_points.hpp"
#include "catalog/stored_base.hpp"
#include "dataset/spill_files.hpp"
#include "recover/namespace_choice.hpp"

namespace holdfast::recover {

namespace {

using oplog::MassChange;
using oplog::MassKind;
using oplog::Timestamp;

// For a shell: names of collections may hold anything.
std::string for_shell(std::string_view word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,";
  if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos)
    return std::string(word);
  std::string text = "'";
  for (const char letter : word) {
    if (letter == '\'')
      text += "'\\''";
    else
      text += letter;
  }
  return text + "'";
}

bool is_rewrite(MassKind kind) {
  return kind == MassKind::updates || kind == MassKind::replacements;
}

// Facts of collections as one base has them.
struct BaseFacts {
  struct Facts {
    std::uint64_t count = 0;
    bool has_expiry_index = false;
  };
  std::map<oplog::Uuid, Facts> by_uuid;
  std::map<std::string, Facts, std::less<>> by_name;
};

bool has_expiry(const dataset::MongoCollection& collection) {
  return std::any_of(collection.indexes.begin(), collection.indexes.end(), [](const Bytes& spec) {
    return bson::Document::trusted(spec).find("expireAfterSeconds").has_value();
  });
}

class DeletionScan {
 public:
  DeletionScan(const repo::Repository& repository, const ScanDeletionsOptions& options,
               NamespaceChoice choice, catalog::MongoPoints& points)
      : repository_(repository),
        options_(options),
        choice_(std::move(choice)),
        points_(points),
        windows_(points.windows()),
        spill_(options.temp_directory) {}

  Result<ScanDeletionsResult> run() {
    const WallTime from = repository_.context().clock.now() - options_.since;
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(from.time_since_epoch()).count();
    result_.since = {static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 0, UINT32_MAX)),
                     0};
    const auto& chains = points_.timeline().chains();
    if (!chains.empty()) result_.newest_recorded = chains.back().last().ts;
    for (const oplog::Chain& chain : chains) {
      if (chain.last().ts >= result_.since) note_gap(chain);
      previous_end_ = chain.last().ts;
      if (chain.last().ts < result_.since) continue;
      TRY(scan(chain));
    }
    note_nothing();
    std::stable_sort(result_.found.begin(), result_.found.end(),
                     [](const FoundChange& left, const FoundChange& right) {
                       return left.change.first.ts < right.change.first.ts;
                     });
    return std::move(result_);
  }

 private:
  Result<void> scan(const oplog::Chain& chain) {
    oplog::MassChangeOptions options;
    options.count_min = options_.count_min;
    options.span = options_.span;
    options.rules = options_.rules;
    options.from = result_.since;
    oplog::MassChangeScan scan(spill_, options);
    const auto overlapping = std::find_if(
        chain.segments.begin(), chain.segments.end(),
        [&](const oplog::SegmentFacts& segment) { return segment.last.ts >= result_.since; });
    const auto first = start_of(chain, overlapping);
    for (auto segment = first; segment != chain.segments.end(); ++segment) {
      TRY(repository_.context().check_stop());
      const Bytes bytes = TRY(points_.load_segment(*segment));
      dataset::BsonBytes entries(bytes, dataset::segment_path(*segment));
      ++result_.segment_count;
      while (true) {
        const auto entry = TRY(entries.next());
        if (!entry) break;
        TRY(scan.accept(*entry));
      }
    }
    return take(scan.finish());
  }

  // Where transactions that are open at the beginning of `segment` began.
  static std::vector<oplog::SegmentFacts>::const_iterator start_of(
      const oplog::Chain& chain, std::vector<oplog::SegmentFacts>::const_iterator segment) {
    if (segment == chain.segments.begin()) return segment;
    const Timestamp open = std::prev(segment)->oldest_open;
    if (open == Timestamp{}) return segment;
    return std::find_if(chain.segments.begin(), segment,
                        [&](const oplog::SegmentFacts& before) { return before.last.ts >= open; });
  }

  Result<void> take(oplog::MassChangeReport report) {
    result_.entry_count += report.entry_count;
    result_.left_out_count += report.left_out_count;
    if (!result_.first_entry) result_.first_entry = report.first_entry;
    if (report.last_entry) result_.last_entry = report.last_entry;
    for (std::string& note : report.notes) result_.notes.push_back(std::move(note));
    if (report.unreadable_count > report.notes.size())
      result_.notes.push_back(
          fmt::format("{} entries in all could not be read", report.unreadable_count));
    for (MassChange& change : report.changes) {
      if (!is_chosen(change)) continue;
      if (change.statement == oplog::Statement::expiry && options_.expiry == Expiry::leave_out) {
        ++result_.expiry_count;
        continue;
      }
      auto found = TRY(describe(std::move(change)));
      result_.found.push_back(std::move(found));
    }
    return {};
  }

  bool is_chosen(const MassChange& change) const {
    if (change.kind != MassKind::drop_database) return choice_.takes(change.ns);
    return choice_.takes_all() ||
           std::any_of(options_.only.begin(), options_.only.end(), [&](const std::string& only) {
             return only.substr(0, only.find('.')) == change.ns;
           });
  }

  Result<FoundChange> describe(MassChange change) {
    FoundChange found;
    const auto window = points_.timeline().choose(windows_, change.before);
    if (window.has_value()) {
      const auto* const facts = TRY(facts_of(window->base));
      fill_in(*facts, change, found);
      found.restore_command = command_for(change);
    } else {
      found.why_not = window.error().message;
    }
    found.change = std::move(change);
    return found;
  }

  static void fill_in(const BaseFacts& base, const MassChange& change, FoundChange& found) {
    const BaseFacts::Facts* facts = nullptr;
    if (change.uuid) {
      const auto item = base.by_uuid.find(*change.uuid);
      if (item != base.by_uuid.end()) facts = &item->second;
    }
    if (facts == nullptr) {
      const auto item = base.by_name.find(change.ns);
      if (item != base.by_name.end()) facts = &item->second;
    }
    if (facts == nullptr) return;
    found.collection_count = facts->count;
    found.has_expiry_index = facts->has_expiry_index;
    if (facts->count > 0 && change.count > 0)
      found.share =
          std::min(1.0, static_cast<double>(change.count) / static_cast<double>(facts->count));
  }

  std::string command_for(const MassChange& change) const {
    std::string command = "holdfast restore";
    for (const std::string& word : options_.repository_words) command += " " + for_shell(word);
    // A server's URI can hold a password: the person fills it in.
    return command + fmt::format(" --dataset {} --at {} --to 'mongodb://HOST' --only {} {}",
                                 for_shell(options_.dataset), oplog::to_text(change.before),
                                 for_shell(change.ns),
                                 is_rewrite(change.kind) ? "--changed-only" : "--missing-only");
  }

  Result<const BaseFacts*> facts_of(std::size_t base) {
    const auto known = bases_.find(base);
    if (known != bases_.end()) return &known->second;
    const auto stored = TRY(catalog::StoredBase::open(repository_, points_.bases()[base].stored));
    BaseFacts facts;
    for (const dataset::StoredCollection& collection : stored->manifest().collections) {
      if (!collection.facts.has_documents) continue;
      const BaseFacts::Facts one{collection.count, has_expiry(collection.facts)};
      facts.by_name[collection.facts.ns()] = one;
      if (collection.facts.uuid) facts.by_uuid[*collection.facts.uuid] = one;
    }
    return &bases_.emplace(base, std::move(facts)).first->second;
  }

  void note_gap(const oplog::Chain& chain) {
    const Timestamp begin = chain.first().ts;
    if (begin <= result_.since) return;
    result_.notes.push_back(
        previous_end_
            ? fmt::format("nothing is recorded between {} and {}: what happened there is not known",
                          catalog::describe(*previous_end_), catalog::describe(begin))
            : fmt::format("nothing is recorded before {}", catalog::describe(begin)));
  }

  void note_nothing() {
    if (result_.first_entry) return;
    const std::string since = format_time(result_.since.seconds, 0);
    if (result_.newest_recorded)
      result_.notes.push_back(
          fmt::format("nothing is recorded since {}: the newest recorded entry "
                      "is {}",
                      since, catalog::describe(*result_.newest_recorded)));
    else
      result_.notes.push_back(
          fmt::format("nothing is recorded since {}: the dataset has no recorded oplog", since));
  }

  const repo::Repository& repository_;
  const ScanDeletionsOptions& options_;
  NamespaceChoice choice_;
  catalog::MongoPoints& points_;
  std::vector<oplog::BaseWindow> windows_;
  dataset::SpillFiles spill_;
  std::map<std::size_t, BaseFacts> bases_;
  std::optional<Timestamp> previous_end_;
  ScanDeletionsResult result_;
};

}  // namespace

Result<ScanDeletionsResult> scan_deletions(repo::Repository& repository,
                                           const ScanDeletionsOptions& options) {
  constexpr std::uint64_t count_min_max = 10'000;
  constexpr std::chrono::seconds span_max = std::chrono::hours(24);
  if (options.count_min == 0 || options.count_min > count_min_max)
    return fail(ErrorCode::usage, fmt::format("a burst begins with 1 to {} changes; {} is outside",
                                              count_min_max, options.count_min));
  if (options.span.count() < 1 || options.span > span_max)
    return fail(ErrorCode::usage, fmt::format("the span of a burst is 1 to {} seconds; {} is "
                                              "outside",
                                              span_max.count(), options.span.count()));
  NamespaceChoice choice = TRY(NamespaceChoice::make(options.only, {}));
  const auto snapshots = TRY(repository.snapshots());
  TRY(repository.load_index());
  auto points = TRY(catalog::MongoPoints::load(repository, snapshots, options.dataset));
  DeletionScan scan(repository, options, std::move(choice), points);
  return scan.run();
}

}  // namespace holdfast::recover
