#include "net/redis_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace switchgear::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

RedisAddress must(std::string_view url) {
  const auto address = redis_address(url);
  EXPECT_TRUE(address) << address.error().text();
  return address ? *address : RedisAddress{};
}
std::string problem(std::string_view url) {
  const auto address = redis_address(url);
  EXPECT_FALSE(address) << url;
  if (address) return {};
  EXPECT_EQ(address.error().code, "url") << url;
  EXPECT_FALSE(address.error().retryable) << url;
  return address.error().message;
}

TEST(RedisAddress, IsReadFromAUrl) {
  const RedisAddress address = must("redis://ann:s%40cret@cache.example:7000/3");
  EXPECT_EQ(address.hosts, (std::vector<RedisHost>{{"cache.example", 7000}}));
  EXPECT_EQ(address.user, "ann");
  EXPECT_EQ(address.password, "s@cret");
  EXPECT_EQ(address.database, 3);
  EXPECT_FALSE(address.tls);
  EXPECT_EQ(address.name(), "redis cache.example:7000");
}

TEST(RedisAddress, HasASchemeInAnyCase) {
  EXPECT_TRUE(must("REDISS://cache.example").tls);
  EXPECT_TRUE(is_redis_url("REDISS://cache.example"));
  EXPECT_TRUE(is_redis_url("Redis+Sentinel://a/b"));
  for (const char* other : {"redi://a", "redisx://a", "redis", "redis:/a", "", "://"}) {
    EXPECT_FALSE(is_redis_url(other)) << other;
  }
}

TEST(RedisAddress, HasDefaults) {
  const RedisAddress address = must("redis://:pw@[::1]/");
  EXPECT_EQ(address.hosts, (std::vector<RedisHost>{{"::1", 6379}}));
  EXPECT_EQ(address.user, "");
  EXPECT_EQ(address.password, "pw");
  EXPECT_EQ(address.database, 0);
  EXPECT_EQ(address.name(), "redis [::1]:6379");
}

TEST(RedisAddress, HasSeveralHosts) {
  const RedisAddress address = must("redis://:p,w@a,[::1]:7,B.example:8/2");
  EXPECT_EQ(address.hosts, (std::vector<RedisHost>{{"a", 6379}, {"::1", 7}, {"b.example", 8}}));
  EXPECT_EQ(address.password, "p,w");
  EXPECT_EQ(address.database, 2);
  EXPECT_EQ(address.name(), "redis a:6379,[::1]:7,b.example:8");
  EXPECT_EQ(address.at({"b.example", 8}).name(), "redis b.example:8");
  EXPECT_EQ(address.at({"b.example", 8}).password, "p,w");
}

TEST(RedisAddress, SaysTls) {
  ASSERT_TRUE(must("rediss://h").tls);
  EXPECT_EQ(*must("rediss://h").tls, TlsFiles{});
  const RedisAddress address =
      must("rediss://h/1?ca_file=/etc/a%20b.pem&cert_file=c.pem&key_file=k.pem");
  EXPECT_EQ(*address.tls,
            (TlsFiles{.ca_file = "/etc/a b.pem", .cert_file = "c.pem", .key_file = "k.pem"}));
  EXPECT_EQ(address.database, 1);
}

TEST(RedisAddress, NamesThePrimaryThatSentinelsWatch) {
  const RedisAddress address = must("redis+sentinel://ann:pw@s1,s2:7000/orders/4");
  EXPECT_EQ(address.hosts, (std::vector<RedisHost>{{"s1", 26379}, {"s2", 7000}}));
  EXPECT_EQ(address.primary_name, "orders");
  EXPECT_EQ(address.database, 4);
  EXPECT_EQ(address.name(), "redis orders (Sentinels s1:26379,s2:7000)");
  const RedisAddress primary = address.at({"p", 6379});
  EXPECT_EQ(primary.name(), "redis p:6379");
  EXPECT_EQ(primary.database, 4);
  EXPECT_EQ(primary.password, "pw");
  EXPECT_TRUE(must("rediss+sentinel://s/orders").tls);
}

TEST(RedisAddress, HasCredentialsForTheSentinels) {
  const RedisAddress same = must("redis+sentinel://ann:pw@s/orders").at_sentinel({"s", 1});
  EXPECT_EQ(same.user + "/" + same.password, "ann/pw");
  const RedisAddress none =
      must("redis+sentinel://ann:pw@s/orders?sentinel_password=").at_sentinel({"s", 1});
  EXPECT_EQ(none.user + "/" + none.password, "/");
  const RedisAddress own =
      must("redis+sentinel://ann:pw@s/orders?sentinel_user=bob&sentinel_password=p%26w")
          .at_sentinel({"s", 1});
  EXPECT_EQ(own.user + "/" + own.password, "bob/p&w");
  EXPECT_EQ(own.database, 0);
}

TEST(RedisAddress, NamesACacheThatKnowsItsUsersByIam) {
  const RedisAddress address = must("rediss://ann@h?iam_cache=orders&region=eu-central-1");
  EXPECT_EQ(address.user, "ann");
  EXPECT_EQ(address.iam_cache, "orders");
  EXPECT_EQ(address.region, "eu-central-1");
  EXPECT_THAT(problem("redis://ann@h?iam_cache=orders"), HasSubstr("begin it with rediss://"));
  EXPECT_THAT(problem("rediss://h?iam_cache=orders"), HasSubstr("no user"));
  EXPECT_THAT(problem("rediss://ann:secret@h?iam_cache=orders"),
              AllOf(HasSubstr("leave one out"), Not(HasSubstr("secret"))));
  EXPECT_THAT(problem("rediss://h?region=eu-central-1"), HasSubstr("goes with iam_cache"));
  EXPECT_THAT(problem("rediss+sentinel://ann@h/p?iam_cache=orders"), HasSubstr("no Sentinel"));
}

TEST(RedisAddress, SuggestsTheOptionThatWasMeant) {
  EXPECT_THAT(problem("rediss://h?cafile=x"), HasSubstr("did you mean `ca_file`?"));
  EXPECT_THAT(problem("redis://h?ca_file=x"), HasSubstr("begin it with rediss://"));
  EXPECT_THAT(problem("redis://h?sentinel_user=x"), HasSubstr("redis+sentinel://"));
  EXPECT_THAT(problem("rediss://h?verify=none"), HasSubstr("always verified"));
  EXPECT_THAT(problem("rediss://h?ca_file"), HasSubstr("without =value"));
  EXPECT_THAT(problem("rediss://h?ca_file="), HasSubstr("empty ca_file"));
  EXPECT_THAT(problem("rediss://h?ca_file=a&ca_file=b"), HasSubstr("twice"));
  EXPECT_THAT(problem("rediss://h?cert_file=a"), HasSubstr("both cert_file and key_file"));
  EXPECT_THAT(problem("redis+sentinel://h"), HasSubstr("must name the primary"));
}

TEST(RedisAddress, RefusesWhatItCannotUseWithoutShowingASecret) {
  for (const char* url :
       {"http://u:secret@h", "redis://u:secret@h/x", "redis://u:secret@h/-1",
        "redis://u:secret@h/1/2", "redis://u:secret@h/0?a=b", "redis://u:secret@", "redis://user@h",
        "redis://u:secret@h:99999", "u:secret@h", "redis://u:secret@h,", "redis://u:secret@,h",
        "redis://u:secret@h,i:0", "rediss://h?secret=secret",
        "redis+sentinel://h/p?sentinel_user=secret", "redis+sentinel://h/p/q?sentinel_user=secret",
        "redis+sentinel://u:secret@h", "redis+sentinel://u:secret@h/p/x",
        "redis+sentinel://h/p?sentinel_password=secret&x=1",
        "redis+sentinel://h/p?sentinel_password=se@cret"}) {
    EXPECT_THAT(problem(url), Not(HasSubstr("cret"))) << url;
  }
}

}  // namespace
}  // namespace switchgear::net
