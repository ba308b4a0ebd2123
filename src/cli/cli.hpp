#pragma once
// The command line: parses arguments, calls one use case, prints its result, maps errors to exit
// codes. One file per command.
namespace holdfast::cli {

// The whole program. Returns the exit status.
int run(int argument_count, char** arguments);

}  // namespace holdfast::cli
