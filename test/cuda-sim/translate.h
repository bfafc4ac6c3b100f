// Turns CUDA text into C++ that the host's compiler takes, together with kernel-prelude.h: shared memory gets a place, and a table of the
// kernels is added at the end. Lines keep their numbers. Reads tokens, not declarations: kernels are functions outside of namespaces and
// templates, and nothing is made by a macro.
#pragma once
#include <string>

namespace simulator {

std::string translate(const std::string &cuda);

} // namespace simulator
