#pragma once
// CHECK: a broken promise of our own code. Always on; prints and aborts. Never reachable by input.
namespace holdfast {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}
#define CHECK(condition)                  \
  (static_cast<bool>(condition) ? void(0) \
                                : ::holdfast::check_failed(#condition, __FILE__, __LINE__))
