#pragma once

// The rows of the paper's tables as runs, beside the numbers the paper prints: 1 to 4 on Pascal Context, 5 on VOC2012,
// 6 on Cityscapes. Every row differs from `base` in what its name says. Where `base` has a micro network, so have the
// rows of Table 4.

#include "experiments/rss/options.h"
#include "experiments/runner/table.h"

namespace experiments::rss {

// What --method chooses from: RSS beside PSL, and the pixel-level and the naive pipeline.
Table<RssOptions> Methods(const RssOptions& base);

Table<RssOptions> TableOne(const RssOptions& base);
Table<RssOptions> TableTwo(const RssOptions& base);
Table<RssOptions> TableThree(const RssOptions& base);
Table<RssOptions> TableFour(const RssOptions& base);
Table<RssOptions> TableFive(const RssOptions& base);
Table<RssOptions> TableSix(const RssOptions& base);

}  // namespace experiments::rss
