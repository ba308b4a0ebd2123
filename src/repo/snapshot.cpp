#include "repo/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/json_cursor.hpp"
#include "repo/unpacked.hpp"

namespace holdfast::repo {
namespace {

template <auto member>
bool read_whole(JsonCursor& in, SnapshotSummary& into) {
  return in.number(into.*member);
}

constexpr JsonField<SnapshotSummary> summary_fields[] = {
    {"backup_start",
     [](JsonCursor& in, SnapshotSummary& into) { return read_time(in, into.backup_start); }},
    {"backup_end",
     [](JsonCursor& in, SnapshotSummary& into) { return read_time(in, into.backup_end); }},
    {"files_new", read_whole<&SnapshotSummary::files_new>},
    {"files_changed", read_whole<&SnapshotSummary::files_changed>},
    {"files_unmodified", read_whole<&SnapshotSummary::files_unmodified>},
    {"dirs_new", read_whole<&SnapshotSummary::dirs_new>},
    {"dirs_changed", read_whole<&SnapshotSummary::dirs_changed>},
    {"dirs_unmodified", read_whole<&SnapshotSummary::dirs_unmodified>},
    {"data_blobs", read_whole<&SnapshotSummary::data_blobs>},
    {"tree_blobs", read_whole<&SnapshotSummary::tree_blobs>},
    {"data_added", read_whole<&SnapshotSummary::data_added>},
    {"data_added_packed", read_whole<&SnapshotSummary::data_added_packed>},
    {"total_files_processed", read_whole<&SnapshotSummary::total_files_processed>},
    {"total_bytes_processed", read_whole<&SnapshotSummary::total_bytes_processed>},
};

// A snapshot while its members come in.
struct Draft {
  Snapshot snapshot;
  bool has_tree = false;
};

template <auto member>
bool read_text(JsonCursor& in, Draft& draft) {
  return in.string(draft.snapshot.*member);
}
template <auto member>
bool read_list(JsonCursor& in, Draft& draft) {
  return read_strings(in, draft.snapshot.*member);
}
template <auto member>
bool read_optional_id(JsonCursor& in, Draft& draft) {
  return read_id(in, (draft.snapshot.*member).emplace());
}

bool read_tree(JsonCursor& in, Draft& draft) {
  draft.has_tree = true;
  return read_id(in, draft.snapshot.tree);
}

bool read_summary(JsonCursor& in, Draft& draft) {
  auto& summary = draft.snapshot.summary.emplace();
  return read_object(in, summary, summary_fields, &summary.other);
}

bool read_parents(JsonCursor& in, Draft& draft) {
  auto& parents = draft.snapshot.parents;
  parents.clear();
  if (!in.enter_array()) return false;
  while (in.next_item())
    if (!read_id(in, parents.emplace_back())) return false;
  return !in.failed();
}

constexpr JsonField<Snapshot> delete_fields[] = {
    {"After",
     [](JsonCursor& in, Snapshot& into) {
       into.delete_rule = DeleteRule::after;
       return read_time(in, into.delete_after);
     }},
};

// "Never", "NotSet" or {"After": time}. Anything else must not be taken for "may be deleted".
bool read_delete(JsonCursor& in, Draft& draft) {
  Snapshot& snapshot = draft.snapshot;
  snapshot.delete_rule = DeleteRule::unset;
  JsonCursor peek = in;
  std::string_view text;
  if (!peek.string_view(text)) {
    if (!read_object(in, snapshot, delete_fields)) return false;
    return snapshot.delete_rule == DeleteRule::after || in.fail_here("unknown delete rule");
  }
  if (text != "Never" && text != "NotSet") return in.fail_here("unknown delete rule");
  if (text == "Never") snapshot.delete_rule = DeleteRule::never;
  return in.skip();
}

constexpr JsonField<Draft> snapshot_fields[] = {
    {"time", [](JsonCursor& in, Draft& draft) { return read_time(in, draft.snapshot.time); }},
    {"parent", read_optional_id<&Snapshot::parent>},
    {"tree", read_tree},
    {"paths", read_list<&Snapshot::paths>},
    {"hostname", read_text<&Snapshot::hostname>},
    {"username", read_text<&Snapshot::username>},
    {"uid", [](JsonCursor& in, Draft& draft) { return in.number(draft.snapshot.uid); }},
    {"gid", [](JsonCursor& in, Draft& draft) { return in.number(draft.snapshot.gid); }},
    {"excludes", read_list<&Snapshot::excludes>},
    {"tags", read_list<&Snapshot::tags>},
    {"original", read_optional_id<&Snapshot::original>},
    {"program_version", read_text<&Snapshot::program_version>},
    {"summary", read_summary},
    {"parents", read_parents},
    {"label", read_text<&Snapshot::label>},
    {"description", read_text<&Snapshot::description>},
    {"delete", read_delete},
};

void put_text(JsonText& out, std::string_view key, std::string_view text) {
  if (text.empty()) return;
  out.key(key);
  out.string(text);
}

void put_list(JsonText& out, std::string_view key, const std::vector<std::string>& items) {
  out.key(key);
  out.begin_array();
  for (const auto& item : items) out.string(item);
  out.end_array();
}

void put_id(JsonText& out, std::string_view key, const std::optional<SnapshotId>& id) {
  if (!id) return;
  out.key(key);
  out.hex(id->view());
}

void put_number(JsonText& out, std::string_view key, std::uint64_t value) {
  out.key(key);
  out.number(value);
}

void put_members(JsonText& out, const std::vector<RawMember>& members) {
  for (const auto& member : members) {
    out.member_name(member.name);
    out.raw(member.value);
  }
}

void put_summary(JsonText& out, const SnapshotSummary& summary) {
  out.key("summary");
  out.begin_object();
  out.key("backup_start");
  out.time(summary.backup_start);
  out.key("backup_end");
  out.time(summary.backup_end);
  put_number(out, "files_new", summary.files_new);
  put_number(out, "files_changed", summary.files_changed);
  put_number(out, "files_unmodified", summary.files_unmodified);
  put_number(out, "dirs_new", summary.dirs_new);
  put_number(out, "dirs_changed", summary.dirs_changed);
  put_number(out, "dirs_unmodified", summary.dirs_unmodified);
  put_number(out, "data_blobs", summary.data_blobs);
  put_number(out, "tree_blobs", summary.tree_blobs);
  put_number(out, "data_added", summary.data_added);
  put_number(out, "data_added_packed", summary.data_added_packed);
  put_number(out, "total_files_processed", summary.total_files_processed);
  put_number(out, "total_bytes_processed", summary.total_bytes_processed);
  put_members(out, summary.other);
  out.end_object();
}

void put_rustic_fields(JsonText& out, const Snapshot& snapshot) {
  if (!snapshot.parents.empty()) {
    out.key("parents");
    out.begin_array();
    for (const auto& parent : snapshot.parents) out.hex(parent.view());
    out.end_array();
  }
  put_text(out, "label", snapshot.label);
  put_text(out, "description", snapshot.description);
  if (snapshot.delete_rule == DeleteRule::unset) return;
  out.key("delete");
  if (snapshot.delete_rule == DeleteRule::never) {
    out.string_unescaped("Never");
    return;
  }
  out.begin_object();
  out.key("After");
  out.time(snapshot.delete_after);
  out.end_object();
}

}  // namespace

bool is_companion(const Snapshot& snapshot) {
  return std::any_of(snapshot.tags.begin(), snapshot.tags.end(), [](std::string_view tag) {
    return std::find(companion_tags.begin(), companion_tags.end(), tag) != companion_tags.end();
  });
}

Bytes encode_snapshot(const Snapshot& snapshot) {
  JsonText out;
  out.begin_object();
  out.key("time");
  out.time(snapshot.time);
  put_id(out, "parent", snapshot.parent);
  out.key("tree");
  out.hex(snapshot.tree.view());
  put_list(out, "paths", snapshot.paths);
  put_text(out, "hostname", snapshot.hostname);
  put_text(out, "username", snapshot.username);
  if (snapshot.uid != 0) put_number(out, "uid", snapshot.uid);
  if (snapshot.gid != 0) put_number(out, "gid", snapshot.gid);
  if (!snapshot.excludes.empty()) put_list(out, "excludes", snapshot.excludes);
  if (!snapshot.tags.empty()) put_list(out, "tags", snapshot.tags);
  put_id(out, "original", snapshot.original);
  put_text(out, "program_version", snapshot.program_version);
  if (snapshot.summary) put_summary(out, *snapshot.summary);
  put_rustic_fields(out, snapshot);
  put_members(out, snapshot.other);
  out.end_object();
  return out.take();
}

Result<Snapshot> decode_snapshot(ByteView json) {
  if (json.size() > unpacked_json_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("snapshot of {} bytes", json.size()));
  JsonCursor in(as_text(json));
  Draft draft;
  if (read_object(in, draft, snapshot_fields, &draft.snapshot.other)) {
    if (!draft.has_tree) in.fail_here("no tree");
    if (!in.at_end()) in.fail_here("text after the snapshot");
  }
  TRY(in.status("snapshot"));
  return std::move(draft.snapshot);
}

}  // namespace holdfast::repo
