// Scenario 8 on a real server: a process that was stopped while CLOSED wakes up when the circuit
// has long been open.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "fleet/transition.h"
#include "guard/scripted_store_for_tests.h"
#include "guard/tick_clock.h"
#include "net/redis_server_for_tests.h"
#include "stores/open.h"
#include "switchgear/switchgear.h"

namespace switchgear {
namespace {

constexpr Duration kViewMaxAge = 400ms;
constexpr int kNeverRefused = 250;

Policy policy() {
  Policy policy = guard::quick_policy();
  policy.view_max_age = kViewMaxAge;
  return policy;
}

// In the child: calls without a pause; after a gap as long as a view may live, how many calls were
// admitted until the first refusal.
int calls_on_an_old_view(const std::string& url, int ready) {
  auto circuits = open(url, {.first_view_wait = 1s});
  const Circuit circuit = circuits.circuit("c", policy());
  MonoTime last = guard::read_monotonic();
  const MonoTime end = last + 20s;
  bool told = false;
  bool thawed = false;
  int admitted = 0;
  while (last < end) {
    const MonoTime asked = guard::read_monotonic();
    thawed = thawed || asked - last >= kViewMaxAge;
    auto permit = circuit.try_acquire();
    if (!told && circuit.status().epoch != 0) told = ::write(ready, "r", 1) == 1;
    last = guard::read_monotonic();
    if (!thawed && last - asked >= kViewMaxAge) {
      // Stopped between check and call, which no check can see; may_start() is for that.
      thawed = true;
      if (permit && !permit.may_start()) permit.ignore();
      continue;
    }
    if (thawed && !permit) return std::min(admitted, kNeverRefused);
    if (thawed) ++admitted;
    permit.success();
  }
  return kNeverRefused;
}

void hold_open(const std::string& url) {
  net::Loop loop;
  const auto store = *stores::open_store(loop, url);
  const fleet::PolicyTable table(policy());
  bool held = false;
  // Its owner is stopped, but what it sent before may still arrive: try until the swap is taken.
  const std::function<void()> attempt = [&] {
    store->execute("c", fleet::ReadOp{}, [&](const Result<fleet::Answer>& seen) {
      ASSERT_TRUE(seen) << seen.error().text();
      const auto swap = fleet::set_hold(
          table, seen->snapshot, {.instance = {0xabc}, .nonce = 1},
          {.kind = HoldKind::forced_open, .who = "somebody", .why = "a test", .until = {}});
      store->execute("c", swap, [&](const Result<fleet::Answer>& answer) {
        ASSERT_TRUE(answer) << answer.error().text();
        held = answer->status == fleet::Status::ok;
        if (!held) attempt();
      });
    });
  };
  attempt();
  ASSERT_TRUE(loop.run_until([&] { return held; }, 10s));
}

TEST(Scenario08StaleViewAfterThaw, AtMostOneCallGoesOnTheOldView) {
  const net::RedisServer redis;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(calls_on_an_old_view(redis.url(), ready[1]));
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);

  ASSERT_EQ(::kill(child, SIGSTOP), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  hold_open(redis.url());
  net::Loop loop;
  loop.run_until([] { return false; }, 2 * kViewMaxAge);
  ASSERT_EQ(::kill(child, SIGCONT), 0);

  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_LE(WEXITSTATUS(status), 1);
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace switchgear
