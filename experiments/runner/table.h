#pragma once

// Tables as data: rows that are runs, beside the numbers that a paper prints.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace experiments {

struct Published {
  const char* score;  // its name, as Scorer's and the run's records have it
  double percent;
};

struct RowDescription {
  std::string name;
  std::string folder;  // of the row's runs, below the table's; rows with one folder show one run
  std::vector<Published> published = {};
  std::string start = {};                  // folder of the row whose weights it begins with
  std::string reference = {};              // folder of the row that it is compared with
  std::string view = {};                   // in front of the names of its scores, such as "t=2"
  bool hidden = false;                     // not shown, and run only when it is asked for or another row needs it
  std::optional<uint64_t> only_seed = {};  // one run with this seed serves all seeds
};

// A row of options; each function gives the changed row.
template <typename Options>
struct Row : RowDescription {
  Row(std::string row_name, std::string row_folder, Options row_options)
      : RowDescription{std::move(row_name), std::move(row_folder)}, options(std::move(row_options)) {}

  // The paper's numbers, several scores a row.
  Row Paper(std::vector<Published> numbers) const {
    Row row = *this;
    row.published = std::move(numbers);
    return row;
  }
  // Begins with that row's weights: cold starts, pre-training, supervised before reinforcement.
  Row From(std::string start_folder) const {
    Row row = *this;
    row.start = std::move(start_folder);
    return row;
  }
  // Shown as a share of that row.
  Row Beside(std::string reference_folder) const {
    Row row = *this;
    row.reference = std::move(reference_folder);
    return row;
  }
  // One run fills several rows: this one shows the scores whose names begin with `view`.
  Row Showing(std::string row_view) const {
    Row row = *this;
    row.view = std::move(row_view);
    return row;
  }
  Row Hidden() const {
    Row row = *this;
    row.hidden = true;
    return row;
  }
  Row Once(uint64_t seed) const {
    Row row = *this;
    row.only_seed = seed;
    return row;
  }

  Options options;
};

struct TableDescription {
  std::string title;
  std::string published_on =
      {};  // the data of the paper's numbers, by the dataset's title; shown where other data is measured
  std::vector<std::string> columns = {"mIoU", "pixel accuracy"};  // names of scores
  std::vector<std::string> curves = {};  // scores that the report draws over the steps; empty: the first column
  std::string compared = {};             // header of the share of the reference, such as "of PSL %"
  std::string note = {};                 // printed below
};

template <typename Options>
struct Table : TableDescription {
  std::vector<Row<Options>> rows = {};
};

}  // namespace experiments
