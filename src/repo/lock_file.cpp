#include "repo/lock_file.hpp"

#include <fmt/format.h>

#include "repo/json_cursor.hpp"

namespace holdfast::repo {
namespace {

constexpr std::size_t lock_json_bytes_max = 65536;

bool read_kind(JsonCursor& in, LockFile& lock) {
  bool is_exclusive = false;
  if (!in.boolean(is_exclusive)) return false;
  lock.kind = is_exclusive ? LockKind::exclusive : LockKind::shared;
  return true;
}

constexpr JsonField<LockFile> lock_fields[] = {
    {"time", [](JsonCursor& in, LockFile& into) { return read_time(in, into.time); }},
    {"exclusive", read_kind},
    {"hostname", [](JsonCursor& in, LockFile& into) { return in.string(into.hostname); }},
    {"username", [](JsonCursor& in, LockFile& into) { return in.string(into.username); }},
    {"pid", [](JsonCursor& in, LockFile& into) { return in.signed_number(into.pid); }},
    {"uid", [](JsonCursor& in, LockFile& into) { return in.number(into.uid); }},
    {"gid", [](JsonCursor& in, LockFile& into) { return in.number(into.gid); }},
    {"program", [](JsonCursor& in, LockFile& into) { return in.string(into.program); }},
    {"boot_id", [](JsonCursor& in, LockFile& into) { return in.string(into.boot_id); }},
    {"pid_ns", [](JsonCursor& in, LockFile& into) { return in.number(into.pid_ns); }},
    {"pid_started", [](JsonCursor& in, LockFile& into) { return in.number(into.pid_started); }},
    {"started",
     [](JsonCursor& in, LockFile& into) { return read_time(in, into.started.emplace()); }},
};

void put_text(JsonText& out, std::string_view key, std::string_view text) {
  if (text.empty()) return;
  out.key(key);
  out.string(text);
}

void put_number(JsonText& out, std::string_view key, std::uint64_t value) {
  if (value == 0) return;
  out.key(key);
  out.number(value);
}

}  // namespace

Bytes encode_lock_file(const LockFile& lock) {
  JsonText out;
  out.begin_object();
  out.key("time");
  out.time(lock.time);
  out.key("exclusive");
  out.boolean(lock.kind == LockKind::exclusive);
  out.key("hostname");
  out.string(lock.hostname);
  out.key("username");
  out.string(lock.username);
  out.key("pid");
  out.signed_number(lock.pid);
  put_number(out, "uid", lock.uid);
  put_number(out, "gid", lock.gid);
  put_text(out, "program", lock.program);
  put_text(out, "boot_id", lock.boot_id);
  put_number(out, "pid_ns", lock.pid_ns);
  put_number(out, "pid_started", lock.pid_started);
  if (lock.started) {
    out.key("started");
    out.time(*lock.started);
  }
  out.end_object();
  return out.take();
}

Result<LockFile> decode_lock_file(ByteView json) {
  if (json.size() > lock_json_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("lock of {} bytes", json.size()));
  JsonCursor in(as_text(json));
  LockFile lock;
  if (read_object(in, lock, lock_fields) && !in.at_end()) in.fail_here("text after the lock");
  TRY(in.status("lock"));
  return lock;
}

}  // namespace holdfast::repo
