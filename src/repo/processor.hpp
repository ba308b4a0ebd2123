#pragma once
// What this processor can do beyond the baseline of its architecture. Answers never change while
// the program runs; on anything but x86-64 they are all no.
namespace holdfast::repo {

bool processor_has_avx512();       // F, BW, DQ, VL, and the operating system saves the registers
bool processor_has_avx512_gfni();  // the above, VBMI, and GFNI
bool processor_has_sha();          // the SHA extensions, SSE 4.1 and SSSE 3

}  // namespace holdfast::repo
