// What a call costs while its circuit is closed: no allocation and no system call.
//
// Allocations are counted by replacing operator new. System calls are forbidden by a seccomp
// filter in a child process: any but the one that ends it kills it.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <new>

#include "switchgear/switchgear.h"

namespace {
thread_local std::uint64_t allocations = 0;

void* counted(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace switchgear {
namespace {

constexpr int kCalls = 1'000'000;

void call_once(const Circuit& circuit) {
  if (auto permit = circuit.try_acquire()) permit.success();
}

// A circuit whose gate is open: the first call brought the view, and calls are passing.
Circuit warmed_up(Circuits& circuits, const Policy& policy,
                  const std::string& name = "payments-api") {
  Circuit circuit = circuits.circuit(name, policy);
  while (circuit.status().epoch == 0) call_once(circuit);
  for (int i = 0; i < 1'000; ++i) call_once(circuit);
  return circuit;
}

// Only exit_group, which ends a child, is let through; everything else kills the process.
void forbid_system_calls() {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  sock_fprog program{.len = std::size(rules), .filter = rules};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    ::_exit(77);
  }
}

enum class End { clean, killed, no_seccomp, other };

// Runs `prepare` and then, without system calls on this thread, `run` in a child.
End in_child(const std::function<void(const std::function<void()>& seal)>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body(forbid_system_calls);
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) return End::killed;
  if (!WIFEXITED(status)) return End::other;
  if (WEXITSTATUS(status) == 77) return End::no_seccomp;
  return WEXITSTATUS(status) == 0 ? End::clean : End::other;
}

void million_calls(const Policy& policy, const std::function<void()>& seal, bool plant,
                   const std::string& name = "payments-api") {
  // The background thread goes on with its own calls: the filter binds one thread only.
  auto* circuits = new Circuits(open("memory:"));
  const Circuit circuit = warmed_up(*circuits, policy, name);
  seal();
  for (int i = 0; i < kCalls; ++i) {
    call_once(circuit);
    if (plant && i == kCalls / 2) (void)::syscall(SYS_getppid);
  }
}

// A process that the machine leaves without a CPU for long has to look for news after it, by system
// calls, and rightly so; that does not happen to several in a row.
End best_of_five(const Policy& policy, const std::string& name = "payments-api") {
  End end = End::other;
  for (int i = 0; i < 5 && end != End::clean; ++i) {
    end = in_child([&](const auto& seal) { million_calls(policy, seal, false, name); });
  }
  return end;
}

TEST(CallCost, IsNoAllocation) {
  auto circuits = open("memory:");
  const Circuit circuit = warmed_up(circuits, {});
  const std::uint64_t before = allocations;
  for (int i = 0; i < kCalls; ++i) call_once(circuit);
  EXPECT_EQ(allocations, before);
}

TEST(CallCost, IsNoAllocationForAKeyWhoseHandleIsKept) {
  auto circuits = open("memory:");
  const Circuit circuit = warmed_up(circuits, {}, "payments-api/eu-1");
  const std::uint64_t before = allocations;
  for (int i = 0; i < kCalls; ++i) call_once(circuit);
  EXPECT_EQ(allocations, before);
}

TEST(CallCost, IsNoAllocationForRun) {
  auto circuits = open("memory:");
  const Circuit circuit = warmed_up(circuits, {});
  int sum = 0;
  const std::uint64_t before = allocations;
  for (int i = 0; i < kCalls; ++i) {
    sum += circuit.run([] { return 1; }, [](const Refusal&) { return 0; });
  }
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(sum, kCalls);
}

TEST(CallCost, IsNoAllocationForAFailure) {
  auto circuits = open("memory:");
  // So mild that these failures do not open it.
  const Circuit circuit = warmed_up(circuits, {.failure_weight = 1, .trip_level = 1'000'000});
  auto permit = circuit.try_acquire();
  permit.failure();  // wakes the background thread; the next ones find it awake
  const std::uint64_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    auto next = circuit.try_acquire();
    next.failure();
  }
  EXPECT_LE(allocations - before, 2u);  // at most a wake or two
}

TEST(CallCost, IsNoSystemCall) { EXPECT_EQ(best_of_five({}), End::clean); }

TEST(CallCost, IsNoSystemCallForAKeyWhoseHandleIsKept) {
  EXPECT_EQ(best_of_five({}, "payments-api/eu-1"), End::clean);
}

TEST(CallCost, IsNoSystemCallWhenCallsAreTimed) {
  EXPECT_EQ(best_of_five({.slow_call_duration = 2s}), End::clean);
}

TEST(CallCost, ASystemCallInTheLoopIsNoticed) {
  const End end = in_child([](const auto& seal) { million_calls({}, seal, true); });
  EXPECT_EQ(end, End::killed);
}

}  // namespace
}  // namespace switchgear
