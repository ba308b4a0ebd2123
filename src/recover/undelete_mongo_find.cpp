#include <fmt/format.h>

#include <algorithm>

#include "bson/builder.hpp"
#include "bson/key.hpp"
#include "recover/known_namespaces.hpp"
#include "recover/lost_documents.hpp"

namespace holdfast::recover {

namespace {

class LostTaker final : public ComparisonTaker {
 public:
  LostTaker(const UndeleteOptions& options, LostDocuments::Impl& lost)
      : options_(options), lost_(lost) {
    for (const Bytes& id : options.ids) {
      const auto document = bson::Document::trusted(id);
      if (!document.is_empty()) keys_.insert(bson::key_of((*document.begin()).value));
    }
  }

  LiveFields fields() const override {
    return options_.what == Lost::missing ? LiveFields::id_only : LiveFields::whole;
  }
  Bytes filter() const override { return options_.filter; }
  bool wants(DifferenceKind kind, ByteView key) const override {
    const auto wanted =
        options_.what == Lost::missing ? DifferenceKind::missing : DifferenceKind::different;
    return kind == wanted && (options_.ids.empty() || keys_.contains(to_bytes(key)));
  }

  Result<void> take(const MomentCollection& then, ComparedCollection compared,
                    DifferenceSpool differences) override {
    is_any_compared_ = true;
    if (differences.count() == 0) return {};
    LostCollection collection;
    collection.ns = compared.ns;
    collection.target_ns = compared.target_ns;
    collection.count = differences.count();
    if (compared.is_absent_now)
      collection.notes.emplace_back("the collection is gone: it is made again, with its indexes");
    TRY(differences.replay([&](const SpooledDifference& each) -> Result<void> {
      collection.bytes += each.then.size();
      if (collection.samples.size() < samples_max) collection.samples.push_back(sample_of(each));
      return {};
    }));
    lost_.found.push_back({then,
                           split_namespace(compared.target_ns),
                           compared.is_absent_now,
                           std::move(differences),
                           {}});
    lost_.collections.push_back(std::move(collection));
    return {};
  }

  // Views have nothing to put back.
  Result<void> take_view(ComparedCollection compared) override {
    is_any_compared_ = true;
    if (compared.is_absent_now)
      lost_.notes.push_back(fmt::format(
          "the view {} is gone: only documents are put back here; `restore --only {}` makes it",
          compared.target_ns, compared.ns));
    return {};
  }

  bool is_any_compared() const { return is_any_compared_; }

 private:
  static LostSample sample_of(const SpooledDifference& each) {
    bson::Builder id;
    if (const auto value = bson::Document::trusted(each.then).find("_id")) id.append("", *value);
    return {id.take(), to_bytes(each.then), to_bytes(each.now)};
  }

  const UndeleteOptions& options_;
  LostDocuments::Impl& lost_;
  std::set<Bytes> keys_;
  bool is_any_compared_ = false;
};

Result<void> check(const UndeleteOptions& options) {
  if (options.what == Lost::missing && !options.filter.empty())
    return fail(ErrorCode::usage,
                "a filter is asked of the server, which does not have what is missing: name the "
                "_ids instead");
  return {};
}

}  // namespace

LostDocuments::LostDocuments(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LostDocuments::LostDocuments(LostDocuments&&) noexcept = default;
LostDocuments& LostDocuments::operator=(LostDocuments&&) noexcept = default;
LostDocuments::~LostDocuments() = default;

Lost LostDocuments::what() const {
  return impl_->what;
}
const repo::SnapshotId& LostDocuments::base() const {
  return impl_->base;
}
const std::optional<oplog::Timestamp>& LostDocuments::at() const {
  return impl_->at;
}
const std::string& LostDocuments::moment() const {
  return impl_->moment;
}
const std::vector<LostCollection>& LostDocuments::collections() const {
  return impl_->collections;
}
const std::vector<std::string>& LostDocuments::notes() const {
  return impl_->notes;
}
std::uint64_t LostDocuments::count() const {
  std::uint64_t count = 0;
  for (const LostCollection& each : impl_->collections) count += each.count;
  return count;
}

Result<LostDocuments> find_lost(repo::Repository& repository, mongo::Deployment& live,
                                const UndeleteOptions& options) {
  TRY(check(options));
  MomentStream moment = TRY(MomentStream::open(repository, options.moment));
  TRY(require_meant(moment));
  auto lost = std::make_unique<LostDocuments::Impl>(options);
  lost->base = moment.base();
  lost->at = moment.at();
  lost->moment = moment.moment();
  LostTaker taker(options, *lost);
  LiveComparison comparison(moment, live, repository.context(), lost->spill, taker);
  auto report = TRY(comparison.run());
  std::move(report.notes.begin(), report.notes.end(), std::back_inserter(lost->notes));
  if (!taker.is_any_compared() && !moment.choice().takes_all())
    return fail(ErrorCode::not_found, "none of the chosen namespaces existed at that moment");
  if (options.what == Lost::changed || lost->found.empty()) return LostDocuments(std::move(lost));
  auto connection = TRY(live.connect_to(mongo::ReadFrom::primary));
  for (std::size_t at = 0; at < lost->found.size(); ++at)
    TRY(find_conflicts(connection, lost->found[at], lost->collections[at]));
  return LostDocuments(std::move(lost));
}

}  // namespace holdfast::recover
