#include "oplog/collection_merge.hpp"

#include "bson/compare.hpp"

namespace holdfast::oplog {

namespace {

using PlacedOut = std::function<Result<void>(ByteView document, const OrderKey& position)>;

// Both streams ascend by key; a key's operations come in order of time. The base hears of the next
// operation before each call of next() that follows a change.
template <class Out>
Result<void> merge_streams(BaseCursor& base, OpStream& ops, const CatalogCollection& collection,
                           DocumentState& state, Out&& out) {
  const OpRecord* op = TRY(ops.next());
  base.expect(op);
  const BaseDocument* document = TRY(base.next());
  Bytes key;
  while (document != nullptr || op != nullptr) {
    const auto order = document == nullptr ? std::weak_ordering::greater
                       : op == nullptr     ? std::weak_ordering::less
                                           : bson::compare_bytes(document->key, op->key);
    if (order < 0) {
      TRY(out(document->document, document->position));
      document = TRY(base.next());
      continue;
    }
    key.assign(op->key.begin(), op->key.end());
    if (order == 0) {
      state.start_present(document->document, document->position);
    } else {
      state.start_absent();
    }
    while (op != nullptr && bson::compare_bytes(op->key, key) == 0) {
      const bool is_visible = !collection.emptied || op->order > *collection.emptied;
      if (is_visible) TRY(state.apply(*op));
      op = TRY(ops.next());
    }
    if (state.is_present()) TRY(out(state.document(), state.position()));
    base.expect(op);
    if (order == 0) document = TRY(base.next());
  }
  return {};
}

// `size` is rounded up by the server; 0: no such limit.
struct Cap {
  std::uint64_t bytes_max = 0;
  std::uint64_t count_max = 0;
};

Cap cap_of(const CollectionFacts& facts) {
  constexpr std::uint64_t size_step = 256;
  const auto options = bson::Document::trusted(facts.options);
  const auto number = [&](std::string_view name) -> std::uint64_t {
    const auto value = options.find(name);
    const auto integer = value ? value->as_integer() : std::nullopt;
    return integer && *integer > 0 ? static_cast<std::uint64_t>(*integer) : 0;
  };
  return {(number("size") + size_step - 1) / size_step * size_step, number("max")};
}

bool exceeds(std::uint64_t value, std::uint64_t limit) {
  return limit != 0 && value > limit;
}

Result<CollectionTotals> write_trimmed(OpStream& placed, CollectionTotals all, Cap cap,
                                       const DocumentOut& out) {
  CollectionTotals totals = all;
  while (true) {
    const OpRecord* op = TRY(placed.next());
    if (op == nullptr) return totals;
    const bool is_too_many = exceeds(totals.document_count, cap.count_max);
    const bool is_too_large = exceeds(totals.document_bytes, cap.bytes_max);
    const bool is_kept = totals.trimmed_count + totals.document_count == all.document_count &&
                         !is_too_many && !is_too_large;
    if (is_kept) {
      TRY(out(op->body));
      continue;
    }
    totals.is_approximate_tail = totals.is_approximate_tail || !is_too_many;
    ++totals.trimmed_count;
    --totals.document_count;
    totals.document_bytes -= op->body.size();
  }
}

}  // namespace

Result<CollectionTotals> merge_by_id(BaseCursor& base, OpStream& ops,
                                     const CatalogCollection& collection, MergeTools& tools,
                                     const DocumentOut& out) {
  CollectionTotals totals;
  TRY(merge_streams(base, ops, collection, tools.state,
                    [&](ByteView document, const OrderKey&) -> Result<void> {
                      ++totals.document_count;
                      totals.document_bytes += document.size();
                      return out(document);
                    }));
  if (const auto* const stretches = base.stretches(); stretches != nullptr) {
    totals.document_count += stretches->left_out_count();
    totals.document_bytes += stretches->left_out_bytes();
  }
  return totals;
}

Result<CollectionTotals> merge_capped(BaseCursor& base, OpStream& ops,
                                      const CatalogCollection& collection, MergeTools& tools,
                                      const DocumentOut& out) {
  OpSorter by_position(tools.spill, tools.memory_bytes, tools.anomalies,
                       [](CollectionNumber) { return Folding::keep; });
  CollectionTotals all;
  Bytes key;
  TRY(merge_streams(base, ops, collection, tools.state,
                    [&](ByteView document, const OrderKey& position) -> Result<void> {
                      ++all.document_count;
                      all.document_bytes += document.size();
                      key.clear();
                      append_position_key(position, key);
                      OpRecord op;
                      op.key = key;
                      op.body = document;
                      return by_position.add(op);
                    }));
  by_position.finish();
  const auto placed = by_position.stream(0);
  return write_trimmed(*placed, all, cap_of(collection.facts), out);
}

}  // namespace holdfast::oplog
