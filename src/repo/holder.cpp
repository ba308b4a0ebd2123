#include "repo/holder.hpp"

#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "base/file.hpp"

namespace holdfast::repo {
namespace {

constexpr std::uint64_t proc_file_bytes_max = 4096;
constexpr std::size_t start_time_field = 22;  // of /proc/<pid>/stat, counted from 1

std::string text_of_file(const std::string& path) {
  const auto bytes = read_file(path, proc_file_bytes_max);
  if (!bytes.has_value()) return {};
  std::string text(as_text(*bytes));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::string user_name(uid_t uid) {
  std::array<char, 4096> buffer{};
  struct passwd entry{};
  struct passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return {};
  return found->pw_name;
}

// The second field is the name in parentheses and may hold blanks: count from its end.
std::uint64_t started_tick_of(std::int64_t pid) {
  const std::string text = text_of_file("/proc/" + std::to_string(pid) + "/stat");
  auto at = text.rfind(')');
  if (at == std::string::npos) return 0;
  for (std::size_t field = 2; field < start_time_field; ++field) {
    at = text.find(' ', at + 1);
    if (at == std::string::npos) return 0;
  }
  std::uint64_t tick = 0;
  const auto parsed = std::from_chars(text.data() + at + 1, text.data() + text.size(), tick);
  return parsed.ec == std::errc() ? tick : 0;
}

}  // namespace

Holder this_process() {
  Holder self;
  std::array<char, 256> hostname{};
  if (::gethostname(hostname.data(), hostname.size() - 1) == 0) self.hostname = hostname.data();
  self.uid = ::getuid();
  self.gid = ::getgid();
  self.username = user_name(self.uid);
  self.pid = ::getpid();
  self.boot_id = text_of_file("/proc/sys/kernel/random/boot_id");
  struct stat pid_namespace{};
  if (::stat("/proc/self/ns/pid", &pid_namespace) == 0) self.pid_namespace = pid_namespace.st_ino;
  self.pid_started = started_tick_of(self.pid);
  return self;
}

bool is_running(std::int64_t pid, std::uint64_t pid_started) {
  if (pid <= 0) return false;
  if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) return false;
  const std::uint64_t tick = started_tick_of(pid);
  return pid_started == 0 || tick == 0 || tick == pid_started;
}

}  // namespace holdfast::repo
