#pragma once
// The merge of a moment with a live server, collection by collection: what comparing and undeleting
// have in common.
#include <set>

#include "recover/difference_spool.hpp"
#include "recover/live_catalog.hpp"
#include "recover/live_documents.hpp"

namespace holdfast::recover {

// What is to be found out, and who is told.
class ComparisonTaker {
 public:
  virtual ~ComparisonTaker() = default;
  virtual LiveFields fields() const = 0;       // id_only: nothing is `different`
  virtual Bytes filter() const { return {}; }  // of the live documents
  // Is this difference to be kept?
  virtual bool wants(DifferenceKind kind, ByteView key) const = 0;
  // A collection is done: its totals and what was kept.
  virtual Result<void> take(const MomentCollection& then, ComparedCollection compared,
                            DifferenceSpool differences) = 0;
  // A view has no documents: only its catalog sentences tell.
  virtual Result<void> take_view(ComparedCollection compared) = 0;
};

// Drives one comparison. One thread.
class LiveComparison final : private MomentSink {
 public:
  LiveComparison(MomentStream& moment, mongo::Deployment& live, Context& context,
                 oplog::SpillStore& spill, ComparisonTaker& taker)
      : moment_(moment),
        live_(live),
        context_(context),
        spill_(spill),
        taker_(taker),
        differences_(spill) {}

  // Everything that the request takes and a server keeps as data, and views by their definitions.
  // Users and roles are not compared.
  Result<MomentReport> run();
  // Namespaces (as on the server) that were compared.
  const std::set<std::string>& compared() const { return compared_names_; }
  // A live collection or view that did not exist at the moment.
  Result<void> compare_with_nothing(const LiveCollection& live);
  Result<void> compare_view_with_nothing(const LiveCollection& live);

 private:
  Result<void> begin(const MomentCollection& collection) override;
  Result<void> document(ByteView document) override;
  Result<void> end(const oplog::CollectionTotals& totals) override;

  void begin_result(const MomentCollection& collection);
  Result<void> compare_view(const MomentCollection& view);
  Result<void> find_live();
  Result<void> open_live(LiveOrder order);
  Result<void> merge(ByteView then);
  Result<void> pass_over(std::optional<ByteView> up_to);
  Result<void> advance();
  Result<void> differ(DifferenceKind kind, ByteView key, ByteView then, ByteView now);
  Result<void> finish();
  Result<void> finish_sorted();
  bool is_catalog_told() const { return taker_.fields() == LiveFields::whole; }

  MomentStream& moment_;
  mongo::Deployment& live_;
  Context& context_;
  oplog::SpillStore& spill_;
  ComparisonTaker& taker_;
  std::optional<mongo::Connection> connection_;  // for the catalog

  std::set<std::string> compared_names_;
  std::set<std::string> again_;  // as they were: the server's order was not ours
  bool is_second_pass_ = false;

  std::string views_of_;  // the database whose list of views comes now; else empty

  // The collection that is being compared.
  bool is_open_ = false;
  bool is_broken_ = false;  // out of order: the rest is passed over
  MomentCollection then_;
  ComparedCollection result_;
  std::optional<LiveCollection> found_;
  std::unique_ptr<LiveDocuments> documents_;
  const LiveDocument* now_ = nullptr;
  std::optional<dataset::DocumentSorter> sorter_;  // of documents that come in natural order
  bson::ContentDigest then_digest_;
  bson::ContentDigest now_digest_;
  Bytes key_;
  DifferenceSpool differences_;
};

}  // namespace holdfast::recover
