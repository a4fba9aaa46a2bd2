// Writes what a Docker Engine is asked. Pure: plans in, requests out. Names of others become one segment of a path and nothing more.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "docker/plans.h"
#include "docker/recreation.h"

namespace hale::docker {

struct Request {
    std::string method = "GET";
    std::string path;            // With its query, without the version in front.
    std::string what;            // For messages: "start container web-1".
    std::string body = {};       // JSON; "": none.
    std::string registry = {};   // The value of X-Registry-Auth: a secret.
    bool versioned = true;
    std::string fault = {};      // Not empty: it can't be asked, and why.
};

Request image_request(std::string_view image);
Request pull_request(const PullPlan& plan);
Request create_request(const ContainerPlan& plan);
Request create_request(std::string_view name, const Recreation& as);
// "start", "restart" ... of one container; `query` without the question mark.
Request container_request(std::string_view verb, std::string_view container, std::string_view query = {});
Request stop_request(std::string_view container, Duration grace);
Request kill_request(std::string_view container, std::string_view signal);
Request rename_request(std::string_view container, std::string_view name);
Request remove_request(std::string_view container, RemovePlan plan);
Request wait_request(std::string_view container);
Request inspect_request(std::string_view container);
Request list_request(const std::vector<std::string>& labels);
Request logs_request(std::string_view container, const LogsPlan& plan);
Request exec_create_request(std::string_view container, const ExecPlan& plan);
Request exec_start_request(std::string_view id);
Request exec_inspect_request(std::string_view id);
Request network_request(std::string_view network);
Request create_network_request(const NetworkPlan& plan);
Request connect_request(std::string_view network, std::string_view container, const std::vector<std::string>& aliases);
Request disconnect_request(std::string_view network, std::string_view container);
Request remove_network_request(std::string_view network);
Request events_request(const EventsPlan& plan);

// "registry:5000/team/web:2" into what comes before its tag or digest, and that; without one it is "latest".
struct Reference {
    std::string repository, version;
};
Reference split_reference(std::string_view image);

std::string percent_encoded(std::string_view text);  // All but letters, digits and "-._~".
std::string registry_header(const RegistryAuth& auth);

}  // namespace hale::docker
