// What of a plan is settled only once its images are here, and before anything is created: which containers judge themselves,
// how long that may take, and which of those that are there already serve as they are. Pure; settling again settles the same.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/deploy_spec.h"
#include "deploy/container_plan.h"
#include "deploy/record.h"
#include "docker/words.h"

namespace hale::deploy {

// What one candidate is to be.
struct Wanted {
    config::DeploySpec spec;
    std::shared_ptr<const config::CheckList> checks;  // What is asked of it; null: nothing.
    docker::ImageFacts image;
    docker::ContainerPlan plan;  // Without its name; with its fingerprint among the labels.
};

// What it writes beside itself: volumes, blank-separated.
std::string written_by(const docker::ContainerPlan& plan);
// Of everything that makes a container what it is, but its name, its deployment, and who may stop it when.
std::string fingerprint(const docker::ContainerPlan& plan, const std::string& image_id);

// Of the deployments that made any of these; 0: none did.
std::uint64_t highest_number(const std::vector<docker::Listed>& there);

// `there`: the containers of the service, or of the application, in every state.
Result<> settle(Record& record, const std::vector<Wanted>& wanted, const std::vector<docker::Listed>& there);

}  // namespace hale::deploy
