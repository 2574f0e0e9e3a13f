#include "nn/schedules/schedule.h"

#include <gtest/gtest.h>

#include "autograd/runtime/error.h"

namespace nn {
namespace {

// Values printed by the published schedulers, to six digits.
void ExpectRate(const Schedule& schedule, int64_t step, double expected) {
  EXPECT_NEAR(schedule(step), expected, 5e-6 * expected + 1e-15) << "at step " << step;
}

TEST(Schedule, PolynomialOfSemsegAndCar) {
  const Schedule schedule = PolynomialSchedule(0.01, 30000);
  ExpectRate(schedule, 0, 0.01);
  ExpectRate(schedule, 1, 0.0099997);
  ExpectRate(schedule, 1000, 0.00969949);
  ExpectRate(schedule, 10000, 0.00694253);
  ExpectRate(schedule, 15000, 0.00535887);
  ExpectRate(schedule, 29999, 9.34525e-7);
  EXPECT_EQ(schedule(30000), 0);
  EXPECT_EQ(schedule(40000), 0);
}

TEST(Schedule, PolynomialOfMmsegWithMinimum) {
  const Schedule schedule = PolynomialSchedule(0.01, 80000, 0.9, 1e-4);
  ExpectRate(schedule, 20000, 0.00774171);
  ExpectRate(schedule, 40000, 0.00540528);
  ExpectRate(schedule, 79999, 1.00383e-4);
  EXPECT_EQ(schedule(80000), 1e-4);
}

TEST(Schedule, SegFormerScalesItsDecayWhileWarmingUp) {
  Schedule schedule = PolynomialSchedule(6e-5, 160000, 1);
  schedule.warm_up_steps = 1500;
  ExpectRate(schedule, 0, 6e-11);
  ExpectRate(schedule, 1, 4.00597e-8);
  ExpectRate(schedule, 750, 2.98594e-5);
  ExpectRate(schedule, 1499, 5.93982e-5);
  ExpectRate(schedule, 1500, 5.94375e-5);
  ExpectRate(schedule, 80000, 3e-5);
  ExpectRate(schedule, 159999, 3.75e-10);
}

TEST(Schedule, ISegShiftsItsDecayBehindTheWarmUp) {
  Schedule schedule = PolynomialSchedule(0.01, 40000);
  schedule.warm_up = Schedule::WarmUp::kShifted;
  schedule.warm_up_steps = 1500;
  schedule.warm_up_factor = 0;
  EXPECT_EQ(schedule(0), 0);
  ExpectRate(schedule, 750, 0.005);
  ExpectRate(schedule, 1500, 0.01);
  ExpectRate(schedule, 20000, 0.00554641);
  ExpectRate(schedule, 40000, 5.38974e-4);
}

TEST(Schedule, Cosine) {
  const Schedule schedule = CosineSchedule(0.1, 300, 0.02);
  ExpectRate(schedule, 0, 0.1);
  ExpectRate(schedule, 100, 0.08);  // cos 60° = 1/2
  ExpectRate(schedule, 150, 0.06);
  ExpectRate(schedule, 200, 0.04);
  ExpectRate(schedule, 300, 0.02);
}

TEST(Schedule, ConstantWithWarmUp) {
  Schedule schedule = ConstantSchedule(2);
  schedule.warm_up_steps = 4;
  schedule.warm_up_factor = 0;
  EXPECT_EQ(schedule(1), 0.5);
  EXPECT_EQ(schedule(4), 2);
  EXPECT_EQ(schedule(1 << 30), 2);
  EXPECT_THROW(Schedule()(0), autograd::Error);  // a decay needs its length
}

}  // namespace
}  // namespace nn
