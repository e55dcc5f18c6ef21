// Boost.JSON is used header-only: this is its one translation unit, for the whole program.
#include <boost/json/src.hpp>
