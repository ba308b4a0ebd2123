#include "cli/cli.hpp"

namespace holdfast::cli {

int run(int, char**) {
  return 2;
}

}  // namespace holdfast::cli
