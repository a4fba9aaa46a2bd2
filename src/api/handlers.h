// The handlers that the route table names. Each answers its call exactly once: now, or when the backend replied.

#pragma once

#include "api/route_table.h"

namespace hale::api {

#define HALE_HANDLERS(one)                                                                                             \
    one(live) one(ready) one(health) one(service_health) one(metrics) one(probe) one(service_discovery) one(openapi)  \
    one(list_services) one(create_service) one(get_service) one(put_service) one(delete_service) one(list_instances)  \
    one(create_instance) one(service_verdict) one(explain_service) one(verify_service) one(check_service)             \
    one(override_service) one(unset_service) one(drain_service) one(pause_service) one(resume_service) one(beat)      \
    one(get_check) one(create_check) one(put_check) one(delete_check) one(get_instance) one(instance_verdict) one(put_instance) one(delete_instance) one(explain_instance)   \
    one(verify_instance) one(check_instance) one(override_instance) one(unset_instance) one(drain_instance)           \
    one(pause_instance) one(resume_instance) one(list_routes) one(create_route) one(add_route) one(get_route)         \
    one(put_route) one(delete_route) one(list_checks) one(list_verdicts) one(resolve_target) one(explain_target)      \
    one(verify_target) one(events) one(audit) one(list_tokens) one(create_token) one(delete_token) one(reload_config) \
    one(get_config) one(doctor) one(upgrade) one(list_certificates) one(get_certificate) one(renew_certificate) \
    one(list_containers) one(run_in_container) one(container_logs) one(service_logs) one(stop_instance) one(start_instance) one(restart_instance) \
    one(deploy_service) one(deploy_application) one(rollback_service) one(scale_service) one(replay_deployment) one(list_deployments) one(get_deployment) one(abort_deployment)

#define HALE_DECLARE_HANDLER(name) void name(Desk& desk, const CallPtr& call);
HALE_HANDLERS(HALE_DECLARE_HANDLER)
#undef HALE_DECLARE_HANDLER
#undef HALE_HANDLERS

}  // namespace hale::api
