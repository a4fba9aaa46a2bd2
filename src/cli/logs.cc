// `hale logs`: what containers write, line by line, as it comes through the daemon.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/client.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

namespace {

constexpr Duration logs_silence = 40s;            // The daemon says something at least every 15 s.
constexpr Duration logs_begin = 40s;              // The engine is asked for each container first.
constexpr std::size_t most_log_line_bytes = 1u << 20;  // As JSON; the daemon cuts them far below.

// One line of the stream after the other, and how to show it.
class Shown {
public:
    Shown(const Invocation& asked, Surroundings& around) : asked_(asked), around_(around), people_(asked.format == Format::table || asked.format == Format::wide) {}

    // False: the line is endless.
    bool take(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto end = bytes.find('\n');
            begun_.append(bytes.substr(0, end));
            if (begun_.size() > most_log_line_bytes) return false;
            if (end == bytes.npos) return true;
            bytes.remove_prefix(end + 1);
            if (!begun_.empty()) line(begun_);
            begun_.clear();
        }
        return true;
    }
    bool trouble() const { return trouble_; }
    bool any() const { return any_; }

private:
    void line(const std::string& text) {
        const Json one = parse_json(text);
        if (!one.is_object()) return;
        any_ = true;
        const std::string error = text_at(one, "error"), container = text_at(one, "container");
        if (!error.empty()) {
            trouble_ = true;
            around_.err(fmt::format("hale: {}: {}\n", tame(container), tame(error)));
        }
        if (at(one, "containers").is_array()) {
            for (const Json& name : at(one, "containers"))
                if (name.is_string()) widest_ = std::max(widest_, name.get_ref<const std::string&>().size());
            prefixed_ = at(one, "containers").size() > 1;
            return;
        }
        if (!error.empty() && people_) return;
        if (!people_) return around_.out(asked_.format == Format::yaml ? "---\n" + yaml(one) : text + "\n");
        std::string out;
        if (prefixed_) out += fmt::format("{:{}} | ", tame(container), widest_);
        if (asked_.timestamps) out += text_at(one, "at") + " ";
        around_.out(out + plain(text_at(one, "line")) + "\n");
    }
    // A terminal obeys what strangers write; a file does not mind.
    std::string plain(const std::string& text) const {
        if (!around_.terminal) return text;
        std::string out;
        for (const auto part : split(text, '\t')) out += (out.empty() ? "" : "\t") + tame(part);
        return out;
    }

    const Invocation& asked_;
    Surroundings& around_;
    const bool people_;
    std::string begun_;
    std::size_t widest_ = 0;
    bool prefixed_ = false, trouble_ = false, any_ = false;
};

}  // namespace

int run_logs(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto what = daemon.resolve(asked.target);
    // A container that is kept from an earlier version is no instance any more.
    if (!what && what.error().exit != exits::no_such) return daemon.fail(what.error());
    std::string path;
    if (!what) path = "/api/v1/containers/" + percent_encoded(asked.target);
    else if (text_at(*what, "kind") == "instance") path = "/api/v1/containers/" + percent_encoded(text_at(*what, "name"));
    else path = "/api/v1/services/" + percent_encoded(text_at(*what, "service"));
    path += fmt::format("/logs?tail={}", asked.tail.value_or(100));
    if (asked.follow) path += "&follow=true";
    if (!asked.since.empty()) path += "&since=" + percent_encoded(asked.since);
    Shown shown(asked, around);
    bool endless = false;
    const auto ended = daemon.follow({.target = path, .within = logs_begin}, logs_silence, {}, [&](std::string_view piece) {
        endless = !shown.take(piece);
        return !endless;
    });
    if (!ended) {
        if (shown.any()) return daemon.fail(Failure{ended.error().exit, "the stream broke: " + ended.error().text});
        return daemon.fail(!what && ended.error().exit == exits::no_such ? what.error() : ended.error());
    }
    if (endless) return daemon.fail(exits::failed, "a line is longer than 1 MiB");
    return shown.trouble() ? exits::failed : exits::ok;
}

}  // namespace hale::cli
