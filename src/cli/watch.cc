// `hale watch`: changes as they happen, one line each. A lost connection is taken up again after the last event
// that was seen; how long that is tried is said.

#include <fmt/format.h>

#include "cli/ages.h"
#include "cli/daemon.h"
#include "cli/event_stream.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

constexpr Duration silence_limit = 40s;    // The daemon says something at least every 15 s.
constexpr Duration reconnect_limit = 30s;  // Without a daemon.
constexpr Duration reconnect_pause = 500ms;

std::string line_for(const StreamEvent& event, bool colour) {
    const Json whole = parse_json(event.data);
    const Json& about = at(whole, "data");
    const std::string clock = clock_text(text_at(whole, "time"));
    if (event.name == "resync")
        return fmt::format("{:12}  resync: some changes were missed; `hale list` shows what is\n", "");
    const std::string instance = tame(text_at(about, "instance")), service = tame(text_at(about, "service"));
    std::string name = instance.empty() ? service : instance;
    if (name.empty()) name = event.name;
    std::string out = fmt::format("{}  {:20}  ", clock, name);
    if (flag_at(about, "removed")) return out + "removed\n";
    const std::string state = text_at(about, "state");
    if (state.empty()) return out + tame(text_at(about, "text")) + "\n";
    const Cell cell = state_cell(state, text_at(at(about, "override"), "state"));
    out += painted(cell.text, cell.paint, colour) +
           std::string(cell.text.empty() ? 0 : std::max<std::size_t>(14, width(cell.text)) - width(cell.text), ' ');
    const Json& counts = at(about, "instances");
    if (counts.is_object())
        out += fmt::format("  {} of {} eligible", count_at(counts, "eligible"), count_at(counts, "total"));
    else
        out += flag_at(about, "eligible") ? "  eligible" : "  not eligible";
    const std::string lifecycle = text_at(about, "lifecycle");
    if (!lifecycle.empty() && lifecycle != "serving") out += ", " + lifecycle;
    const std::string code = text_at(at(about, "reason"), "code"), text = text_at(at(about, "reason"), "text");
    if (!code.empty() && code != "ok") out += fmt::format("  {}: {}", code, tame(text));
    return out + "\n";
}

}  // namespace

int run_watch(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    std::string target = "/api/v1/events";
    if (!asked.target.empty()) {
        const auto what = daemon.resolve(asked.target);
        if (!what) return daemon.fail(what.error());
        const bool instance = text_at(*what, "kind") == "instance";
        target += fmt::format("?{}={}", instance ? "instance" : "service",
                              percent_encoded(text_at(*what, instance ? "instance" : "service")));
    }
    const bool people = asked.format == Format::table || asked.format == Format::wide;
    const bool colour = colourful(asked, around);
    EventStream stream;
    const auto told = [&](const StreamEvent& event) {
        if (people)
            around.out(line_for(event, colour));
        else if (asked.format == Format::yaml)
            around.out("---\n" + yaml(parse_json(event.data)));
        else
            around.out(event.data + "\n");
        return true;
    };
    const auto clock = Client::create();
    if (!clock) return daemon.fail(exits::failed, clock.error().text);
    const Instant until = asked.lasting ? (*clock)->now() + *asked.lasting : never;
    std::optional<Instant> lost;
    for (;;) {
        std::optional<Duration> left;
        if (asked.lasting) left = std::max(until - (*clock)->now(), Duration(1ms));
        Question question{.target = target};
        if (!stream.last_id().empty()) question.fields.emplace_back("Last-Event-ID", stream.last_id());
        bool any = false;
        const auto ended = daemon.follow(question, silence_limit, left, [&](std::string_view piece) {
            any = true;
            return stream.take(piece, told);
        });
        const Instant now = (*clock)->now();
        // A refusal, or nobody at all from the start, will not change by asking again.
        if (!ended && !any && !lost) return daemon.fail(ended.error());
        if (!ended && ended.error().exit != exits::unreachable && ended.error().exit != exits::timed_out)
            return daemon.fail(ended.error());
        if (now >= until) return exits::ok;
        if (any || !lost) {
            lost = now;
            around.err(fmt::format("hale: the stream ended; asking again for {}\n", human(reconnect_limit)));
        } else if (now - *lost >= reconnect_limit) {
            return daemon.fail(ended ? Failure{exits::unreachable, "the stream ends at once, again and again"}
                                     : ended.error());
        }
        stream.forget_half();
        (*clock)->wait(std::min(reconnect_pause, until - now));
    }
}

}  // namespace hale::cli
