#include "proxy/access_log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "base/text.h"

namespace hale::proxy {

namespace {

// Bytes that a JSON string holds as they are. Above 127 needs a look at the whole sequence.
constexpr std::array<bool, 256> plain = [] {
    std::array<bool, 256> table{};
    for (std::size_t c = 0x20; c < 0x7f; ++c) table[c] = c != '"' && c != '\\';
    return table;
}();

void append_escaped(std::string& out, std::string_view text) {
    const auto odd = std::ranges::find_if(text, [](char c) { return !plain[static_cast<unsigned char>(c)]; });
    if (odd == text.end()) out.append(text);
    else append_json_escaped(out, text);
}

template <class Number>
void append_number(std::string& out, Number value) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, static_cast<std::size_t>(end - digits));
}

// Seconds with six decimals.
void append_seconds(std::string& out, Duration d) {
    const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(d.count(), 0)) / 1'000;
    append_number(out, us / 1'000'000);
    char decimals[7] = {'.'};
    auto rest = static_cast<std::uint32_t>(us % 1'000'000);
    for (int i = 6; i > 0; --i, rest /= 10) decimals[i] = static_cast<char>('0' + rest % 10);
    out.append(decimals, sizeof decimals);
}

void append_text(std::string& out, std::string_view key, std::string_view text) {
    out.append(key);
    append_escaped(out, text);
}

}  // namespace

void AccessLog::start_request(std::string& out, std::string_view method, std::string_view host, std::string_view target) {
    out.clear();
    append_text(out, "\"method\":\"", method);
    append_text(out, "\",\"host\":\"", host);
    out.append("\",\"path\":\"");
    target = target.substr(0, most_target_bytes);
    const auto query = target.find('?');
    append_escaped(out, target.substr(0, query));
    if (query != std::string_view::npos) {
        std::string_view rest = target.substr(query);
        while (!rest.empty()) {  // "?a=1", "&b=2", one after the other.
            const auto next = rest.find_first_of("&;", 1);
            const std::string_view pair = rest.substr(0, next);
            const auto equals = pair.find('=');
            if (equals != std::string_view::npos && looks_secret(pair.substr(1, equals - 1))) {
                append_escaped(out, pair.substr(0, equals + 1));
                out.append("***");
            } else {
                append_escaped(out, pair);
            }
            rest = next == std::string_view::npos ? std::string_view{} : rest.substr(next);
        }
    }
    out.push_back('"');
}

void AccessLog::append_time(Utc at) {
    const auto since = at.time_since_epoch();
    const auto second = std::chrono::floor<std::chrono::seconds>(since);
    if (second.count() != second_) {
        second_ = second.count();
        time_text_ = rfc3339(Utc(second));
    }
    auto ms = static_cast<std::uint32_t>(std::chrono::floor<std::chrono::milliseconds>(since - second).count());
    // …:21.000Z
    char* const digits = time_text_.data() + time_text_.size() - 4;
    for (int i = 2; i >= 0; --i, ms /= 10) digits[i] = static_cast<char>('0' + ms % 10);
    buffer_.append(time_text_);
}

void AccessLog::add(const LogLine& line) {
    if (!on()) return;
    std::string& out = buffer_;
    out.append("{\"time\":\"");
    append_time(line.time);
    append_text(out, "\",\"client\":\"", line.client);
    out.append("\",");
    if (!line.request.empty()) out.append(line.request).push_back(',');
    out.append("\"status\":");
    append_number(out, line.status);
    if (line.aborted) out.append(",\"aborted\":true");
    out.append(",\"bytes_in\":");
    append_number(out, line.bytes_in);
    out.append(",\"bytes_out\":");
    append_number(out, line.bytes_out);
    out.append(",\"seconds\":");
    append_seconds(out, line.duration);
    if (!line.service.empty()) {
        append_text(out, ",\"service\":\"", line.service);
        append_text(out, "\",\"route\":\"", line.route);
        out.push_back('"');
    }
    if (!line.instance.empty()) {
        append_text(out, ",\"instance\":\"", line.instance);
        append_text(out, "\",\"upstream\":\"", line.upstream);
        out.append("\",\"version\":");
        append_number(out, line.version);
    }
    out.append(",\"revision\":");
    append_number(out, line.revision);
    append_text(out, ",\"request_id\":\"", line.request_id);
    out.push_back('"');
    if (const auto code = facts(line.reason).code; !code.empty()) append_text(out, ",\"reason\":\"", code), out.push_back('"');
    if (line.retries != 0) out.append(",\"retries\":"), append_number(out, line.retries);
    if (line.panic) out.append(",\"panic\":true");
    out.append("}\n");
    ++lines_;
    ++waiting_;
    if (out.size() >= flush_bytes) flush();
}

void AccessLog::flush() {
    if (buffer_.empty()) return;
    if (!sink_->write(buffer_)) dropped_ += waiting_;
    waiting_ = 0;
    buffer_.clear();
}

void AccessLog::reopen() {
    if (!on()) return;
    flush();
    sink_->reopen();
}

}  // namespace hale::proxy
