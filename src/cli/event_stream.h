// Server-sent events out of the pieces of a body, however they were cut (WHATWG HTML, "Server-sent events").

#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace hale::cli {

struct StreamEvent {
    std::string name;  // "" without an `event:` line.
    std::string data;
};

class EventStream {
public:
    static constexpr std::size_t most_event_bytes = 4 << 20;

    using Told = std::function<bool(const StreamEvent&)>;  // False: stop.

    // False when `told` said stop, or an event is larger than the limit.
    bool take(std::string_view bytes, const Told& told);
    // What to send as Last-Event-ID after a reconnect; "" when no event had one.
    const std::string& last_id() const { return last_id_; }
    // A half event of a connection that ended is no event.
    void forget_half();

private:
    bool line(std::string_view text, const Told& told);

    std::string partial_;
    StreamEvent event_;
    std::string id_;
    std::string last_id_;
    bool after_cr_ = false;
    bool has_data_ = false;
};

}  // namespace hale::cli
