#include "stores/powertools_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/loop.h"
#include "stores/open.h"

namespace switchgear::stores {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(PowertoolsAddress, IsATableAndTheParametersOfPowertools) {
  const auto plain = powertools_address("powertools://CircuitBreakerState");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->table, "CircuitBreakerState");
  EXPECT_EQ(plain->region, "");
  EXPECT_EQ(plain->names.key, "id");
  EXPECT_EQ(plain->names.expiry, "expiration");
  const auto full = powertools_address(
      "powertools://state?region=eu-central-1&key_attr=pk&sort_key_attr=sk&static_pk_value="
      "circuit_breaker%23orders&state_attr=a&failure_count_attr=b&opened_at_attr=c&"
      "half_open_owner_attr=d&probe_lease_expiry_attr=e&expiry_attr=f");
  ASSERT_TRUE(full) << full.error().text();
  EXPECT_EQ(full->region, "eu-central-1");
  EXPECT_EQ(full->names.key, "pk");
  EXPECT_EQ(full->names.sort_key, "sk");
  EXPECT_EQ(full->names.partition, "circuit_breaker#orders");
  EXPECT_EQ(full->names.state, "a");
  EXPECT_EQ(full->names.failure_count, "b");
  EXPECT_EQ(full->names.opened_at, "c");
  EXPECT_EQ(full->names.owner, "d");
  EXPECT_EQ(full->names.lease, "e");
  EXPECT_EQ(full->names.expiry, "f");
}

TEST(PowertoolsAddress, SaysWhatAUrlLooksLike) {
  for (const char* url :
       {"powertools://", "powertools://ab", "powertools://table/path", "powertools://table:8000",
        "powertools://user:hunter2@table",
        "powertools://table?region=", "powertools://table?region", "powertools://table?x=y",
        "powertools://table?key_attr=a&key_attr=b", "powertools://table?key_attr=%2",
        "powertools://table?sort_key_attr=sk", "powertools://table?static_pk_value=x",
        "powertools://table?key_attr=state",
        "powertools://table?sort_key_attr=id&static_pk_value=x",
        "powertools://table?sort_key_attr=sk&static_pk_value=circuit_breaker#orders"}) {
    const auto address = powertools_address(url);
    ASSERT_FALSE(address) << url;
    EXPECT_EQ(address.error().code, "url") << url;
    EXPECT_THAT(address.error().message,
                AllOf(HasSubstr("powertools://TABLE"), Not(HasSubstr("hunter2"))))
        << url;
    EXPECT_FALSE(check_store_url(url)) << url;
  }
}

TEST(PowertoolsAddress, IsNoStore) {
  net::Loop loop;
  EXPECT_TRUE(check_store_url("powertools://table"));
  const auto store = open_store(loop, "powertools://table");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, "powertools");
  EXPECT_THAT(store.error().message, HasSubstr("switchgear circuits"));
}

}  // namespace
}  // namespace switchgear::stores
