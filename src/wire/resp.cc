#include "wire/resp.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include "base/text.h"

namespace hale::wire {

namespace {

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
    return value;
}

}  // namespace

void append_resp_command(std::string& out, std::initializer_list<std::string_view> parts) {
    fmt::format_to(std::back_inserter(out), "*{}\r\n", parts.size());
    for (const std::string_view word : parts) {
        fmt::format_to(std::back_inserter(out), "${}\r\n", word.size());
        out += word;
        out += "\r\n";
    }
}

std::string_view RespValue::error_code() const {
    if (kind != Kind::error) return {};
    return std::string_view(text).substr(0, text.find(' '));
}

RespReader::Step RespReader::read(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size() && state_ != State::whole && state_ != State::bad) {
        const char c = bytes[at];
        switch (state_) {
            case State::line:
                ++at;
                if (c == '\r') state_ = State::line_lf;
                else if (c == '\n') why_ = "a line ends without CR";
                else if (line_.size() >= limits_.max_line) why_ = "a line is too long";
                else line_ += c;
                // Whoever is no Redis is known by the first byte.
                if (line_.size() == 1 && std::string_view("+-:$*").find(line_.front()) == std::string_view::npos)
                    why_ = "the reply is of no type that RESP2 knows";
                break;
            case State::line_lf:
                ++at;
                if (c != '\n') why_ = "a line ends without LF";
                else why_ = take_line();
                break;
            case State::bulk: {
                const std::size_t taken = std::min(left_, bytes.size() - at);
                bulk_.text.append(bytes, at, taken);
                at += taken;
                left_ -= taken;
                if (left_ == 0) state_ = State::bulk_cr;
                break;
            }
            case State::bulk_cr:
                ++at;
                if (c != '\r') why_ = "a text is longer than announced";
                state_ = State::bulk_lf;
                break;
            case State::bulk_lf:
                ++at;
                if (c != '\n') why_ = "a text is longer than announced";
                else finish(std::exchange(bulk_, {}));
                break;
            case State::whole:
            case State::bad: break;
        }
        if (!why_.empty()) state_ = State::bad;
    }
    if (state_ == State::bad) return {RespStatus::bad, at, why_};
    return {state_ == State::whole ? RespStatus::done : RespStatus::more, at, {}};
}

RespValue RespReader::take() {
    state_ = State::line;
    items_ = 0;
    return std::exchange(whole_, {});
}

// A line has ended: what it means, or why it means nothing.
std::string_view RespReader::take_line() {
    const std::string line = std::exchange(line_, {});
    if (line.empty()) return "an empty line";
    std::string rest = line.substr(1);
    state_ = State::line;
    if (line.front() == '+' || line.front() == '-') {
        finish({.kind = line.front() == '+' ? RespValue::Kind::simple : RespValue::Kind::error, .text = std::move(rest)});
        return {};
    }
    const auto number = whole_number(rest);
    if (!number) return "a number is none";
    if (line.front() == '*') return begin_array(*number);
    if (line.front() == '$') return begin_bulk(*number);
    finish({.kind = RespValue::Kind::integer, .integer = *number});
    return {};
}

std::string_view RespReader::begin_array(std::int64_t count) {
    if (count < -1) return "a negative length";
    if (count == -1) return finish({}), std::string_view{};
    const auto items = static_cast<std::uint64_t>(count);
    if (items > limits_.max_items - items_) return "too many items";
    if (open_.size() >= limits_.max_depth) return "nested too deeply";
    items_ += static_cast<std::size_t>(items);
    RespValue array{.kind = RespValue::Kind::array};
    if (items == 0) return finish(std::move(array)), std::string_view{};
    open_.push_back({std::move(array), static_cast<std::size_t>(items)});
    return {};
}

std::string_view RespReader::begin_bulk(std::int64_t length) {
    if (length < -1) return "a negative length";
    if (length == -1) return finish({}), std::string_view{};
    if (static_cast<std::uint64_t>(length) > limits_.max_bulk_bytes) return "a text is too long";
    bulk_ = {.kind = RespValue::Kind::bulk};
    left_ = static_cast<std::size_t>(length);
    state_ = left_ == 0 ? State::bulk_cr : State::bulk;
    return {};
}

// A value is complete; it may complete the arrays around it.
void RespReader::finish(RespValue value) {
    while (!open_.empty()) {
        Open& inner = open_.back();
        inner.array.items.push_back(std::move(value));
        state_ = State::line;
        if (--inner.left != 0) return;
        value = std::move(inner.array);
        open_.pop_back();
    }
    whole_ = std::move(value);
    state_ = State::whole;
}

std::string_view info_field(std::string_view info, std::string_view name) {
    for (std::string_view line : split(info, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') return line.substr(name.size() + 1);
    }
    return {};
}

}  // namespace hale::wire
