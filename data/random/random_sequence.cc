#include "data/random/random_sequence.h"

namespace data {

float RandomSequence::Uniform(float low, float high) { return low + (high - low) * autograd::UniformFloat(Word()); }

}  // namespace data
