// Every verb, as the argument table names it. Each is one function from what was asked to an exit code.

#pragma once

#include "cli/invocation.h"

namespace hale::cli {

// Without a daemon.
int run_serve(const Invocation& asked, Surroundings& around);
int run_version(const Invocation& asked, Surroundings& around);
int run_healthcheck(const Invocation& asked, Surroundings& around);
int run_stdio(const Invocation& asked, Surroundings& around);
int run_doctor(const Invocation& asked, Surroundings& around);  // Says more with one.
int run_config_check(const Invocation& asked, Surroundings& around);
int run_config_schema(const Invocation& asked, Surroundings& around);

// Reads.
int run_check(const Invocation& asked, Surroundings& around);  // A URL is probed from this process.
int run_list(const Invocation& asked, Surroundings& around);
int run_explain(const Invocation& asked, Surroundings& around);
int run_watch(const Invocation& asked, Surroundings& around);
int run_config_show(const Invocation& asked, Surroundings& around);
int run_config_diff(const Invocation& asked, Surroundings& around);
int run_route_list(const Invocation& asked, Surroundings& around);
int run_cert_list(const Invocation& asked, Surroundings& around);
int run_cert_renew(const Invocation& asked, Surroundings& around);
int run_cert_show(const Invocation& asked, Surroundings& around);
int run_deployments(const Invocation& asked, Surroundings& around);
int run_deployments_show(const Invocation& asked, Surroundings& around);
int run_deployments_follow(const Invocation& asked, Surroundings& around);
int run_ps(const Invocation& asked, Surroundings& around);
int run_logs(const Invocation& asked, Surroundings& around);
int run_token_list(const Invocation& asked, Surroundings& around);

// Changes.
int run_verify(const Invocation& asked, Surroundings& around);
int run_set(const Invocation& asked, Surroundings& around);
int run_unset(const Invocation& asked, Surroundings& around);
int run_route_add(const Invocation& asked, Surroundings& around);
int run_route_remove(const Invocation& asked, Surroundings& around);
int run_drain(const Invocation& asked, Surroundings& around);
int run_pause(const Invocation& asked, Surroundings& around);
int run_resume(const Invocation& asked, Surroundings& around);
int run_deploy(const Invocation& asked, Surroundings& around);
int run_rollback(const Invocation& asked, Surroundings& around);
int run_scale(const Invocation& asked, Surroundings& around);
int run_deployments_replay(const Invocation& asked, Surroundings& around);
int run_deployments_abort(const Invocation& asked, Surroundings& around);
int run_exec(const Invocation& asked, Surroundings& around);
int run_instance_stop(const Invocation& asked, Surroundings& around);
int run_instance_start(const Invocation& asked, Surroundings& around);
int run_instance_restart(const Invocation& asked, Surroundings& around);
int run_config_reload(const Invocation& asked, Surroundings& around);
int run_upgrade(const Invocation& asked, Surroundings& around);
int run_token_create(const Invocation& asked, Surroundings& around);
int run_token_remove(const Invocation& asked, Surroundings& around);

}  // namespace hale::cli
