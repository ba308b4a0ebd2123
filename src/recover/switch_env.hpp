#pragma once
// Points a program at the recovered database: sets one key of a dotenv file and keeps all else.
#include <filesystem>
#include <string>

#include "base/clock.hpp"
#include "base/secret.hpp"

namespace holdfast::recover {

constexpr std::size_t env_file_bytes_max = std::size_t{4} << 20;

enum class MissingKey : std::uint8_t { refuse, append };

struct EnvChange {
  std::string key;  // [A-Za-z_][A-Za-z0-9_]*
  std::string value;
  MissingKey if_missing = MissingKey::refuse;
};

struct EnvEdit {
  std::string text;
  std::size_t changed_count = 0;  // lines that had another value; all lines of the key get the new
  std::size_t same_count = 0;     // lines that had the value already
  bool is_appended = false;
};

// Pure. Comments, order, blanks, `export`, line ends, a byte order mark and the style of quotes
// stay; a value is quoted when it needs it, so that a shell and the readers of programs (node
// --env-file, dotenv) take it alike: where they disagree about escapes in double quotes (" \ $ `),
// in single quotes whatever the line had. Errors: usage (a key or value that no dotenv file can
// hold, a single quote beside one of these four, a backslash at the end, a quote without an end),
// not_found (no line sets the key, and it is not to be appended).
Result<EnvEdit> set_in_env(std::string_view text, const EnvChange& change);

struct SwitchResult {
  EnvEdit edit;                  // its text is what the file has now
  std::filesystem::path backup;  // "FILE.before-20261125T205849Z"; empty: nothing had to change
};

// The file is replaced as a whole or not at all; mode and owner are kept (owner: where permitted).
// Through a symlink its target is replaced. The backup has the mode of the file.
// Errors: also not_found (the file), io, limit_exceeded.
Result<SwitchResult> switch_env(const std::filesystem::path& file, const EnvChange& change,
                                WallTime now);

}  // namespace holdfast::recover
