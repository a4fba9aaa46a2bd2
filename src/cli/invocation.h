// One command line, understood: the verb to run and everything that was said to it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "cli/surroundings.h"

namespace hale::cli {

enum class Format : std::uint8_t { table, wide, json, yaml, jsonl, csv, nagios };

struct Invocation;
using Verb = int (*)(const Invocation& asked, Surroundings& around);

struct Invocation {
    Verb verb = nullptr;

    // Global: before the verb or after it.
    std::string server;
    std::string config;
    Format format = Format::table;
    bool no_color = false;

    std::string target;  // HOST, SERVICE, INSTANCE, URL, FILE, ID, NAME: the verb's one object.
    std::vector<std::string> expect;
    std::optional<Duration> timeout;
    std::optional<Duration> lasting;  // --for
    std::optional<Duration> most;     // --max
    std::string password;  // A reference, never the password.
    std::string tls_ca;
    std::string selector;
    bool unhealthy = false;
    std::string word;  // up, down, maintenance; bash, zsh, fish; a role.
    std::string reason;
    std::optional<std::string> restore, takeover;
    bool effective = false;
    bool reference = false;

    // route add
    std::string host, service, path = "/", health_path, project;
    std::vector<std::string> targets;
    bool strip = false, tls = false;

    // deploy, rollback
    std::string to, image;
    std::optional<std::uint32_t> replicas;
    std::vector<std::string> environment;
    std::string compose;
    bool dry_run = false, detach = false;

    // Containers by hand.
    std::vector<std::string> command;  // Behind --.
    std::string user, folder, since;
    std::optional<std::uint32_t> tail;
    bool all = false, follow = false, timestamps = false, force = false;

    // Verbs that speak as Nagios plugins do end with 3 wherever others have a code for it.
    bool nagios_codes = false;
};

}  // namespace hale::cli
