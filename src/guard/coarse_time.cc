#include "guard/coarse_time.h"

#include <dlfcn.h>

namespace switchgear::guard {

ReadClock find_read_clock() {
#if defined(__x86_64__)
  constexpr const char* kName = "__vdso_clock_gettime";
#else
  constexpr const char* kName = "__kernel_clock_gettime";
#endif
  // Mapped into every process by the kernel; nothing is loaded.
  void* const vdso = ::dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
  if (vdso == nullptr) return ::clock_gettime;
  const auto found = reinterpret_cast<ReadClock>(::dlsym(vdso, kName));
  timespec t{};
  const bool works = found != nullptr && found(CLOCK_MONOTONIC_COARSE, &t) == 0 &&
                     found(CLOCK_REALTIME_COARSE, &t) == 0;
  return works ? found : ::clock_gettime;
}

constinit ReadClock read_clock = ::clock_gettime;

namespace {
// Before main, while there is one thread; the pointer is only read from then on.
[[maybe_unused]] const bool found_before_main = [] {
  read_clock = find_read_clock();
  return true;
}();
}  // namespace

}  // namespace switchgear::guard
