// What a plan and its progress hold of a deployment's strategy, as it is stored with the record. Private to this folder.

#pragma once

#include <nlohmann/json.hpp>

#include "deploy/record.h"

namespace hale::deploy {

nlohmann::ordered_json strategy_json(const Record& record);
// Needs: the plan's containers are read.
void read_strategy(const nlohmann::ordered_json& kept, Record& record);
// What people are shown.
nlohmann::ordered_json shown_strategy(const Record& record);

}  // namespace hale::deploy
