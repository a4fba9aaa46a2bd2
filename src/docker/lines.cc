#include "docker/lines.h"

#include <algorithm>

namespace hale::docker {

namespace {
std::string_view without_end(std::string_view line) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    return line;
}
}  // namespace

Lines::Step Lines::next(std::string_view& bytes, std::string_view& line) {
    if (told_) {
        begun_.clear();
        told_ = false;
    }
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        const std::string_view some = bytes.substr(0, end);
        if (begun_.size() + some.size() > most_) return Step::too_long;
        bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + 1);
        if (end == std::string_view::npos) {
            begun_.append(some);
            return Step::more;
        }
        if (begun_.empty()) {
            line = without_end(some);
        } else {
            begun_.append(some);
            line = without_end(begun_);
            told_ = true;
        }
        if (!line.empty()) return Step::line;
        begun_.clear();
        told_ = false;
    }
    return Step::more;
}

std::string_view Lines::rest() const { return told_ ? std::string_view{} : without_end(begun_); }

}  // namespace hale::docker
