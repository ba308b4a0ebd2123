#include "backup/synthetic_ground.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "oplog/segment.hpp"
#include "oplog/transactions.hpp"

namespace holdfast::backup {

namespace {

tl::unexpected<Error> gap_after(oplog::Timestamp last, oplog::Timestamp next) {
  return fail(ErrorCode::history_lost,
              fmt::format("the recorded oplog has a gap between {} and {}: a full backup from the "
                          "server is needed",
                          catalog::describe(last), catalog::describe(next)));
}

Result<const oplog::Chain*> chain_after(const oplog::Timeline& timeline,
                                        const oplog::BaseWindow& window) {
  const auto& chains = timeline.chains();
  const auto windows = timeline.recoverable({window});
  if (windows.empty())
    return fail(ErrorCode::history_lost,
                fmt::format("the recorded oplog does not cover the time from {} to {} in which the "
                            "newest base was copied: a full backup from the server is needed",
                            catalog::describe(window.first), catalog::describe(window.last)));
  const std::size_t number = windows.front().chain;
  if (number == oplog::Recoverable::npos) {
    const auto next = std::find_if(chains.begin(), chains.end(), [&](const oplog::Chain& chain) {
      return chain.last().ts > window.last;
    });
    if (next != chains.end()) return gap_after(window.last, next->first().ts);
    return nullptr;
  }
  if (number + 1 < chains.size())
    return gap_after(chains[number].last().ts, chains[number + 1].first().ts);
  return &chains[number];
}

// The newest entry before `ts`; nothing: there is none in these segments.
Result<std::optional<oplog::Timestamp>> entry_before(oplog::EntrySource& entries,
                                                     oplog::Timestamp ts) {
  TRY(entries.rewind());
  std::optional<oplog::Timestamp> newest;
  while (true) {
    const auto bytes = TRY(entries.next());
    if (!bytes) return newest;
    const oplog::OpTime time = TRY(oplog::optime_of(*bytes));
    if (time.ts >= ts) return newest;
    newest = time.ts;
  }
}

// The chain's end, unless a transaction is prepared there whose outcome is not recorded: then just
// before the first such transaction.
Result<oplog::Timestamp> newest_certain(catalog::MongoPoints& points, const oplog::Chain& chain,
                                        oplog::SpillStore& spill, const oplog::EntryRules& rules) {
  const oplog::Timestamp open = chain.segments.back().oldest_open;
  if (open == oplog::Timestamp{}) return chain.last().ts;
  const auto first =
      std::find_if(chain.segments.begin(), chain.segments.end(),
                   [&](const oplog::SegmentFacts& facts) { return facts.last.ts >= open; });
  catalog::SegmentEntries entries(points, chain,
                                  static_cast<std::size_t>(first - chain.segments.begin()));
  oplog::Transactions transactions(spill);
  while (true) {
    const auto bytes = TRY(entries.next());
    if (!bytes) break;
    const auto entry = TRY(oplog::Entry::parse(*bytes, rules));
    const auto shape = oplog::shape_of(entry);
    if (!transactions.is_idle(entry, shape)) TRY(transactions.accept(entry, shape));
  }
  const auto in_doubt = transactions.oldest_in_doubt();
  if (!in_doubt) return chain.last().ts;
  const auto certain = TRY(entry_before(entries, *in_doubt));
  if (certain) return *certain;
  return first == chain.segments.begin() ? oplog::Timestamp{} : std::prev(first)->last.ts;
}

}  // namespace

Result<SyntheticGround> find_ground(catalog::MongoPoints& points, oplog::SpillStore& spill,
                                    const oplog::EntryRules& rules) {
  const catalog::MongoBase* newest = nullptr;
  for (const catalog::MongoBase& base : points.bases()) {
    if (newest == nullptr || base.window.last >= newest->window.last) newest = &base;
  }
  if (newest == nullptr)
    return fail(ErrorCode::no_point,
                "there is no base that tells its time: a full backup from the server is needed");
  SyntheticGround ground{*newest, nullptr, newest->window.last};
  ground.chain = TRY(chain_after(points.timeline(), newest->window));
  if (ground.chain != nullptr) ground.at = TRY(newest_certain(points, *ground.chain, spill, rules));
  return ground;
}

}  // namespace holdfast::backup
