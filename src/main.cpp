#include "cli/cli.hpp"

int main(int argument_count, char** arguments) {
  return holdfast::cli::run(argument_count, arguments);
}
