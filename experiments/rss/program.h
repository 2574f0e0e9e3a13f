#pragma once

// main() of the RSS programs: they share flags, rows and reports and differ in the dataset and the table they are about.

namespace experiments::rss {

struct Program {
  const char* name;     // "rss_voc2012"
  const char* usage;    // for --help
  const char* dataset;  // what --data_root alone means, and --preset=paper
  int table = 0;        // of the paper, without --table and --method; 0: RSS beside PSL
  int scene_steps = 0;  // on the embedded scenes; 0: the preset's
};

int RunRss(int argc, char** argv, const Program& program);

}  // namespace experiments::rss
