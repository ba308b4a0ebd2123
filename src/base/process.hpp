#pragma once
// Running another program: argument list in, exit status and bounded output back. No shell.
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace holdfast {

constexpr std::size_t process_output_bytes_max = std::size_t{1} << 20;

struct ProcessResult {
  int exit_status = 0;  // 128 + signal when it was killed, as a shell says it
  Bytes output;         // its standard output, when captured
};

enum class Capture : std::uint8_t { none, standard_output };

// Waits for the program to end. It inherits our environment and standard error; standard input is
// empty. Output beyond process_output_bytes_max is limit_exceeded. An argv[0] that can not be
// started is not_found.
Result<ProcessResult> run_process(const std::vector<std::string>& argv, Capture capture);

// Splits a command line into words as a shell would: blanks, '…', "…" and backslash; nothing is
// expanded. An unfinished quote is `malformed`.
Result<std::vector<std::string>> split_words(std::string_view command);

}  // namespace holdfast
