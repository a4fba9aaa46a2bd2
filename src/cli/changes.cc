// Verbs that change what is served: overrides, drain, pause, resume; and `verify`, which asks for evidence.

#include <fmt/format.h>

#include <iterator>

#include "base/text.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

constexpr Duration usual_override = 1h;
constexpr Duration usual_verify = 30s;
constexpr Duration usual_pause = 30s;

// What a HOST, SERVICE or INSTANCE is, as the path of its resource and as words.
struct Object {
    std::string path;   // "/api/v1/services/web"
    std::string words;  // "service web"
};
Asked<Object> object_of(Daemon& daemon, const std::string& target) {
    const auto what = daemon.resolve(target);
    if (!what) return std::unexpected(what.error());
    if (text_at(*what, "kind") == "instance") {
        return Object{"/api/v1/instances/" + percent_encoded(text_at(*what, "instance")),
                      fmt::format("instance {}", tame(text_at(*what, "name")))};
    }
    const std::string service = text_at(*what, "service");
    return Object{"/api/v1/services/" + percent_encoded(service), fmt::format("service {}", tame(service))};
}

int done(const Invocation& asked, Surroundings& around, const Json& answer, const std::string& sentence) {
    const bool people = asked.format == Format::table || asked.format == Format::wide;
    if (people)
        around.err(fmt::format("{} (in force since revision {})\n", sentence, count_at(answer, "revision")));
    else
        print(asked, around, answer,
              Table{.heads = {"revision"}, .rows = {{fmt::format("{}", count_at(answer, "revision"))}}});
    return exits::ok;
}

int act(const Invocation& asked, Surroundings& around, const std::string& method, const std::string& suffix,
        const Json& body, const std::function<std::string(const std::string& words)>& sentence) {
    Daemon daemon(asked, around);
    const auto object = object_of(daemon, asked.target);
    if (!object) return daemon.fail(object.error());
    const auto answer =
        daemon.ask({.method = method, .target = object->path + suffix, .body = body.is_null() ? "" : dumped(body)});
    if (!answer) return daemon.fail(answer.error());
    return done(asked, around, *answer, sentence(object->words));
}

int verify_exit(const Json& answer) {
    const std::string end = text_at(answer, "end");
    if (end == "eligible") return exits::ok;
    if (end == "not_eligible") return exits::failed;
    return end == "timed_out" ? exits::timed_out : exits::no_such;
}

Table verified_table(const Json& answer) {
    Table out{.heads = {"INSTANCE", "RESULT", "PASSES", "FAILURES", "LAST PROBE"}, .rows = {}};
    for (const Json& one : at(answer, "instances")) {
        const std::string end = text_at(one, "end");
        const bool eligible = flag_at(one, "eligible");
        const Cell result = end == "passed" && eligible ? Cell("● eligible", "green")
                            : end == "timed_out"        ? Cell("◌ timed out", "grey")
                                                        : Cell("▲ not eligible", "red");
        const Json& seen = at(one, "observations");
        const std::string last = seen.is_array() && !seen.empty() ? text_at(seen.back(), "text") : "";
        out.rows.push_back({Cell(tame(text_at(one, "instance"))), result,
                            fmt::format("{} of {}", count_at(one, "passes"), count_at(one, "needed")),
                            fmt::format("{}", count_at(one, "fails")), tame(last)});
    }
    return out;
}

}  // namespace

int run_set(const Invocation& asked, Surroundings& around) {
    const Duration lasting = asked.lasting.value_or(usual_override);
    const Json body{{"state", asked.word}, {"for", duration_text(lasting)}, {"reason", asked.reason}};
    return act(asked, around, "PUT", "/override", body, [&](const std::string& words) {
        return fmt::format("{} is set {} for {}: {}", words, asked.word, duration_text(lasting), tame(asked.reason));
    });
}

int run_unset(const Invocation& asked, Surroundings& around) {
    return act(asked, around, "DELETE", "/override", nullptr,
               [](const std::string& words) { return fmt::format("{} has no override any more", words); });
}

int run_drain(const Invocation& asked, Surroundings& around) {
    return act(asked, around, "POST", ":drain", nullptr, [](const std::string& words) {
        return fmt::format("{} gets no new requests; `hale resume` ends it", words);
    });
}

int run_pause(const Invocation& asked, Surroundings& around) {
    const Duration most = asked.most.value_or(usual_pause);
    return act(asked, around, "POST", ":pause", Json{{"max", duration_text(most)}}, [&](const std::string& words) {
        return fmt::format("new requests for {} wait, for at most {}; `hale resume` ends it", words,
                           duration_text(most));
    });
}

int run_resume(const Invocation& asked, Surroundings& around) {
    return act(asked, around, "POST", ":resume", nullptr,
               [](const std::string& words) { return fmt::format("{} is served again", words); });
}

int run_verify(const Invocation& asked, Surroundings& around) {
    const Duration timeout = asked.timeout.value_or(usual_verify);
    Daemon daemon(asked, around);
    around.err(fmt::format("verifying {}: waits at most {} for passes that started after now\n", tame(asked.target),
                           duration_text(timeout)));
    daemon.progress_of = timeout;
    const auto answer = daemon.ask({.method = "POST",
                                    .target = fmt::format("/api/v1/verify?target={}&timeout={}",
                                                          percent_encoded(asked.target), duration_text(timeout)),
                                    .within = timeout + answer_limit});
    if (!answer) return daemon.fail(answer.error());
    const int exit = verify_exit(*answer);
    print(asked, around, *answer, verified_table(*answer));
    if (exit == exits::timed_out)
        around.err(fmt::format("hale: not decided within {}; `hale explain {}` says what is missing\n",
                               duration_text(timeout), tame(asked.target)));
    if (exit == exits::no_such) around.err("hale: nothing to verify: it has no serving instance with a check\n");
    return exit;
}

}  // namespace hale::cli
