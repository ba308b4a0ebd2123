// Must fail: proves that the fuzzing set-up still finds a planted bug (tools/fuzz.py runs it
// first).
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (text.starts_with("HF") && text.ends_with("!")) std::abort();
  return 0;
}
