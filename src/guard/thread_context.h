// What the path of a call needs to know about its thread, reachable in a nanosecond.
#pragma once

#include <cxxabi.h>

#include <atomic>
#include <cstdint>

namespace switchgear::guard {

// Threads are numbered from 1 as they come; the number spreads them over counters.
struct ThreadContext {
  std::uint32_t number = 0;
  // Exceptions that are unwinding on this thread: the word that std::uncaught_exceptions() reads,
  // which costs 6 ns a call. Its place is fixed by the Itanium C++ ABI, section 2.2.2:
  // struct __cxa_eh_globals { __cxa_exception* caught; unsigned int uncaught; }.
  const unsigned* uncaught = nullptr;
};

inline constinit thread_local ThreadContext thread_context_storage;

inline ThreadContext& thread_context() {
  ThreadContext& context = thread_context_storage;
  if (context.number == 0) [[unlikely]] {
    static constinit std::atomic<std::uint32_t> next{1};
    context.number = next.fetch_add(1, std::memory_order_relaxed);
    struct EhGlobals {
      void* caught;
      unsigned uncaught;
    };
    context.uncaught = &reinterpret_cast<const EhGlobals*>(abi::__cxa_get_globals())->uncaught;
  }
  return context;
}

}  // namespace switchgear::guard
