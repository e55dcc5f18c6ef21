// The picture of a fault, as SVG: the alarm's state, the circuit's, how many invocations at a time
// the mapping may have, and the age of the queue's oldest message, over time. Readable on light and
// dark pages.
#pragma once

#include <iosfwd>

#include "lab/fault_runs.h"

namespace switchgear::lab {

// The design whose pictures the docs show, and a picture's name among them.
inline constexpr Design kPictured = Design::alarm;
std::string picture_name(const DependencyFault& fault);  // of a fault that has one
void write_fault_picture(std::ostream& svg, const DependencyFault& fault,
                         const FaultResult& result);

}  // namespace switchgear::lab
