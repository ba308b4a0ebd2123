#include "base/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.hpp"

extern char** environ;

namespace holdfast {
namespace {

// What the child's three streams are; destroyed after the spawn.
class SpawnActions {
 public:
  explicit SpawnActions(int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, output >= 0 ? output : 2, 1);
  }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

Result<pid_t> spawn(const std::vector<std::string>& argv, int output) {
  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const SpawnActions actions(output);
  pid_t pid = -1;
  const int failed = posix_spawnp(&pid, words[0], actions.get(), nullptr, words.data(), environ);
  if (failed != 0) return fail_errno("start " + argv[0], failed);
  return pid;
}

Result<int> wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("wait for a process", errno);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// All of the pipe, one byte more than allowed at most.
Result<Bytes> drain(int fd) {
  Bytes output(process_output_bytes_max + 1);
  const auto got = TRY(read_up_to(fd, output));
  output.resize(got);
  output.shrink_to_fit();
  return output;
}

}  // namespace

Result<ProcessResult> run_process(const std::vector<std::string>& argv, Capture capture) {
  if (argv.empty()) return fail(ErrorCode::usage, "the command to run is empty");
  if (capture == Capture::none) {
    const auto pid = TRY(spawn(argv, -1));
    const auto status = TRY(wait_for(pid));
    return ProcessResult{status, {}};
  }
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("make a pipe", errno);
  Fd reading(ends[0]);
  Fd writing(ends[1]);
  const auto pid = TRY(spawn(argv, writing.get()));
  writing.close();
  auto output = drain(reading.get());
  reading.close();  // a program that prints without end gets SIGPIPE
  const auto status = TRY(wait_for(pid));
  ProcessResult result{status, {}};
  result.output = TRY(std::move(output));
  if (result.output.size() > process_output_bytes_max)
    return fail(ErrorCode::limit_exceeded,
                fmt::format("{} printed more than {} bytes", argv[0], process_output_bytes_max));
  return result;
}

Result<std::vector<std::string>> split_words(std::string_view command) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t at = 0; at < command.size(); ++at) {
    const char c = command[at];
    const bool escapes = c == '\\' && quote != '\'' && at + 1 < command.size();
    if (escapes) {
      word += command[++at];
      in_word = true;
    } else if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) return fail(ErrorCode::malformed, "the command ends inside a quote");
  if (in_word) words.push_back(std::move(word));
  return words;
}

}  // namespace holdfast
