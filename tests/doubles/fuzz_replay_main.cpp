// Runs a fuzz target without libFuzzer: over every file of its kept corpus, and over seeded
// mutations of each, so that the parser is also exercised in the ordinary tests of every compiler.
#include <cstdio>
#include <filesystem>

#include "base/file.hpp"
#include "base/rng.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace {

using namespace holdfast;

constexpr int mutations_per_input = 200;
constexpr std::uint64_t input_bytes_max = 1024 * 1024;

Bytes mutate(const Bytes& input, Rng& rng) {
  Bytes changed = input;
  for (std::uint64_t edits = 1 + rng.below(4); edits > 0; --edits) {
    if (changed.empty()) changed.push_back(static_cast<std::uint8_t>(rng.next()));
    const auto at = rng.below(changed.size());
    switch (rng.below(4)) {
      case 0:
        changed[at] = static_cast<std::uint8_t>(rng.next());
        break;
      case 1:
        changed[at] ^= static_cast<std::uint8_t>(1U << rng.below(8));
        break;
      case 2:
        changed.resize(at);
        break;
      default:
        changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(at),
                       static_cast<std::uint8_t>(rng.next()));
    }
  }
  return changed;
}

void replay(const Bytes& input, std::uint64_t seed) {
  LLVMFuzzerTestOneInput(input.data(), input.size());
  SeededRng rng(seed);
  for (int round = 0; round < mutations_per_input; ++round) {
    const Bytes changed = mutate(input, rng);
    LLVMFuzzerTestOneInput(changed.data(), changed.size());
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::uint64_t inputs = 0;
  replay({}, inputs);
  for (int index = 1; index < argument_count; ++index) {
    if (!std::filesystem::is_directory(arguments[index])) continue;
    for (const auto& entry : std::filesystem::directory_iterator(arguments[index])) {
      const auto input = read_file(entry.path(), input_bytes_max);
      if (!input.has_value()) {
        std::fprintf(stderr, "%s\n", describe(input.error()).c_str());
        return 1;
      }
      replay(input.value(), ++inputs);
    }
  }
  std::printf("replayed %llu inputs, each with %d mutations\n",
              static_cast<unsigned long long>(inputs), mutations_per_input);
  return 0;
}
