#include "guard/circuit_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace switchgear::guard {
namespace {

using Core = CircuitDirectory::Core;

// A directory of circuits that may be forgotten as soon as nobody has a handle on them.
class ADirectory : public testing::Test {
 protected:
  // Whether there was room; a handle on the circuit, for those that are to stay, in `handle`.
  bool add(const std::string& name, Core* handle = nullptr) {
    std::vector<Core> gone;
    const bool room = directory->make_room(name, gone);
    for (const Core& core : gone) forgotten.push_back(core->name());
    if (!room) return false;
    const auto core = std::make_shared<CircuitCore>(name);
    directory->add(core, table);
    if (handle != nullptr) *handle = core;
    return true;
  }

  CircuitDirectory::Table table = std::make_shared<const fleet::PolicyTable>(Policy{});
  std::optional<CircuitDirectory> directory{std::in_place, 100, 3};
  std::vector<std::string> forgotten;
};

TEST_F(ADirectory, ForgetsTheKeyThatWasAskedForLongestAgo) {
  for (const char* name : {"p/a", "p/b", "p/c"}) ASSERT_TRUE(add(name));
  ASSERT_TRUE(directory->find("p/a").core);
  EXPECT_TRUE(add("p/d"));
  EXPECT_THAT(forgotten, testing::ElementsAre("p/b"));
  EXPECT_FALSE(directory->find("p/b").core);
  EXPECT_EQ(directory->keys_of("p").size(), 3u);
}

TEST_F(ADirectory, BoundsTheKeysOfEachParentByThemselves) {
  for (const char* name : {"p/a", "p/b", "p/c", "q/a"}) ASSERT_TRUE(add(name));
  EXPECT_TRUE(add("q/b"));
  EXPECT_THAT(forgotten, testing::IsEmpty());
  EXPECT_EQ(directory->keys_of("q").size(), 2u);
}

TEST_F(ADirectory, ForgetsNeitherACircuitWithoutAKeyNorOneThatSomebodyHas) {
  Core handle;
  ASSERT_TRUE(add("p"));
  ASSERT_TRUE(add("p/a", &handle));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(add("p/" + std::to_string(i)));
  EXPECT_TRUE(directory->find("p").core);
  EXPECT_EQ(directory->find("p/a").core, handle);
}

TEST_F(ADirectory, OfAllParentsForgetsWhatWasAskedForLongestAgo) {
  directory.emplace(4, 100);
  for (const char* name : {"z/a", "b/a", "b/b", "b/c"}) ASSERT_TRUE(add(name));
  EXPECT_TRUE(add("a/a"));
  EXPECT_TRUE(add("c"));
  EXPECT_THAT(forgotten, testing::ElementsAre("z/a", "b/a"));
  EXPECT_EQ(directory->size(), 4u);
  EXPECT_EQ(directory->keys_of("z").size(), 0u);
}

TEST_F(ADirectory, FindsTheOneThatMayGoAmongManyThatMayNot) {
  directory.emplace(301, 1'000);
  std::vector<Core> handles(300);
  for (std::size_t i = 0; i < handles.size(); ++i) {
    ASSERT_TRUE(add("a/" + std::to_string(i), &handles[i]));
  }
  ASSERT_TRUE(add("b/free"));
  // Each newcomer looks at a few, and the next one at others.
  int refused = 0;
  while (!add("c/" + std::to_string(refused))) ASSERT_LT(++refused, 6);
  EXPECT_THAT(forgotten, testing::ElementsAre("b/free"));
}

TEST_F(ADirectory, HasNoRoomWhereNothingMayGo) {
  std::vector<Core> handles(3);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(add("p/" + std::to_string(i), &handles[static_cast<std::size_t>(i)]));
  }
  EXPECT_FALSE(add("p/new"));
  handles[1].reset();
  EXPECT_TRUE(add("p/new"));
  EXPECT_THAT(forgotten, testing::ElementsAre("p/1"));
}

}  // namespace
}  // namespace switchgear::guard
