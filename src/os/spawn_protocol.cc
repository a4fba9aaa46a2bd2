#include "os/spawn_protocol.h"

#include <cstring>
#include <type_traits>

namespace hale::os {

namespace {

template <class T>
void put(std::string& out, T value) {
    static_assert(std::is_arithmetic_v<T>);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put(std::string& out, const std::string& text) {
    put(out, static_cast<std::uint32_t>(text.size()));
    out += text;
}

// Reads fields in order; after the first one that is not there, everything is empty and ok() is false.
class Fields {
public:
    explicit Fields(std::string_view body) : rest_(body) {}

    template <class T>
    T number() {
        T value{};
        if (rest_.size() < sizeof value) ok_ = false;
        if (!ok_) return value;
        std::memcpy(&value, rest_.data(), sizeof value);
        rest_.remove_prefix(sizeof value);
        return value;
    }
    std::string text() {
        const auto size = number<std::uint32_t>();
        if (rest_.size() < size) ok_ = false;
        if (!ok_) return {};
        std::string text(rest_.substr(0, size));
        rest_.remove_prefix(size);
        return text;
    }
    bool ok() const { return ok_; }
    bool finished() const { return ok_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool ok_ = true;
};

std::string framed(const std::string& body) {
    std::string out;
    put(out, body);
    return out;
}

}  // namespace

std::optional<std::string> frame(const SpawnOrder& order) {
    std::string body;
    put(body, order.id);
    put(body, order.request.timeout.count());
    put(body, static_cast<std::uint64_t>(order.request.output_limit));
    put(body, static_cast<std::uint8_t>(order.converses));
    put(body, order.request.user);
    put(body, static_cast<std::uint32_t>(order.request.arguments.size()));
    for (const std::string& argument : order.request.arguments) put(body, argument);
    put(body, static_cast<std::uint32_t>(order.request.environment.size()));
    for (const std::string& variable : order.request.environment) put(body, variable);
    if (body.size() > spawn_frame_limit) return std::nullopt;
    return framed(body);
}

std::string frame(const SpawnReport& report) {
    std::string body;
    put(body, report.id);
    put(body, static_cast<std::uint8_t>(report.result.has_value()));
    if (report.result) {
        put(body, static_cast<std::int32_t>(report.result->exit_code));
        put(body, static_cast<std::int32_t>(report.result->signal));
        put(body, static_cast<std::uint8_t>(report.result->timed_out));
        put(body, report.result->output);
    } else {
        put(body, static_cast<std::uint8_t>(report.result.error().code));
        put(body, static_cast<std::int32_t>(report.result.error().system));
        put(body, report.result.error().text);
    }
    return framed(body);
}

std::optional<SpawnOrder> read_order(std::string_view body) {
    Fields fields(body);
    SpawnOrder order;
    order.id = fields.number<std::uint64_t>();
    order.request.timeout = Duration{fields.number<Duration::rep>()};
    order.request.output_limit = fields.number<std::uint64_t>();
    order.converses = fields.number<std::uint8_t>() != 0;
    order.request.user = fields.text();
    for (auto left = fields.number<std::uint32_t>(); left > 0 && fields.ok(); --left)
        order.request.arguments.push_back(fields.text());
    for (auto left = fields.number<std::uint32_t>(); left > 0 && fields.ok(); --left)
        order.request.environment.push_back(fields.text());
    if (!fields.finished()) return std::nullopt;
    return order;
}

std::optional<SpawnReport> read_report(std::string_view body) {
    Fields fields(body);
    SpawnReport report;
    report.id = fields.number<std::uint64_t>();
    if (fields.number<std::uint8_t>() != 0) {
        io::SpawnResult result;
        result.exit_code = fields.number<std::int32_t>();
        result.signal = fields.number<std::int32_t>();
        result.timed_out = fields.number<std::uint8_t>() != 0;
        result.output = fields.text();
        report.result = std::move(result);
    } else {
        Error error;
        error.code = Code{fields.number<std::uint8_t>()};
        error.system = fields.number<std::int32_t>();
        error.text = fields.text();
        report.result = std::unexpected(std::move(error));
    }
    if (!fields.finished()) return std::nullopt;
    return report;
}

FrameState take_frame(std::string& buffer, std::string& body) {
    std::uint32_t size = 0;
    if (buffer.size() < sizeof size) return FrameState::partial;
    std::memcpy(&size, buffer.data(), sizeof size);
    if (size > spawn_frame_limit) return FrameState::broken;
    if (buffer.size() < sizeof size + size) return FrameState::partial;
    body.assign(buffer, sizeof size, size);
    buffer.erase(0, sizeof size + size);
    return FrameState::whole;
}

}  // namespace hale::os
