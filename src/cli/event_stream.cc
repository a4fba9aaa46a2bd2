#include "cli/event_stream.h"

namespace hale::cli {

bool EventStream::take(std::string_view bytes, const Told& told) {
    for (const char c : bytes) {
        // CR, LF and CRLF each end a line.
        if (c == '\n' && after_cr_) {
            after_cr_ = false;
            continue;
        }
        after_cr_ = c == '\r';
        if (c != '\n' && c != '\r') {
            partial_ += c;
            if (partial_.size() + event_.data.size() > most_event_bytes) return false;
            continue;
        }
        const std::string whole = std::exchange(partial_, {});
        if (!line(whole, told)) return false;
    }
    return true;
}

bool EventStream::line(std::string_view text, const Told& told) {
    if (text.empty()) {
        if (!id_.empty()) last_id_ = std::exchange(id_, {});
        const bool any = std::exchange(has_data_, false);
        const StreamEvent event = std::exchange(event_, {});
        return !any || told(event);
    }
    const std::size_t colon = text.find(':');
    const std::string_view field = text.substr(0, colon);
    std::string_view value = colon == text.npos ? std::string_view{} : text.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "data") {
        if (has_data_) event_.data += '\n';
        event_.data += value;
        has_data_ = true;
    } else if (field == "event") {
        event_.name = value;
    } else if (field == "id" && value.find('\0') == value.npos) {
        id_ = value;
    }
    return true;
}

void EventStream::forget_half() {
    partial_.clear();
    event_ = {};
    id_.clear();
    has_data_ = after_cr_ = false;
}

}  // namespace hale::cli
