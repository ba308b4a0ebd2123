#include "verify/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/task_group.hpp"
#include "repo/layout.hpp"
#include "verify/index_check.hpp"
#include "verify/tree_check.hpp"

namespace holdfast::verify {
namespace {

// One key file that is damaged is a finding; a password that opens none of the good ones is not.
struct KeysChecked {
  std::uint64_t good = 0;
  std::uint64_t damaged = 0;
};

Result<KeysChecked> check_keys(store::Store& store, Findings& findings) {
  KeysChecked checked;
  const auto keys = TRY(repo::list_keys(store));
  for (const auto& key : keys) {
    ++(key.flaw ? checked.damaged : checked.good);
    if (!key.flaw) continue;
    Finding finding;
    finding.kind = FindingKind::damaged_key;
    finding.object = object_name(key.id);
    finding.message = fmt::format("{}: its password opens nothing any more", describe(*key.flaw));
    findings.add(std::move(finding));
  }
  return checked;
}

// Nothing when damage keeps the repository closed; that is in the findings then.
Result<std::optional<repo::Repository>> open(Context& context, store::Store& store,
                                             const Secret& password, const KeysChecked& keys,
                                             Findings& findings) {
  auto opened = repo::Repository::open(context, store, password);
  if (opened.has_value()) return std::move(*opened);
  const ErrorCode code = opened.error().code;
  const bool by_key = keys.damaged > 0 && (code == ErrorCode::wrong_key || keys.good == 0);
  if (by_key) return std::nullopt;
  if (code == ErrorCode::no_repository || !repo::is_damage(code)) return fail(opened.error());
  Finding finding;
  finding.kind = FindingKind::damaged_config;
  finding.object = repo::config_name;
  finding.message = describe(opened.error()) + ": without it the repository can not be opened";
  findings.add(std::move(finding));
  return std::nullopt;
}

// Checks an opened repository, one kind of object after the other.
class Check {
 public:
  Check(repo::Repository& repository, const CheckOptions& options, Findings& findings,
        Report& report)
      : repository_(repository), options_(options), findings_(findings), report_(report) {}

  Result<void> run();

 private:
  Result<void> check_locks();
  Result<void> check_snapshots();
  Result<void> check_packs();
  Result<void> check_packs_of(PackCheck& check, std::atomic<std::size_t>& next);
  Result<void> check_pack(PackCheck& check, std::size_t number);
  void report_bad(std::size_t number, const BadPart& bad);
  void report_unindexed();
  std::vector<repo::PackedBlob> blobs_by_index(const repo::PackId& id) const;
  unsigned threads() const;

  repo::Repository& repository_;
  const CheckOptions& options_;
  Findings& findings_;
  Report& report_;
  PackTable packs_;
  std::vector<repo::StoredSnapshot> snapshots_;
  Mutex progress_mutex_;
  Progress progress_ GUARDED_BY(progress_mutex_){.phase = "verify"};
};

unsigned Check::threads() const {
  if (options_.threads != 0) return std::min(options_.threads, threads_max);
  return std::clamp(std::thread::hardware_concurrency(), 1U, threads_max);
}

// Snapshots before the index: what they need is then in it. Packs after it: what it names is then
// there.
Result<void> Check::run() {
  TRY(check_locks());
  TRY(check_snapshots());
  TRY(repository_.load_index(repo::DamagedIndexFiles::skip));
  packs_ = TRY(PackTable::make(repository_.store()));
  IndexCheck index_check(repository_, options_, packs_, findings_);
  const auto index_files = TRY(index_check.run(threads()));
  report_.trees = TRY(check_trees(repository_, snapshots_, findings_));
  if (options_.level == Level::decrypt) TRY(check_packs());
  report_unindexed();
  report_.objects_checked += index_files + packs_.size();
  return find_affected(repository_, snapshots_, findings_);
}

Result<void> Check::check_locks() {
  const auto visit = [&](const repo::LockId& id, const store::ObjectInfo&) -> Result<void> {
    ++report_.objects_checked;
    auto json = repository_.load_unpacked(id);
    Result<void> read;
    if (!json.has_value())
      read = fail(json.error());
    else if (!json->empty())
      read = repo::decode_lock_file(*json).map([](const auto&) {});
    if (read.has_value() || read.error().code == ErrorCode::not_found) return {};
    if (!repo::is_damage(read.error().code)) return read;
    Finding finding;
    finding.kind = FindingKind::damaged_lock;
    finding.object = object_name(id);
    finding.message = describe(read.error());
    findings_.add(std::move(finding));
    return {};
  };
  return repo::list_ids<repo::LockId>(repository_.store(), repo::locks_prefix, visit);
}

Result<void> Check::check_snapshots() {
  const auto visit = [&](const repo::SnapshotId& id, const store::ObjectInfo&) -> Result<void> {
    ++report_.objects_checked;
    auto stored = repository_.load_snapshot(id);
    if (stored.has_value()) {
      snapshots_.push_back(std::move(*stored));
      return {};
    }
    if (stored.error().code == ErrorCode::not_found) return {};  // removed while we looked
    if (!repo::is_damage(stored.error().code)) return fail(stored.error());
    Finding finding;
    finding.kind = FindingKind::damaged_snapshot;
    finding.object = object_name(id);
    finding.message = describe(stored.error()) + ": all it holds is out of reach";
    finding.snapshots.push_back(id);
    findings_.add(std::move(finding));
    return {};
  };
  TRY(repo::list_ids<repo::SnapshotId>(repository_.store(), repo::snapshots_prefix, visit));
  report_.snapshots = snapshots_.size();
  return {};
}

Result<void> Check::check_packs() {
  {
    MutexLock lock(progress_mutex_);
    for (std::size_t i = 0; i < packs_.size(); ++i)
      if (is_in_share(packs_.at(i).id, options_.share, options_.share_count))
        progress_.bytes_total += packs_.at(i).bytes;
  }
  std::atomic<std::size_t> next{0};
  TaskGroup workers;
  for (unsigned i = 0; i < threads(); ++i) {
    workers.start([&](const std::stop_token&) -> Result<void> {
      PackCheck check(repository_);
      auto checked = check_packs_of(check, next);
      MutexLock lock(progress_mutex_);
      report_.blobs_checked += check.blobs_checked();
      report_.bytes_read += check.bytes_read();
      return checked;
    });
  }
  return workers.wait();
}

Result<void> Check::check_packs_of(PackCheck& check, std::atomic<std::size_t>& next) {
  while (true) {
    const std::size_t number = next.fetch_add(1);
    if (number >= packs_.size()) return {};
    const PackFile& pack = packs_.at(number);
    if (!is_in_share(pack.id, options_.share, options_.share_count)) continue;
    auto checked = check_pack(check, number);
    if (!checked.has_value()) {
      next = packs_.size();  // the others stop too
      return checked;
    }
    MutexLock lock(progress_mutex_);
    ++report_.packs_checked;
    progress_.bytes_done += pack.bytes;
    repository_.context().log.progress(progress_);
  }
}

Result<void> Check::check_pack(PackCheck& check, std::size_t number) {
  const PackFile& pack = packs_.at(number);
  const auto bad = TRY(check.check(pack, [&] { return blobs_by_index(pack.id); }));
  if (bad.empty()) return {};
  const auto still_there = repository_.store().stat(object_name(pack.id));
  if (!still_there.has_value() && still_there.error().code == ErrorCode::not_found) return {};
  for (const auto& part : bad) report_bad(number, part);
  return {};
}

void Check::report_bad(std::size_t number, const BadPart& bad) {
  const bool in_header = bad.part == PackPart::header || bad.part == PackPart::length_field;
  if (in_header && packs_.has(number, PackTable::header_reported)) return;
  const PackFile& pack = packs_.at(number);
  Finding finding;
  finding.kind = bad.part == PackPart::blob    ? FindingKind::damaged_blob
                 : bad.part == PackPart::whole ? FindingKind::misnamed_pack
                                               : FindingKind::damaged_header;
  finding.object = object_name(pack.id);
  finding.offset = bad.offset;
  finding.length = bad.length;
  finding.message = bad.message;
  if (!packs_.has(number, PackTable::indexed)) {
    finding.severity = Severity::note;
    finding.message += "; no index names the pack, so nothing is lost";
  }
  if (bad.blob)
    findings_.add_damaged_copy(*bad.blob, pack.id, std::move(finding));
  else
    findings_.add(std::move(finding));
}

// Rare, so the whole index is searched. Nothing when the entries can not be the pack's.
std::vector<repo::PackedBlob> Check::blobs_by_index(const repo::PackId& id) const {
  const auto& index = repository_.index();
  repo::IndexedPack pack;
  pack.id = id;
  for (std::uint64_t position = 0; position < index.loaded_count(); ++position) {
    const auto blob = index.at(position);
    if (index.pack(blob.pack).id == id)
      pack.blobs.push_back(
          {blob.handle.id, blob.handle.type, blob.offset, blob.length, blob.plain_length});
  }
  std::ranges::sort(pack.blobs, {}, &repo::PackedBlob::offset);
  if (repo::coverage_flaw(pack)) pack.blobs.clear();
  return std::move(pack.blobs);
}

void Check::report_unindexed() {
  for (std::size_t number = 0; number < packs_.size(); ++number) {
    if (packs_.has(number, PackTable::indexed)) continue;
    Finding finding;
    finding.severity = Severity::note;
    finding.kind = FindingKind::unindexed_pack;
    finding.object = object_name(packs_.at(number).id);
    finding.length = packs_.at(number).bytes;
    finding.message =
        "no index names the pack: left over from an interrupted run, or being written";
    findings_.add(std::move(finding));
  }
}

Result<void> check_opened(repo::Repository& repository, const CheckOptions& options,
                          Findings& findings, Report& report) {
  std::optional<repo::Lock> lock;
  if (options.lock) lock = TRY(repo::Lock::take(repository, *options.lock));
  Check check(repository, options, findings, report);
  return check.run();
}

}  // namespace

Result<Report> check_repository(Context& context, store::Store& store, const Secret& password,
                                const CheckOptions& options) {
  if (options.share_count == 0 || options.share == 0 || options.share > options.share_count)
    return fail(ErrorCode::usage,
                fmt::format("there is no share {} of {}", options.share, options.share_count));
  Report report;
  Findings findings;
  const auto keys = TRY(check_keys(store, findings));
  report.objects_checked = 1 + keys.good + keys.damaged;
  auto repository = TRY(open(context, store, password, keys, findings));
  if (repository) TRY(check_opened(*repository, options, findings, report));
  findings.move_to(report);
  return report;
}

}  // namespace holdfast::verify
