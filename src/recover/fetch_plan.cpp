#include "recover/fetch_plan.hpp"

#include <algorithm>

namespace holdfast::recover {

FetchPlan plan_fetches(std::vector<NeededBlob> needed) {
  const auto place = [](const NeededBlob& one) {
    return std::pair(one.blob.pack, one.blob.offset);
  };
  std::sort(needed.begin(), needed.end(), [&](const NeededBlob& one, const NeededBlob& other) {
    return place(one) < place(other);
  });
  FetchPlan plan;
  plan.uses.reserve(needed.size());
  std::uint64_t run_begin = 0;
  std::uint64_t run_end = 0;
  for (const auto& one : needed) {
    const bool is_again = !plan.blobs.empty() && plan.blobs.back().blob == one.blob;
    if (!is_again) {
      const auto begin = std::uint64_t{one.blob.offset};
      const auto end = begin + one.blob.length;
      const bool is_neighbour =
          !plan.blobs.empty() && plan.blobs.back().blob.pack == one.blob.pack &&
          begin <= run_end + fetch_gap_bytes_max && end - run_begin <= fetch_run_bytes_max;
      if (!is_neighbour) {
        plan.runs.push_back({plan.blobs.size(), 0});
        run_begin = begin;
        run_end = begin;
      }
      run_end = std::max(run_end, end);
      ++plan.runs.back().count;
      plan.blobs.push_back({one.blob, static_cast<std::uint32_t>(plan.uses.size()), 0});
    }
    ++plan.blobs.back().use_count;
    plan.uses.push_back(one.use);
  }
  return plan;
}

}  // namespace holdfast::recover
