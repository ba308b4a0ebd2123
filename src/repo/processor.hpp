#pragma once
// What this processor can do beyond the baseline of its architecture. Answers never change while
// the program runs; on anything but x86-64 they are all no.
namespace holdfast::repo {

bool processor_has_avx512();       // F, BW, DQ, VL, and the operating system saves the registers
bool processor_has_avx512_gfni();  // the above, VBMI, and GFNI
bool processor_has_sha();          // the SHA extensions, AVX, SSE 4.1 and SSSE 3

// Tells the processor that the upper halves of its vector registers are not in use. Instructions of
// the SSE age, which AES and SHA still are, run at half speed while it thinks that they are: after
// wide instructions, and after every switch between threads (the kernel restores whole registers).
void clear_upper_halves();

}  // namespace holdfast::repo
