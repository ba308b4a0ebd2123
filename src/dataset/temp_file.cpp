#include "dataset/temp_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace holdfast::dataset {

Result<Fd> make_temp_file(const std::filesystem::path& directory) {
  Fd unnamed(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (unnamed.is_open()) return unnamed;
  // Not every file system has O_TMPFILE.
  std::string name = (directory / "holdfast-XXXXXX").string();
  Fd named(::mkostemp(name.data(), O_CLOEXEC));
  if (!named.is_open())
    return fail_errno(fmt::format("make a temporary file in {}", directory.string()), errno);
  ::unlink(name.c_str());
  return named;
}

}  // namespace holdfast::dataset
