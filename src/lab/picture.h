// The picture of an outage with and without a circuit, as SVG: above, calls per second to the
// dependency (answered, failed); below, messages waiting. Readable on light and dark pages.
#pragma once

#include <iosfwd>

#include "lab/outage.h"

namespace switchgear::lab {

void write_outage_picture(std::ostream& svg, const OutageResult& with, const OutageResult& without,
                          TrueTime down_at, TrueTime up_at);

}  // namespace switchgear::lab
