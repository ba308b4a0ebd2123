#include "recover/compare_mongo.hpp"

#include <algorithm>

#include "dataset/spill_files.hpp"
#include "recover/live_compare.hpp"
#include "recover/restorable.hpp"

namespace holdfast::recover {

namespace {

bson::Value id_of(ByteView document) {
  return bson::Document::trusted(document).find("_id").value_or(bson::Value{});
}

class DifferenceTeller final : public ComparisonTaker {
 public:
  DifferenceTeller(const OnDifference& tell, CompareMongoResult& result)
      : tell_(tell), result_(result) {}

  LiveFields fields() const override { return LiveFields::whole; }
  bool wants(DifferenceKind, ByteView) const override { return static_cast<bool>(tell_); }
  Result<void> take(const MomentCollection&, ComparedCollection compared,
                    DifferenceSpool differences) override {
    TRY(differences.replay([&](const SpooledDifference& each) {
      const auto id = id_of(each.then.empty() ? each.now : each.then);
      return tell_({each.kind, compared.ns, compared.target_ns, id, each.then, each.now});
    }));
    result_.collections.push_back(std::move(compared));
    return {};
  }
  Result<void> take_view(ComparedCollection compared) override {
    result_.collections.push_back(std::move(compared));
    return {};
  }

 private:
  const OnDifference& tell_;
  CompareMongoResult& result_;
};

Restorable what_of(const LiveCollection& live) {
  MomentCollection as_if;
  as_if.facts.db = live.db;
  as_if.facts.name = live.name;
  as_if.facts.type = live.type;
  as_if.facts.options = live.options;
  return what_of(as_if);
}

// Collections and views of the server that did not exist at the moment.
Result<void> compare_rest(MomentStream& moment, LiveComparison& comparison, mongo::Deployment& live,
                          const MomentRequest& request) {
  // After a rename, nobody can say which live name would have been taken.
  if (!request.renames.empty()) return {};
  auto connection = TRY(live.connect_to(mongo::ReadFrom::primary));
  const auto databases = TRY(list_databases(connection));
  for (const std::string& db : databases) {
    const auto collections = TRY(list_collections(connection, db));
    for (const LiveCollection& each : collections) {
      const std::string ns = each.ns();
      const bool is_asked = moment.choice().takes(ns) && moment.covers(ns);
      if (!is_asked || comparison.compared().contains(ns)) continue;
      const Restorable what = what_of(each);
      if (what == Restorable::documents) TRY(comparison.compare_with_nothing(each));
      if (what == Restorable::view) TRY(comparison.compare_view_with_nothing(each));
    }
  }
  return {};
}

}  // namespace

std::string_view name_of(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::missing:
      return "missing";
    case DifferenceKind::extra:
      return "extra";
    case DifferenceKind::different:
      return "different";
  }
  return "";
}

bool CompareMongoResult::has_equal_documents() const {
  return std::all_of(collections.begin(), collections.end(),
                     [](const ComparedCollection& each) { return each.has_equal_documents(); });
}
bool CompareMongoResult::is_equal() const {
  return std::all_of(collections.begin(), collections.end(),
                     [](const ComparedCollection& each) { return each.is_equal(); });
}

Result<CompareMongoResult> compare_mongo(repo::Repository& repository, mongo::Deployment& live,
                                         const MomentRequest& request,
                                         const OnDifference& on_difference) {
  MomentStream moment = TRY(MomentStream::open(repository, request));
  CompareMongoResult result;
  result.base = moment.base();
  result.at = moment.at();
  result.moment = moment.moment();
  dataset::SpillFiles spill(request.temp_directory);
  DifferenceTeller teller(on_difference, result);
  LiveComparison comparison(moment, live, repository.context(), spill, teller);
  auto report = TRY(comparison.run());
  TRY(compare_rest(moment, comparison, live, request));
  if (result.collections.empty() && !moment.choice().takes_all())
    return fail(ErrorCode::not_found, "none of the chosen namespaces existed at that moment");
  result.notes = std::move(report.notes);
  std::sort(result.collections.begin(), result.collections.end(),
            [](const auto& left, const auto& right) { return left.ns < right.ns; });
  return result;
}

}  // namespace holdfast::recover
