#include "verify/index_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/task_group.hpp"
#include "repo/layout.hpp"
#include "repo/tree_walk.hpp"

namespace holdfast::verify {

Result<std::uint64_t> IndexCheck::run(unsigned threads) {
  Channel<Entry> entries(indexed_packs_waiting_max);
  TaskGroup workers;
  for (unsigned i = 0; i < threads; ++i) {
    workers.start([&](const std::stop_token&) -> Result<void> {
      while (auto entry = entries.pop()) {
        auto checked = check(*entry);
        if (checked.has_value()) continue;
        entries.close();
        return checked;
      }
      return {};
    });
  }
  auto read = read_files(entries);
  entries.close();
  TRY(workers.wait());
  return read;
}

Result<std::uint64_t> IndexCheck::read_files(Channel<Entry>& entries) {
  const auto files = TRY(repo::list_ids<repo::IndexId>(repository_.store(), repo::indexes_prefix));
  for (const auto& id : files) {
    TRY(repository_.context().check_stop());
    TRY(read_file(id, entries));
  }
  return files.size();
}

Result<void> IndexCheck::read_file(const repo::IndexId& id, Channel<Entry>& entries) {
  const std::string name = object_name(id);
  const auto json = repository_.load_unpacked(id);
  Result<void> decoded;
  bool closed = false;
  if (json.has_value()) {
    decoded = repo::decode_index(*json, [&](const repo::IndexedPack& pack) -> Result<void> {
      closed = !entries.push({name, pack});
      if (closed) return fail(ErrorCode::interrupted, "a worker stopped");
      return {};
    });
  } else {
    decoded = fail(json.error());
  }
  if (decoded.has_value() || closed) return {};
  if (!repo::is_damage(decoded.error().code)) return decoded;
  if (decoded.error().code == ErrorCode::not_found) return {};  // replaced while we looked
  Finding finding;
  finding.kind = FindingKind::damaged_index;
  finding.object = name;
  finding.message =
      fmt::format("{} (`repair index` rebuilds it from the packs)", describe(decoded.error()));
  const auto number = findings_.add(std::move(finding));
  if (number) findings_.blame_missing_on(*number);
  return {};
}

Result<void> IndexCheck::check(const Entry& entry) {
  if (auto flaw = repo::coverage_flaw(entry.pack)) {
    report_wrong(entry, std::move(*flaw));
    return {};
  }
  const auto file = TRY(find_file(entry));
  if (!file) {
    report_missing(entry);
    return {};
  }
  if (!is_in_share(file->id, options_.share, options_.share_count)) return {};
  return compare_header(entry, *file);
}

// Packs stored after the listing are looked for one by one.
Result<std::optional<PackFile>> IndexCheck::find_file(const Entry& entry) {
  const auto number = packs_.find(entry.pack.id);
  if (number) {
    packs_.set(*number, PackTable::indexed);
    return packs_.at(*number);
  }
  const auto found = repository_.store().stat(object_name(entry.pack.id));
  if (found.has_value()) return PackFile{entry.pack.id, found->bytes};
  if (found.error().code == ErrorCode::not_found) return std::nullopt;
  return fail(found.error());
}

Result<void> IndexCheck::compare_header(const Entry& entry, const PackFile& file) {
  auto sorted = entry.pack.blobs;
  std::ranges::sort(sorted, {}, &repo::PackedBlob::offset);
  const auto header = repository_.load_pack_header(file.id, file.bytes);
  if (!header.has_value()) {
    if (!repo::is_damage(header.error().code)) return fail(header.error());
    const auto bad = TRY(locate_header_damage(repository_, file, sorted));
    Finding finding;
    finding.kind = FindingKind::damaged_header;
    finding.object = object_name(file.id);
    finding.offset = bad.offset;
    finding.length = bad.length;
    finding.message = bad.message;
    findings_.add(std::move(finding));
    const auto number = packs_.find(file.id);
    if (number) packs_.set(*number, PackTable::header_reported);
    return {};
  }
  if (*header != sorted)
    report_wrong(entry, fmt::format("it lists {} blobs in pack {} that are not those of the pack's "
                                    "own header",
                                    sorted.size(), file.id.short_hex()));
  return {};
}

void IndexCheck::report_wrong(const Entry& entry, std::string message) {
  Finding finding;
  finding.kind = FindingKind::wrong_index;
  finding.object = entry.index_file;
  finding.message = std::move(message);
  findings_.add(std::move(finding));
}

// A marked pack that is gone was deleted by a prune that did not live to say so.
void IndexCheck::report_missing(const Entry& entry) {
  if (entry.pack.state == repo::PackState::marked) return;
  Finding finding;
  finding.kind = FindingKind::missing_pack;
  finding.object = object_name(entry.pack.id);
  finding.message = fmt::format("the pack is named by {} and does not exist", entry.index_file);
  findings_.add_lost_pack(entry.pack.id, std::move(finding));
}

}  // namespace holdfast::verify
