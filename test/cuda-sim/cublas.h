// The stand-in for cuBLAS; see cublas.cpp.
#pragma once
#include <cstddef>

namespace simulator::blas {

// Handles that were created and not destroyed.
size_t liveHandles();
void forgetHandles();

} // namespace simulator::blas
