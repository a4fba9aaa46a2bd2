#include "deploy/logs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "deploy/container_plan.h"

namespace hale::deploy {

namespace {

constexpr std::size_t longest_stamp = 40;  // "2026-11-21T14:18:21.123456789+01:00"

void put_text(std::string& out, std::string_view key, std::string_view value) {
    out += fmt::format(",\"{}\":\"", key);
    append_json_escaped(out, value);
    out += '"';
}

std::string begin_line(std::string_view container) {
    std::string out = "{\"container\":\"";
    append_json_escaped(out, container);
    out += '"';
    return out;
}

// The engine writes when each line was written in front of it: it was asked to.
std::string_view take_stamp(std::string_view& line) {
    const auto blank = line.find(' ');
    if (blank == line.npos || blank > longest_stamp || blank < 20 || line[4] != '-' || line[10] != 'T') return {};
    const std::string_view stamp = line.substr(0, blank);
    line.remove_prefix(blank + 1);
    return stamp;
}

}  // namespace

void LogLines::tell(docker::Source source, std::string_view line, std::string& out) const {
    if (line.ends_with('\r')) line.remove_suffix(1);
    out += begin_line(container_);
    put_text(out, "source", source == docker::Source::errors ? "errors" : "output");
    if (const auto stamp = take_stamp(line); !stamp.empty()) put_text(out, "at", stamp);
    put_text(out, "line", line);
    out += "}\n";
}

void LogLines::take(docker::Source source, std::string_view bytes, std::string& out) {
    std::string& begun = begun_[source == docker::Source::errors ? 1 : 0];
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        const std::size_t room = most_log_line - begun.size();
        if (end == bytes.npos ? bytes.size() < room : end <= room) {
            begun.append(bytes.substr(0, end));
            bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + 1);
            if (end == std::string_view::npos) return;
        } else {
            begun.append(bytes.substr(0, room));
            bytes.remove_prefix(room);
        }
        tell(source, begun, out);
        begun.clear();
    }
}

void LogLines::end(std::string& out) {
    for (const auto source : {docker::Source::output, docker::Source::errors}) {
        std::string& begun = begun_[source == docker::Source::errors ? 1 : 0];
        if (!begun.empty()) tell(source, begun, out);
        begun.clear();
    }
}

std::string log_trouble(std::string_view container, std::string_view text) {
    std::string out = begin_line(container);
    put_text(out, "error", text);
    return out + "}\n";
}

Logs::Logs(docker::Engine& engine, LogsRequest request, LogsHearing hearing) : calls_(engine), request_(std::move(request)), hearing_(std::move(hearing)) {}

void Logs::start() {
    if (!request_.container.empty()) {
        names_.push_back(request_.container);
        return look_at_next();
    }
    calls_.ask<std::vector<docker::Listed>>(
        [&](docker::Engine& engine, auto done) { return engine.list({fmt::format("{}={}", service_label, request_.service)}, engine.soon(), std::move(done)); },
        [this](Result<std::vector<docker::Listed>> all) {
            if (!all) return hearing_.begun(std::unexpected(std::move(all.error())));
            // Those that run; when none does, those that were made last.
            std::erase_if(*all, [](const auto& one) { return one.names.empty(); });
            const bool any = std::ranges::any_of(*all, [](const auto& one) { return one.state == docker::ContainerState::running; });
            const auto newest = std::ranges::max_element(*all, {}, [](const auto& one) { return one.created.value_or(Utc{}); });
            for (const auto& one : *all)
                if (any ? one.state == docker::ContainerState::running : label(one, deployment_label) == label(*newest, deployment_label)) names_.push_back(one.names.front());
            std::ranges::sort(names_);
            if (names_.empty()) return hearing_.begun(fail(Code::not_found, fmt::format("service \"{}\" has no container at {}", escaped(request_.service, 80), calls_.engine().place().shown)));
            if (names_.size() > most_read_at_once)
                return hearing_.begun(fail(Code::exhausted, fmt::format("service \"{}\" has {} containers; at most {} are read at once: name one of them", escaped(request_.service, 80), names_.size(), most_read_at_once)));
            look_at_next();
        });
}

// Whether its output is framed stands in no list.
void Logs::look_at_next() {
    if (names_.empty()) return begin();
    const std::string name = names_.front();
    names_.pop_front();
    calls_.ask<docker::Inspected>([&](docker::Engine& engine, auto done) { return engine.inspect(name, engine.soon(), std::move(done)); },
                                  [this](Result<docker::Inspected> it) {
                                      if (it) return found(*it);
                                      if (it.error().code == Code::not_found && request_.container.empty()) return look_at_next();  // It went meanwhile.
                                      hearing_.begun(std::unexpected(std::move(it.error())));
                                  });
}

void Logs::found(const docker::Inspected& container) {
    if (!container.labels.contains(std::string(service_label)))
        return hearing_.begun(fail(Code::denied, fmt::format("container {} is none of Hale's: it has no label {}", escaped(container.name, 80), service_label)));
    known_.push_back({container.name, container.tty});
    look_at_next();
}

void Logs::begin() {
    std::vector<std::string> names;
    for (const auto& one : known_) names.push_back(one.name);
    if (names.empty()) return hearing_.begun(fail(Code::not_found, fmt::format("service \"{}\" has no container any more", escaped(request_.service, 80))));
    hearing_.begun(std::move(names));
    // What goes on is read from all at once; what has an end from one after the other.
    const std::size_t at_once = request_.follow ? known_.size() : 1;
    for (const auto& one : known_) readings_.push_back(std::make_unique<Reading>(one.name));
    while (next_ < at_once) read(*readings_[next_]);
}

void Logs::read(Reading& reading) {
    const docker::LogsPlan plan{.tail = request_.tail, .follow = request_.follow, .timestamps = true, .tty = known_[next_].tty, .since = request_.since};
    ++next_;
    docker::Engine& engine = calls_.engine();
    const Instant by = request_.follow ? engine.soon() : engine.loop().now() + logs_patience;
    reading.call = engine.logs(
        reading.name, plan, by,
        [this, &reading](docker::Source source, std::string_view bytes) {
            std::string out;
            reading.lines.take(source, bytes, out);
            tell(std::move(out));
        },
        [this, &reading](Result<> how) { over(reading, std::move(how)); });
    if (paused_) reading.call->pause();
}

void Logs::over(Reading& reading, Result<> how) {
    std::string out;
    reading.lines.end(out);
    if (!how) out += log_trouble(reading.name, how.error().text);
    reading.over = true;
    tell(std::move(out));
    if (next_ < readings_.size()) return read(*readings_[next_]);
    if (std::ranges::all_of(readings_, &Reading::over)) hearing_.ended();
}

void Logs::tell(std::string text) {
    if (text.empty()) return;
    unread_ += text.size();
    if (!paused_ && unread_ > most_unread) {
        paused_ = true;
        for (const auto& one : readings_)
            if (one->call && !one->over) one->call->pause();
    }
    hearing_.more(std::move(text));
}

void Logs::taken(std::size_t bytes) {
    unread_ -= std::min(bytes, unread_);
    if (!paused_ || unread_ > most_unread / 2) return;
    paused_ = false;
    for (const auto& one : readings_)
        if (one->call && !one->over) one->call->go_on();
}

}  // namespace hale::deploy
