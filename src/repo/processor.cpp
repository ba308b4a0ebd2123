#include "repo/processor.hpp"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace holdfast::repo {

#ifdef __x86_64__

bool processor_has_avx512() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has;
}

bool processor_has_avx512_gfni() {
  static const bool has = processor_has_avx512() && __builtin_cpu_supports("avx512vbmi") &&
                          __builtin_cpu_supports("gfni");
  return has;
}

// g++ 12 does not know "sha" as a feature name: CPUID leaf 7, EBX bit 29.
bool processor_has_sha() {
  static const bool has = [] {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
    return (ebx >> 29 & 1) != 0 && __builtin_cpu_supports("avx") != 0 &&
           __builtin_cpu_supports("sse4.1") != 0 && __builtin_cpu_supports("ssse3") != 0;
  }();
  return has;
}

namespace {
[[gnu::target("avx")]] void zero_upper_halves() {
  _mm256_zeroupper();
}
}  // namespace

void clear_upper_halves() {
  static const bool has_avx = __builtin_cpu_supports("avx") != 0;
  if (has_avx) zero_upper_halves();
}

#else

bool processor_has_avx512() {
  return false;
}
bool processor_has_avx512_gfni() {
  return false;
}
bool processor_has_sha() {
  return false;
}
void clear_upper_halves() {}

#endif

}  // namespace holdfast::repo
