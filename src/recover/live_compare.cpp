#include "recover/live_compare.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/compare.hpp"
#include "recover/renamed_view.hpp"
#include "recover/restorable.hpp"

namespace holdfast::recover {

namespace {

ComparedCollection named(std::string ns, std::string target_ns, std::string type) {
  ComparedCollection compared;
  compared.ns = std::move(ns);
  compared.target_ns = std::move(target_ns);
  compared.type = std::move(type);
  return compared;
}

constexpr std::string_view view_type = "view";
constexpr std::string_view gone = "is not there";
constexpr std::string_view new_since = "did not exist then";

void append(std::vector<std::string>& to, std::vector<std::string> sentences) {
  std::move(sentences.begin(), sentences.end(), std::back_inserter(to));
}

void tell_options(std::vector<std::string>& to, ByteView then, ByteView now) {
  append(to, describe_options(then, now));
  append(to, describe_added_options(then, now));
}

}  // namespace

Result<MomentReport> LiveComparison::run() {
  auto connection = TRY(live_.connect_to(mongo::ReadFrom::primary));
  connection_.emplace(std::move(connection));
  auto report = TRY(moment_.push(*this));
  if (again_.empty()) return report;
  is_second_pass_ = true;
  TRY(moment_.push(*this,
                   [this](std::string_view ns) { return again_.contains(std::string(ns)); }));
  return report;
}

Result<void> LiveComparison::compare_with_nothing(const LiveCollection& live) {
  MomentCollection nothing;
  nothing.facts.db = live.db;
  nothing.facts.name = live.name;
  is_open_ = true;
  then_ = nothing;
  result_ = named(live.ns(), live.ns(), live.type);
  result_.is_absent_then = true;
  if (is_catalog_told()) result_.catalog.emplace_back(new_since);
  then_digest_.clear();
  found_ = live;
  // The order does not matter: there is nothing to merge with.
  TRY(open_live(LiveOrder::by_server));
  while (now_ != nullptr && !is_broken_) {
    TRY(differ(DifferenceKind::extra, now_->key, {}, now_->document));
    TRY(advance());
  }
  if (!is_broken_) return finish();
  differences_.clear();
  result_.extra = 0;
  now_digest_.clear();
  TRY(open_live(LiveOrder::by_us));
  while (now_ != nullptr) {
    TRY(differ(DifferenceKind::extra, now_->key, {}, now_->document));
    TRY(advance());
  }
  return finish();
}

Result<void> LiveComparison::compare_view_with_nothing(const LiveCollection& live) {
  ComparedCollection compared = named(live.ns(), live.ns(), live.type);
  compared.is_absent_then = true;
  compared.catalog.emplace_back(new_since);
  return taker_.take_view(std::move(compared));
}

void LiveComparison::begin_result(const MomentCollection& collection) {
  const NamespaceName name = moment_.choice().name_of(collection.facts.ns());
  result_ = named(collection.facts.ns(), name.ns(), collection.facts.type);
  compared_names_.insert(name.ns());
}

// The list of views tells of one, and so may a base that has the list and its metadata.
Result<void> LiveComparison::compare_view(const MomentCollection& view) {
  const std::string ns = view.facts.ns();
  const bool is_done = compared_names_.contains(moment_.choice().name_of(ns).ns());
  if (is_done || !moment_.choice().takes(ns)) return {};
  begin_result(view);
  const NamespaceName name = split_namespace(result_.target_ns);
  const auto live = TRY(find_collection(*connection_, name.db, name.collection));
  result_.is_absent_now = !live || live->type != view_type;
  if (!live)
    result_.catalog.emplace_back(gone);
  else if (result_.is_absent_now)
    result_.catalog.emplace_back("is a collection there, not a view");
  else
    tell_options(
        result_.catalog,
        rename_view({view.facts.db, view.facts.name}, view.facts.options, moment_.choice()).options,
        live->options);
  return taker_.take_view(std::move(result_));
}

Result<void> LiveComparison::begin(const MomentCollection& collection) {
  TRY(context_.check_stop());
  const Restorable what = what_of(collection);
  is_open_ = what == Restorable::documents;
  views_of_.clear();
  if (what == Restorable::view_list) views_of_ = collection.facts.db;
  if (what == Restorable::view) return compare_view(collection);
  if (!is_open_) return {};
  then_ = collection;
  begin_result(collection);
  TRY(find_live());
  sorter_.reset();
  if (collection.is_capped) sorter_.emplace(spill_);
  then_digest_.clear();
  return open_live(is_second_pass_ ? LiveOrder::by_us : LiveOrder::by_server);
}

Result<void> LiveComparison::find_live() {
  const NamespaceName name = split_namespace(result_.target_ns);
  found_ = TRY(find_collection(*connection_, name.db, name.collection));
  result_.is_absent_now = !found_.has_value();
  if (!is_catalog_told()) return {};
  if (!found_) {
    result_.catalog.emplace_back(gone);
    return {};
  }
  if (found_->type == view_type) {
    result_.catalog.emplace_back("is a view there, not a collection");
    return {};
  }
  const auto indexes = TRY(list_indexes(*connection_, name.db, name.collection));
  tell_options(result_.catalog, then_.facts.options, found_->options);
  append(result_.catalog, describe_indexes(then_.facts.indexes, indexes));
  return {};
}

Result<void> LiveComparison::open_live(LiveOrder order) {
  const NamespaceName name = split_namespace(result_.target_ns);
  documents_.reset();
  differences_.clear();
  now_digest_.clear();
  is_broken_ = false;
  now_ = nullptr;
  if (!found_) return {};
  LiveRequest request{name.db, name.collection, taker_.filter(), taker_.fields(), order};
  documents_ = std::make_unique<LiveDocuments>(live_, spill_, std::move(request), context_);
  return advance();
}

Result<void> LiveComparison::advance() {
  auto next = documents_->next();
  now_ = nullptr;
  if (!next.has_value() && documents_->is_out_of_order()) {
    is_broken_ = true;
    return {};
  }
  now_ = TRY(std::move(next));
  if (now_ != nullptr) now_digest_.add(now_->document);
  return {};
}

Result<void> LiveComparison::differ(DifferenceKind kind, ByteView key, ByteView then,
                                    ByteView now) {
  if (kind == DifferenceKind::missing) ++result_.missing;
  if (kind == DifferenceKind::extra) ++result_.extra;
  if (kind == DifferenceKind::different) ++result_.different;
  return taker_.wants(kind, key) ? differences_.add(kind, then, now) : Result<void>();
}

// Live documents before `up_to` (all, without one) have no counterpart.
Result<void> LiveComparison::pass_over(std::optional<ByteView> up_to) {
  while (now_ != nullptr && (!up_to || bson::compare_bytes(now_->key, *up_to) < 0)) {
    TRY(differ(DifferenceKind::extra, now_->key, {}, now_->document));
    TRY(advance());
  }
  return {};
}

Result<void> LiveComparison::merge(ByteView then) {
  key_.clear();
  dataset::id_key_of(bson::Document::trusted(then), key_);
  TRY(pass_over(ByteView(key_)));
  if (is_broken_) return {};
  const bool is_there = now_ != nullptr && bson::compare_bytes(now_->key, key_) == 0;
  if (!is_there) return differ(DifferenceKind::missing, key_, then, {});
  const bool is_same = taker_.fields() == LiveFields::id_only ||
                       (now_->document.size() == then.size() &&
                        std::memcmp(now_->document.data(), then.data(), then.size()) == 0);
  if (!is_same) TRY(differ(DifferenceKind::different, key_, then, now_->document));
  return advance();
}

Result<void> LiveComparison::document(ByteView document) {
  if (!views_of_.empty()) {
    const auto view = view_of(views_of_, document);
    return view ? compare_view(*view) : Result<void>();
  }
  if (!is_open_) return {};
  then_digest_.add(document);
  if (is_broken_) return {};
  return sorter_ ? sorter_->add(document) : merge(document);
}

Result<void> LiveComparison::finish_sorted() {
  const auto sorted = TRY(sorter_->finish());
  while (true) {
    const auto next = TRY(sorted->next());
    if (!next) break;
    TRY(merge(*next));
    if (is_broken_) return {};
  }
  return {};
}

Result<void> LiveComparison::end(const oplog::CollectionTotals&) {
  if (!is_open_) return {};
  is_open_ = false;
  if (then_.digest && *then_.digest != then_digest_.digest())
    return fail(ErrorCode::corrupt,
                fmt::format("{} has not the digest that the manifest names", result_.ns));
  if (sorter_ && !is_broken_) TRY(finish_sorted());
  if (!is_broken_) TRY(pass_over(std::nullopt));
  if (!is_broken_) return finish();
  if (is_second_pass_)
    return fail(ErrorCode::server_failed, fmt::format("{} can not be sorted", result_.target_ns));
  again_.insert(result_.ns);
  return {};
}

Result<void> LiveComparison::finish() {
  documents_.reset();
  result_.then_count = then_digest_.count();
  result_.now_count = now_digest_.count();
  result_.then_digest = then_digest_.digest();
  result_.now_digest = now_digest_.digest();
  DifferenceSpool kept(spill_);
  std::swap(kept, differences_);
  context_.log.progress({.phase = "compare",
                         .files_done = compared_names_.size(),
                         .bytes_done = then_digest_.bytes()});
  return taker_.take(then_, std::move(result_), std::move(kept));
}

}  // namespace holdfast::recover
