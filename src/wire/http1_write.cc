#include "wire/http1_write.h"

#include <charconv>

#include "wire/chars.h"

namespace hale::wire {

HeadWriter& HeadWriter::request(std::string_view method, std::string_view target, int minor) {
    ok_ = ok_ && valid_field_name(method) && !target.empty() && chars::all(target, chars::target);
    if (!ok_) return *this;
    out_.append(method).append(1, ' ').append(target).append(minor == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    return *this;
}

HeadWriter& HeadWriter::response(int status, std::string_view reason, int minor) {
    if (reason.empty()) reason = reason_phrase(status);
    ok_ = ok_ && status >= 100 && status <= 999 && valid_field_value(reason);
    if (!ok_) return *this;
    const char digits[] = {static_cast<char>('0' + status / 100), static_cast<char>('0' + status / 10 % 10),
                           static_cast<char>('0' + status % 10), ' '};
    out_.append(minor == 0 ? "HTTP/1.0 " : "HTTP/1.1 ").append(digits, sizeof digits).append(reason).append("\r\n");
    return *this;
}

void HeadWriter::line(std::string_view name, std::string_view value) {
    out_.append(name).append(": ").append(value).append("\r\n");
}

HeadWriter& HeadWriter::field(std::string_view name, std::string_view value) {
    ok_ = ok_ && valid_field_name(name) && valid_field_value(value);
    if (ok_) line(name, value);
    return *this;
}

HeadWriter& HeadWriter::field(std::string_view name, std::uint64_t value) {
    char digits[20];
    const auto written = std::to_chars(digits, digits + sizeof digits, value);
    ok_ = ok_ && valid_field_name(name);
    if (ok_) line(name, {digits, static_cast<std::size_t>(written.ptr - digits)});
    return *this;
}

HeadWriter& HeadWriter::copy(const Field& field) {
    if (ok_) line(field.name, field.value);
    return *this;
}

bool HeadWriter::end() {
    if (ok_)
        out_.append("\r\n");
    else
        out_.resize(begin_);
    return ok_;
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 100:
            return "Continue";
        case 101:
            return "Switching Protocols";
        case 103:
            return "Early Hints";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 203:
            return "Non-Authoritative Information";
        case 204:
            return "No Content";
        case 205:
            return "Reset Content";
        case 206:
            return "Partial Content";
        case 300:
            return "Multiple Choices";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
        case 308:
            return "Permanent Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 406:
            return "Not Acceptable";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 416:
            return "Range Not Satisfiable";
        case 417:
            return "Expectation Failed";
        case 421:
            return "Misdirected Request";
        case 422:
            return "Unprocessable Content";
        case 425:
            return "Too Early";
        case 426:
            return "Upgrade Required";
        case 428:
            return "Precondition Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        case 507:
            return "Insufficient Storage";
        default:
            return {};
    }
}

void append_chunk_header(std::string& out, std::uint64_t size) {
    char digits[16];
    const auto written = std::to_chars(digits, digits + sizeof digits, size, 16);
    out.append(digits, static_cast<std::size_t>(written.ptr - digits)).append("\r\n");
}

void append_chunk(std::string& out, std::string_view bytes) {
    if (bytes.empty()) return;
    append_chunk_header(out, bytes.size());
    out.append(bytes).append(chunk_end);
}

}  // namespace hale::wire
