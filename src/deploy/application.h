// An application: the containers of one compose file, deployed as one. Each container that is routed to, or asked anything, is a
// service of its own, "<application>-<container>"; all of them are switched to in one step. Pure.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/deploying.h"
#include "config/compose.h"
#include "deploy/record.h"
#include "deploy/request.h"

namespace hale::deploy {

std::string service_of(std::string_view application, std::string_view container);
// Does it become an instance: is it routed to, or asked anything?
bool is_instance(const config::ComposeContainer& container);
// How its service is declared, JSON.
std::string declared_as(const config::ComposeContainer& container);

// Of a service's declaration, the checks as an instance's overlay has them.
std::string checks_of(const std::string& declaration);

// Code::invalid with every problem and its place.
Result<config::ComposeApplication> application_of(std::string_view name, const std::string& compose, const config::Variables& variables, const config::Document& document);

// What has to be looked at before it can be planned: its own services, and those of the version that is there.
std::vector<std::string> services_of(const config::ComposeApplication& application, const Record* before);

// `now`: by service, and what is there by the application's own name. `before`: the deployment that users were switched to last; null: there is none.
Result<Record> planned_application(const Request& request, const config::ComposeApplication& application, const std::map<std::string, catalog::ServiceNow>& now, const Record* before,
                                   std::string id, std::uint64_t number, Utc at);

}  // namespace hale::deploy
