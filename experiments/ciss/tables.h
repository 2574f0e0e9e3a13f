#pragma once

// The tables of Zhou et al., "Context-reinforced semantic segmentation" (CVPR 2019), each with the numbers that the
// paper has for one of its datasets, and the table of controls that it lacks.

#include "experiments/ciss/options.h"
#include "experiments/runner/table.h"

namespace experiments::ciss {

// PSPNet, which makes the features; Base alone; the whole p-map as context; CiSS-Net.
Table<CissOptions> Methods(const CissOptions& base);

// What could explain a gain of CiSS-Net away: the capacity of Bias without any context, the p-map without a choice, a
// choice at random, a choice by confidence. The columns "adopted" and "precision" are of the first step.
Table<CissOptions> Controls(const CissOptions& base);

// Whose numbers a table quotes.
enum class Quoted { kAde20k, kCityscapes, kPascalContext };

template <Quoted kQuoted>
Table<CissOptions> TableOne(const CissOptions& base);  // steps t
template <Quoted kQuoted>
Table<CissOptions> TableTwo(const CissOptions& base);  // γ
template <Quoted kQuoted>
Table<CissOptions> TableThree(const CissOptions& base);  // λ2
template <Quoted kQuoted>
Table<CissOptions> TableFour(const CissOptions& base);  // strategies
template <Quoted kQuoted>
Table<CissOptions> TableFive(const CissOptions& base);   // recurrent methods
Table<CissOptions> TableSix(const CissOptions& base);    // ADE20K
Table<CissOptions> TableSeven(const CissOptions& base);  // Pascal Context
Table<CissOptions> TableEight(const CissOptions& base);  // Cityscapes

}  // namespace experiments::ciss
