#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <functional>
#include <sstream>

#include "base/nearest.h"
#include "base/text.h"
#include "cli/completion.h"
#include "cli/exits.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

constexpr Duration longest_duration = 24h * 3660;  // As the daemon takes it; more could not be added to the time of day.

constexpr std::array format_names{"table", "wide", "json", "yaml", "jsonl", "csv", "nagios"};

// CLI11 fills texts; what they mean is checked here, once, with its own sentence.
struct Texts {
    std::string format = "table";
    std::string timeout, lasting, most;
    std::string shell;
};

struct Built {
    CLI::App app{"hale: one verdict for every service"};
    Invocation asked;
    Texts texts;
    bool completion = false;
};

// Gone once the table stands: callbacks refer to `Built`, never to this.
class Verbs {
public:
    explicit Verbs(Built& built) : built_(built) {}

    void build() {
        CLI::App& app = built_.app;
        app.name("hale");
        app.set_help_flag("-h,--help", "Say how this is used");
        app.require_subcommand(0, 1);
        app.allow_extras();
        app.add_option("--server", asked().server,
                       "Where the daemon is: http://HOST:PORT, unix:PATH or ssh://USER@HOST (HALE_SERVER)");
        app.add_option("--config", asked().config,
                       "The configuration: a file or a directory (HALE_CONFIG, /etc/hale/hale.yml)");
        app.add_option("-o,--output", texts().format, "table, wide, json, yaml, jsonl, csv; nagios for check and list");
        app.add_flag("--no-color", asked().no_color, "No colours (NO_COLOR); words and shapes stay");
        app.footer(
            "Examples:\n  hale serve --config hale.yml\n  hale list\n  hale explain test.example.org\n\n`hale VERB "
            "--help` says more of each.");
        local_verbs();
        reading_verbs();
        changing_verbs();
        route_verbs();
        deploy_verbs();
        container_verbs();
        config_verbs();
        cert_verbs();
        token_verbs();
    }

private:
    Invocation& asked() { return built_.asked; }
    Texts& texts() { return built_.texts; }

    CLI::App* group(CLI::App& under, const std::string& name, const std::string& says, const std::string& example) {
        CLI::App* verb = under.add_subcommand(name, says);
        verb->fallthrough();
        verb->require_subcommand(0, 1);
        verb->footer("Example:\n  " + example);
        return verb;
    }
    CLI::App* verb(CLI::App& under, const std::string& name, const std::string& says, const std::string& example,
                   Verb run) {
        CLI::App* out = group(under, name, says, example);
        out->callback([&into = built_.asked, run] { into.verb = run; });
        return out;
    }
    CLI::App* verb(const std::string& name, const std::string& says, const std::string& example, Verb run) {
        return verb(built_.app, name, says, example, run);
    }
    void target(CLI::App* verb, const std::string& name, const std::string& says, bool needed = true) {
        auto* option = verb->add_option(name, asked().target, says);
        if (needed) option->required();
    }
    void object(CLI::App* verb, bool needed = true) {
        target(verb, "TARGET", "HOST, SERVICE or INSTANCE; host:, service: or instance: in front forces", needed);
    }

    void local_verbs() {
        auto* serve = verb("serve", "Run the daemon", "hale serve --config hale.yml", run_serve);
        serve->add_option("--restore", asked().restore, "Start from this backup of state.db");
        serve->add_option("--takeover", asked().takeover, "Take over from the daemon that listens there; `hale upgrade` says it");
        auto* check =
            verb("check", "Probe once, now; the exit code is the outcome: 0 pass, 1 warn, 2 fail, 3 could not be told",
                 "hale check http://127.0.0.1:3000/up --expect '[STATUS] == 200' -o nagios", run_check);
        target(check, "TARGET",
               "A URL (probed from this process): http, https, tcp, tls, redis, rediss, postgres, smtp, smtps, dns://SERVER/NAME; or SERVICE or INSTANCE (probed by "
               "the daemon)");
        check
            ->add_option("--expect", asked().expect,
                         "A condition on a URL's answer, \"warn: …\" for one that only warns; may be repeated")
            ->allow_extra_args(false);
        check->add_option("--timeout", texts().timeout, "How long the probe of a URL may take (10s)");
        check->add_option("--password", asked().password, "Where the password for a URL of redis or postgres is: file:PATH or env:NAME");
        check->add_option("--tls-ca", asked().tls_ca, "Who signs what a URL's server shows over TLS: a PEM file");
        auto* health = verb("healthcheck", "Exit 0 when the URL answers 2xx, else 1: for a container's HEALTHCHECK",
                            "hale healthcheck http://127.0.0.1:4253/live", run_healthcheck);
        target(health, "URL", "What to get");
        health->add_option("--timeout", texts().timeout, "How long it may take (5s)");
        verb("doctor", "Look for what is wrong: configuration, state, ports, descriptors, the daemon",
             "hale doctor --config hale.yml", run_doctor);
        verb("upgrade",
             "Let the program that lies at the daemon's path now take over, without losing a request; one that cannot costs "
             "nothing",
             "install -m 755 hale-0.2.0 /usr/bin/hale && hale upgrade", run_upgrade);
        verb("version", "Say the version", "hale version -o json", run_version);
        verb("stdio", "Carry standard input and output to the local daemon, for --server ssh://",
             "ssh user@host hale stdio", run_stdio);
        auto* completion = verb("completion", "Print a completion script for a shell",
                                "hale completion bash > /etc/bash_completion.d/hale", nullptr);
        completion->add_option("SHELL", texts().shell, "bash, zsh or fish")->required();
        completion->callback([&built = built_] { built.completion = true; });
    }

    void reading_verbs() {
        auto* list = verb("list", "Verdicts of all services and instances, with their age and reason",
                          "hale list --unhealthy -o wide", run_list);
        list->alias("ls");
        list->add_option("--selector", asked().selector,
                         "Only services with these labels: key=value, several with commas");
        list->add_flag("--unhealthy", asked().unhealthy,
                       "Only what is not healthy; the exit code is the worst verdict");
        auto* explain = verb("explain", "Why: route, service, instances, observations, rule, next probe",
                             "hale explain test.example.org", run_explain);
        target(explain, "TARGET", "HOST, URL, SERVICE or INSTANCE; host:, service: or instance: in front forces");
        auto* watch = verb("watch", "Changes as they happen", "hale watch web -o jsonl", run_watch);
        object(watch, false);
        watch->add_option("--for", texts().lasting, "Stop after this long");
    }

    void changing_verbs() {
        auto* verify = verb("verify", "Probe at once and wait for passes that started after the call",
                            "hale verify web --timeout 30s", run_verify);
        object(verify);
        verify->add_option("--timeout", texts().timeout, "How long to wait for a decision (30s)");
        auto* set = verb("set", "Lay an override over a verdict, for a time and with a reason",
                         "hale set web maintenance --for 1h --reason 'disk swap'", run_set);
        object(set);
        set->add_option("STATE", asked().word, "up, down or maintenance")
            ->required()
            ->check(CLI::IsMember({"up", "down", "maintenance"}));
        set->add_option("--for", texts().lasting, "How long it holds (1h)");
        set->add_option("--reason", asked().reason, "Why, for whoever reads it at night")->required();
        object(verb("unset", "End an override", "hale unset web", run_unset));
        object(verb("drain", "No new requests; those under way finish", "hale drain web-2", run_drain));
        auto* pause = verb("pause", "New requests wait", "hale pause web --max 30s", run_pause);
        object(pause);
        pause->add_option("--max", texts().most, "Then they are answered 503 (30s)");
        object(verb("resume", "End pause and drain", "hale resume web", run_resume));
    }

    void route_verbs() {
        auto* route = group(built_.app, "route", "Hosts and paths that lead to services",
                            "hale route add --host a.example --target 10.0.0.5:3000");
        auto* add =
            verb(*route, "add", "Lead a host to targets: service, instances and route in one step",
                 "hale route add --host a.example --target 10.0.0.5:3000 --target 10.0.0.6:3000 --health-path /up",
                 run_route_add);
        add->add_option("--host", asked().host, "The host, *.example.org, or *")->required();
        add->add_option("--target", asked().targets, "An instance's address; may be repeated")->required();
        add->add_option("--service", asked().service, "The service's name (default: the host)");
        add->add_option("--path", asked().path, "Only paths that begin so (/)");
        add->add_option("--health-path", asked().health_path, "What its check asks for (/up)");
        add->add_option("--project", asked().project, "A label");
        add->add_flag("--tls", asked().tls, "Reached over TLS: without it clients are sent to https (listen.https)");
        add->add_flag("--strip", asked().strip, "Take the path off before forwarding");
        target(verb(*route, "remove", "Remove a route of the API", "hale route remove a.example/api", run_route_remove),
               "ROUTE", "HOST, HOST/PATH or ID");
        verb(*route, "list", "All routes", "hale route list -o json", run_route_list);
    }

    void deploy_verbs() {
        auto* deploy = verb("deploy", "Bring new instances, verify them without users' traffic, switch to them; or say why not, and leave everything as it was",
                            "hale deploy web --image registry.example/web:5a13fe6\n  hale deploy web --target 10.0.0.7:3000 --target 10.0.0.8:3000\n  hale deploy web --target 10.0.0.7:3000 --dry-run\n"
                            "  hale deploy shop --compose compose.yml\n  hale deploy gmail --host mail.example.org --target web:3000 --health-path /api/health",
                            run_deploy);
        target(deploy, "SERVICE", "Its name; with --host it is made where it is not there");
        deploy->add_option("--target", asked().targets, "A new instance's address, which somebody else runs; may be repeated");
        deploy->add_option("--image", asked().image, "Containers of this image are made (what the service's `deploy` says)");
        deploy->add_option("--replicas", asked().replicas, "So many (what the service's `deploy` says, else 1)");
        deploy->add_option("--env", asked().environment, "NAME=VALUE of their environment, instead of what the service's `deploy` says; may be repeated")->allow_extra_args(false);
        deploy->add_option("--compose", asked().compose, "The application of this compose file; its variables are this command's environment, and --env");
        deploy->add_option("--host", asked().host, "Lead this host to the service, as route add does");
        deploy->add_option("--path", asked().path, "Only paths that begin so (/)");
        deploy->add_option("--health-path", asked().health_path, "What the check of a service that is made asks for (/up)");
        deploy->add_option("--project", asked().project, "A label of the route");
        deploy->add_flag("--strip", asked().strip, "Take the path off before forwarding");
        deploy->add_flag("--tls", asked().tls, "A service that is made is reached over TLS");
        deploy->add_option("--timeout", texts().timeout, "How long the verification may take (what the checks need, 30s at least)");
        deploy->add_flag("--force", asked().force, "With --compose: new containers also where nothing changed (a service gets new ones always)");
        deploy->add_flag("--dry-run", asked().dry_run, "Say what would be done and how long each phase may take; nothing begins");
        deploy->add_flag("--detach", asked().detach, "Print its id and do not wait");
        auto* scale = verb("scale", "As many containers as that, of what was deployed last; those that run stay", "hale scale web 3", run_scale);
        target(scale, "SERVICE", "Its name");
        scale->add_option("REPLICAS", asked().replicas, "So many, 1 to 64")->required();
        scale->add_flag("--detach", asked().detach, "Print its id and do not wait");
        auto* back = verb("rollback", "Deploy what the service had before, verified like everything else", "hale rollback web\n  hale rollback web --to 12", run_rollback);
        target(back, "SERVICE", "Its name");
        back->add_option("--to", asked().to, "What that deployment brought: its id or number (what was there before the last)");
        back->add_flag("--detach", asked().detach, "Print its id and do not wait");
        auto* all = group(built_.app, "deployments", "Deployments, the newest first", "hale deployments\n  hale deployments show d-7k2m9q4w8x3z");
        // The verbs below it are understood first.
        all->callback([&into = built_.asked] {
            if (into.verb == nullptr) into.verb = run_deployments;
        });
        all->add_option("--service", asked().service, "Of this service alone");
        target(verb(*all, "show", "How far one is, what was seen, and why it ended", "hale deployments show d-7k2m9q4w8x3z", run_deployments_show), "ID", "Its id");
        target(verb(*all, "follow", "Tell its phases until it is over; the exit code is its end", "hale deployments follow d-7k2m9q4w8x3z", run_deployments_follow), "ID", "Its id");
        target(verb(*all, "replay", "Give the machine again what one saw: the same decisions follow, step by step", "hale deployments replay d-7k2m9q4w8x3z", run_deployments_replay), "ID", "Its id");
        target(verb(*all, "abort", "End it and undo it, while there is a way back", "hale deployments abort d-7k2m9q4w8x3z", run_deployments_abort), "ID", "Its id");
    }

    void container_verbs() {
        auto* ps = verb("ps", "Containers of Hale's services, and what is believed of each", "hale ps web --all", run_ps);
        target(ps, "SERVICE", "Of this service alone", false);
        ps->add_flag("--all", asked().all, "Stopped ones too, and why they do not run");
        auto* logs = verb("logs", "What containers write", "hale logs web --follow --since 10m", run_logs);
        target(logs, "TARGET", "A service (all its containers), an instance, or a container that is kept");
        logs->add_flag("-f,--follow", asked().follow, "Go on with what they write from now on, until the containers end");
        logs->add_option("--tail", asked().tail, "So many of the last lines of each (100)");
        logs->add_option("--since", asked().since, "Not what is older: 10m, or an RFC 3339 time");
        logs->add_flag("--timestamps", asked().timestamps, "When each line was written");
        auto* exec = verb("exec", "Run a command inside a container; its exit code is this command's", "hale exec web-12-1 -- ls /tmp", run_exec);
        target(exec, "INSTANCE", "The instance whose container it is; the command stands behind --");
        exec->add_option("--timeout", texts().timeout, "How long it may take, at most 10m (60s)");
        exec->add_option("--user", asked().user, "As this user (the container's)");
        exec->add_option("--folder", asked().folder, "In this folder (the container's)");
        auto* instance = group(built_.app, "instance", "One instance's container, stopped and started by hand", "hale instance restart web-12-1");
        const auto by_hand = [&](const char* name, const char* says, Verb run) {
            auto* one = verb(*instance, name, says, std::string("hale instance ") + name + " web-12-1", run);
            target(one, "INSTANCE", "Its name");
            one->add_option("--timeout", texts().timeout, "How long all of it may take, 5s to 1h (2m)");
            return one;
        };
        by_hand("stop", "No new requests; when those under way are over, its container is stopped", run_instance_stop)->add_flag("--force", asked().force, "The last eligible one, too: users get 503");
        by_hand("start", "Start its container; once its checks pass it gets requests again", run_instance_start);
        by_hand("restart", "Stop, start, and requests again once its checks pass", run_instance_restart)->add_flag("--force", asked().force, "The last eligible one, too: users get 503 meanwhile");
    }

    void config_verbs() {
        auto* config = group(built_.app, "config", "What is configured", "hale config check hale.yml");
        auto* check =
            verb(*config, "check", "Say what is wrong with a configuration, and how soon its checks notice trouble",
                 "hale config check hale.yml", run_config_check);
        target(check, "FILE", "A file or directory (default: --config)", false);
        auto* diff = verb(*config, "diff", "What a file would change of what runs", "hale config diff hale.yml",
                          run_config_diff);
        target(diff, "FILE", "A file or directory (default: --config)", false);
        auto* show = verb(*config, "show", "Values and where they come from, of a file or of what runs",
                          "hale config show hale.yml --effective", run_config_show);
        target(show, "FILE", "A file or directory (default: what the daemon runs)", false);
        show->add_flag("--effective", asked().effective, "Defaults too");
        auto* schema = verb(*config, "schema", "The JSON Schema of the file", "hale config schema > hale.schema.json",
                            run_config_schema);
        schema->add_flag("--reference", asked().reference, "The reference page instead, in Markdown");
        verb(*config, "reload", "Read the file again, now", "hale config reload", run_config_reload);
    }

    void cert_verbs() {
        auto* cert = group(built_.app, "cert", "Certificates of the traffic listener", "hale cert list");
        verb(*cert, "list", "Which are shown, which are being got, and why one is missing", "hale cert list", run_cert_list);
        target(verb(*cert, "show", "A host's certificate", "hale cert show www.example.org", run_cert_show), "HOST", "Its name");
        target(verb(*cert, "renew", "Ask the authority for the next one now", "hale cert renew www.example.org", run_cert_renew), "HOST", "Its name");
    }

    void token_verbs() {
        auto* token =
            group(built_.app, "token", "Who may ask the daemon", "hale token create ci --role operate --for 90d");
        auto* create = verb(*token, "create", "Make a token; its secret is printed once",
                            "hale token create ci --role operate --for 90d", run_token_create);
        target(create, "NAME", "Its name");
        create->add_option("--role", asked().word, "read, operate or admin")
            ->required()
            ->check(CLI::IsMember({"read", "operate", "admin"}));
        create->add_option("--for", texts().lasting, "When it ends (never)");
        verb(*token, "list", "Names, roles and expiries", "hale token list", run_token_list);
        target(verb(*token, "remove", "Revoke a token", "hale token remove ci", run_token_remove), "NAME", "Its name");
    }

    Built& built_;
};

CLI::App* chosen(CLI::App& app) {
    CLI::App* at = &app;
    for (auto parsed = at->get_subcommands(); !parsed.empty(); parsed = at->get_subcommands()) at = parsed.front();
    return at;
}

std::vector<CLI::App*> below(CLI::App& app) {
    return app.get_subcommands([](CLI::App*) { return true; });
}

std::string full_name(const CLI::App* app) {
    return app->get_parent() == nullptr ? app->get_name() : full_name(app->get_parent()) + " " + app->get_name();
}

// CLI11 puts the names of those above in front by itself.
std::string help_of(const CLI::App* app) {
    return app->help(app->get_parent() == nullptr ? std::string{} : full_name(app->get_parent()));
}

std::vector<std::string> names_below(CLI::App& app) {
    std::vector<std::string> out;
    for (const CLI::App* sub : below(app)) {
        out.push_back(sub->get_name());
        for (const auto& alias : sub->get_aliases()) out.push_back(alias);
    }
    return out;
}

std::vector<std::string> option_names(CLI::App& app) {
    std::vector<std::string> out;
    for (CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
        for (const CLI::Option* option : at->get_options()) {
            for (const auto& name : option->get_lnames()) out.push_back("--" + name);
        }
    }
    return out;
}

// Verbs that report health say 3 for everything they can't tell; a container's health check knows only 0 and 1.
int usage_exit(CLI::App* verb, const Texts& texts, const Invocation& asked) {
    if (verb->get_name() == "check" && verb->get_parent()->get_name() == "hale") return exits::unknown;
    if (verb->get_name() == "list" && verb->get_parent()->get_name() == "hale" &&
        (asked.unhealthy || texts.format == "nagios"))
        return exits::unknown;
    return verb->get_name() == "healthcheck" ? exits::failed : exits::usage;
}

Said wrong(Built& built, const std::string& what) {
    CLI::App* verb = chosen(built.app);
    Said out{.exit = usage_exit(verb, built.texts, built.asked), .out = {}, .err = fmt::format("hale: {}\n", what)};
    // Monitoring reads the first line of standard output.
    if (built.texts.format == "nagios") out.out = fmt::format("HALE UNKNOWN - {}\n", what);
    return out;
}

Said unknown_word(Built& built, const std::string& word) {
    CLI::App* verb = chosen(built.app);
    const bool option = word.starts_with('-') && word.size() > 1;
    const auto known = option ? option_names(*verb) : names_below(*verb);
    const std::string near = nearest(word, known);
    const std::string perhaps = near.empty() ? fmt::format("`{} --help` lists what there is", full_name(verb))
                                             : fmt::format("did you mean {}?", near);
    const std::string_view kind = option ? "option" : known.empty() ? "argument" : "verb";
    return wrong(built, fmt::format("no such {}: {}; {}", kind, escaped(word), perhaps));
}

// "" or what is wrong.
std::string understand(Built& built) {
    Invocation& asked = built.asked;
    const auto format = std::ranges::find(format_names, built.texts.format);
    if (format == format_names.end()) {
        return fmt::format("-o {}: no such format; allowed: {}", escaped(built.texts.format),
                           fmt::join(format_names, ", "));
    }
    asked.format = static_cast<Format>(format - format_names.begin());
    if (asked.format == Format::nagios && asked.verb != run_check && asked.verb != run_list)
        return "-o nagios is for check and list";
    struct Timed {
        const char* name;
        const std::string& text;
        std::optional<Duration>& into;
    };
    for (const Timed& one :
         {Timed{"--timeout", built.texts.timeout, asked.timeout}, Timed{"--for", built.texts.lasting, asked.lasting},
          Timed{"--max", built.texts.most, asked.most}}) {
        if (one.text.empty()) continue;
        one.into = parse_duration(one.text);
        if (!one.into || *one.into <= Duration{0})
            return fmt::format("{} {}: no duration; write 500ms, 5s, 1m30s, 2h or 7d", one.name, escaped(one.text));
        if (*one.into > longest_duration)
            return fmt::format("{} {}: too long; allowed: at most 10 years (3660d)", one.name, escaped(one.text));
    }
    if (asked.verb == run_set && trim(asked.reason).empty()) return "--reason must say something";
    asked.nagios_codes =
        asked.verb == run_check || (asked.verb == run_list && (asked.unhealthy || asked.format == Format::nagios));
    return {};
}

CompletionTree tree_of(CLI::App& app) {
    CompletionTree out{.name = app.get_name(), .says = app.get_description(), .options = {}, .verbs = {}};
    for (const CLI::Option* option : app.get_options()) {
        for (const auto& name : option->get_lnames()) out.options.push_back({"--" + name, option->get_description()});
    }
    for (CLI::App* sub : below(app)) out.verbs.push_back(tree_of(*sub));
    return out;
}

void collect_help(CLI::App& app, std::vector<VerbHelp>& out) {
    for (CLI::App* sub : below(app)) {
        out.push_back({full_name(sub), help_of(sub)});
        collect_help(*sub, out);
    }
}

Said explained(Built& built, const CLI::Error& error) {
    std::ostringstream out, err;
    if (error.get_exit_code() == 0) {
        built.app.exit(error, out, err);
        return {.exit = 0, .out = out.str(), .err = {}};
    }
    std::string what = error.what();
    std::ranges::replace(what, '\n', ' ');
    CLI::App* verb = chosen(built.app);
    return wrong(built, fmt::format("{}; `{} --help` shows an example", what, full_name(verb)));
}

}  // namespace

std::expected<Invocation, Said> parse_arguments(std::vector<std::string> arguments) {
    const auto built = std::make_unique<Built>();
    Verbs(*built).build();
    // What is run elsewhere is not looked at here.
    if (const auto end = std::ranges::find(arguments, "--"); end != arguments.end() && std::find(arguments.begin(), end, "exec") != end) {
        built->asked.command.assign(end + 1, arguments.end());
        arguments.erase(end, arguments.end());
    }
    std::ranges::reverse(arguments);  // CLI11 takes them from the back.
    // The library's border: it throws for help and for mistakes alike.
    try {
        built->app.parse(std::move(arguments));
    } catch (const CLI::CallForHelp& help) {
        if (const auto rest = built->app.remaining(); !rest.empty())
            return std::unexpected(unknown_word(*built, rest.front()));
        return std::unexpected(explained(*built, help));
    } catch (const CLI::Error& error) {
        if (const auto rest = built->app.remaining(); !rest.empty())
            return std::unexpected(unknown_word(*built, rest.front()));
        return std::unexpected(explained(*built, error));
    }
    if (const auto rest = built->app.remaining(); !rest.empty())
        return std::unexpected(unknown_word(*built, rest.front()));
    if (built->completion) {
        const auto script = completion_script(built->texts.shell, tree_of(built->app));
        if (!script) return std::unexpected(wrong(*built, script.error().text));
        return std::unexpected(Said{.exit = 0, .out = *script, .err = {}});
    }
    CLI::App* verb = chosen(built->app);
    if (built->asked.verb == nullptr) {
        return std::unexpected(Said{.exit = exits::usage, .out = {}, .err = help_of(verb)});
    }
    if (const std::string what = understand(*built); !what.empty()) return std::unexpected(wrong(*built, what));
    return built->asked;
}

std::vector<VerbHelp> all_help() {
    Built built;
    Verbs(built).build();
    std::vector<VerbHelp> out;
    collect_help(built.app, out);
    return out;
}

}  // namespace hale::cli
