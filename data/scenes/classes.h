// The classes of the embedded scenes.
#pragma once

#include "data/formats/image.h"

namespace data::scenes {

// A dataset of k classes has the first k of these.
enum Class : int {
  kSky,
  kGround,
  kTree,
  kHouse,
  kWater,
  kCar,
  kMountain,
  kPerson,
  kRoad,
  kAnimal,
  kFence,
  kBoat,
  kRock,
  kBush,
  kSign,
  kBall,
  kBird,
  kCloud,
  kFlower,
  kTower,
  kBalloon,
  kCrate,
  kMushroom,
  kWindmill,
  kClassCount,
};

struct ClassDescription {
  const char* name;
  Color color;
};

inline constexpr ClassDescription kClasses[kClassCount] = {
    {"sky", {111, 174, 226}},      {"ground", {190, 160, 106}},   {"tree", {58, 140, 63}},
    {"house", {201, 88, 66}},      {"water", {38, 92, 166}},      {"car", {243, 179, 48}},
    {"mountain", {124, 112, 140}}, {"person", {230, 80, 140}},    {"road", {84, 84, 92}},
    {"animal", {150, 92, 48}},     {"fence", {224, 206, 178}},    {"boat", {240, 240, 246}},
    {"rock", {140, 140, 128}},     {"bush", {134, 186, 62}},      {"sign", {214, 40, 40}},
    {"ball", {255, 120, 30}},      {"bird", {40, 40, 48}},        {"cloud", {214, 228, 240}},
    {"flower", {196, 96, 220}},    {"tower", {120, 54, 54}},      {"balloon", {255, 96, 120}},
    {"crate", {168, 116, 60}},     {"mushroom", {240, 150, 130}}, {"windmill", {90, 200, 190}},
};

}  // namespace data::scenes
