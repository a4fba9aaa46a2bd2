#include "wire/http1.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "wire/chars.h"

// One pass over the bytes, line by line; whatever is refused is refused at the first offending byte in reading
// order, so an early verdict on a part equals the verdict on the whole. When bytes run out, HeadScan notes
// where, and the next calls only look for line ends from there; they parse again when the start line is
// complete and when the head is: a few passes at most, however the bytes come.

namespace hale::wire {

namespace {

struct Refusal {
    std::uint16_t answer = 0;  // 0: nothing wrong.
    const char* why = "";
    explicit operator bool() const { return answer != 0; }
};

constexpr Refusal bare_cr{400, "a carriage return without a line feed"};
constexpr Refusal bare_lf{400, "a line ends in a bare line feed instead of CR LF"};
constexpr Refusal head_too_large{431, "the header fields are larger than the limit"};
constexpr Refusal too_many_fields{431, "more header fields than the limit"};
constexpr Refusal line_too_long{414, "the request line is longer than the limit"};

// What the fields say about framing and connection, noted while they are read.
struct Noted {
    const Field* host = nullptr;
    const Field* content_length = nullptr;
    const Field* transfer_encoding = nullptr;
    bool twice = false;  // One of the three came more than once.
    bool close = false;
    bool keep_alive = false;
    bool upgrade = false;
    bool expect_continue = false;
};

struct Cursor {
    const char* at;
    const char* end;
    const char* line;         // Where the line in hand begins.
    bool incomplete = false;  // Ran out of bytes.
};

Refusal ran_out(Cursor& in) {
    in.incomplete = true;
    return {};
}

void note_connection(std::string_view value, Noted& noted, Fields& fields) {
    for (auto option = next_element(value); !option.empty(); option = next_element(value)) {
        if (equal_ignoring_case(option, "keep-alive"))
            noted.keep_alive = true;
        else if (equal_ignoring_case(option, "close"))
            noted.close = true;
        else if (equal_ignoring_case(option, "upgrade"))
            noted.upgrade = true;
        else
            fields.set_connection_names_others();
    }
}

void note_once(const Field*& slot, const Field& field, Noted& noted) {
    noted.twice = noted.twice || slot != nullptr;
    slot = &field;
}

void note(const Field& field, Noted& noted, Fields& fields) {
    switch (field.id) {
        case Known::host:
            return note_once(noted.host, field, noted);
        case Known::content_length:
            return note_once(noted.content_length, field, noted);
        case Known::transfer_encoding:
            return note_once(noted.transfer_encoding, field, noted);
        case Known::connection:
            return note_connection(field.value, noted, fields);
        case Known::expect:
            noted.expect_continue = noted.expect_continue || equal_ignoring_case(field.value, "100-continue");
            return;
        default:
            return;
    }
}

Refusal wrong_name(const Cursor& in) {
    const char c = *in.at;
    if (in.at == in.line) {
        if (c == ' ' || c == '\t') return {400, "a folded header line (RFC 9112 section 5.2)"};
        if (c == '\n') return bare_lf;
        if (c == ':') return {400, "a header field without a name"};
    }
    if (c == ' ' || c == '\t') return {400, "a blank before the colon of a header field"};
    if (c == '\r' || c == '\n') return {400, "a header line without a colon"};
    return {400, "a character in a header name that is not allowed there"};
}

// One field line, from its first byte to its CR LF.
Refusal read_field(Cursor& in, Field& field) {
    const char* const name = in.at;
    while (in.at != in.end && chars::is(*in.at, chars::token)) ++in.at;
    if (in.at == in.end) return ran_out(in);
    if (*in.at != ':' || in.at == name) return wrong_name(in);
    field.name = {name, static_cast<std::size_t>(in.at - name)};
    ++in.at;
    while (in.at != in.end && (*in.at == ' ' || *in.at == '\t')) ++in.at;
    const char* const value = in.at;
    in.at = chars::end_of_value(in.at, in.end);
    if (in.at == in.end) return ran_out(in);
    if (*in.at == '\n') return bare_lf;
    if (*in.at != '\r') return {400, "a control character in a header value"};
    if (in.end - in.at < 2) return ran_out(in);
    if (in.at[1] != '\n') return bare_cr;
    const char* last = in.at;
    while (last != value && (last[-1] == ' ' || last[-1] == '\t')) --last;
    field.value = {value, static_cast<std::size_t>(last - value)};
    field.id = known_of(field.name);
    in.at += 2;
    return {};
}

// Field lines up to and including the empty line.
Refusal read_fields(Cursor& in, std::size_t max_fields, Fields& fields, Noted& noted) {
    max_fields = std::min(max_fields, Fields::capacity);
    for (;;) {
        in.line = in.at;
        if (in.at == in.end) return ran_out(in);
        if (*in.at == '\r') {
            if (in.end - in.at < 2) return ran_out(in);
            if (in.at[1] != '\n') return bare_cr;
            in.at += 2;
            return {};
        }
        Field field;
        if (const Refusal refusal = read_field(in, field); refusal || in.incomplete) return refusal;
        if (fields.size() >= max_fields) return too_many_fields;
        fields.add(field);
        note(fields[fields.size() - 1], noted, fields);
    }
}

// Finds the CR LF of the start line, of at most `most` bytes.
Refusal read_line(Cursor& in, std::size_t most, std::string_view& line) {
    in.line = in.at;
    const auto here = static_cast<std::size_t>(in.end - in.at);
    const std::size_t window = most >= here ? here : std::min(here, most + 2);
    const auto* lf = static_cast<const char*>(window == 0 ? nullptr : std::memchr(in.at, '\n', window));
    if (lf == nullptr) return most < here && window == most + 2 ? line_too_long : ran_out(in);
    if (lf == in.at || lf[-1] != '\r') return bare_lf;
    line = {in.at, static_cast<std::size_t>(lf - 1 - in.at)};
    in.at = lf + 1;
    return {};
}

bool digit(char c) { return chars::is(c, chars::digit); }

Refusal read_version(std::string_view text, std::uint8_t& minor) {
    if (text.size() != 8 || !text.starts_with("HTTP/") || !digit(text[5]) || text[6] != '.' || !digit(text[7]))
        return {400, "the request line does not end in an HTTP version"};
    if (text[5] != '1') return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
    minor = text[7] == '0' ? 0 : 1;
    return {};
}

bool asks_http(std::string_view target, std::string_view& after) {
    for (const std::string_view scheme : {std::string_view{"http://"}, std::string_view{"https://"}})
        if (equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
            after = target.substr(scheme.size());
            return true;
        }
    return false;
}

Refusal set_authority(RequestHead& head, std::string_view text) {
    const auto authority = parse_authority(text);
    if (!authority) return {400, "the host is missing or not a valid one"};
    head.authority = text;
    head.host = authority->host;
    head.port = authority->port;
    return {};
}

Refusal read_target(RequestHead& head) {
    const std::string_view target = head.target;
    std::string_view after;
    if (head.method == Method::connect) {
        head.form = TargetForm::authority;
        if (const Refusal refusal = set_authority(head, target)) return refusal;
        return head.port ? Refusal{} : Refusal{400, "CONNECT without a port"};
    }
    if (target[0] == '/') {
        head.form = TargetForm::origin;
        head.path_and_query = target;
        return {};
    }
    if (target == "*" && head.method == Method::options) {
        head.form = TargetForm::asterisk;
        head.path_and_query = target;
        return {};
    }
    if (!asks_http(target, after)) return {400, "the request target is neither a path nor an http URL"};
    head.form = TargetForm::absolute;
    const auto path = after.find_first_of("/?");
    head.path_and_query = path == std::string_view::npos ? "/" : after.substr(path);
    // "http://host?query" has an empty path, which no view of the bytes can show as "/?query".
    if (head.path_and_query[0] == '?') return {400, "the request target has a query but no path"};
    return set_authority(head, after.substr(0, path));
}

Refusal read_request_line(std::string_view line, RequestHead& head) {
    const auto method = line.find(' ');
    if (method == std::string_view::npos || !chars::all(line.substr(0, method), chars::token))
        return {400, "the request line does not begin with a method and a blank"};
    head.method_name = line.substr(0, method);
    head.method = method_of(head.method_name);
    line.remove_prefix(method + 1);
    std::size_t target = 0;
    while (target < line.size() && chars::is(line[target], chars::target)) ++target;
    if (target == line.size()) return {400, "the request line has no HTTP version"};
    if (line[target] != ' ') return {400, "a character in the request target that is not allowed there"};
    if (target == 0) return {400, "the request line has no target"};
    head.target = line.substr(0, target);
    if (const Refusal refusal = read_version(line.substr(target + 1), head.minor)) return refusal;
    return read_target(head);
}

Refusal check_host(const Noted& noted, RequestHead& head) {
    if (noted.host == nullptr)
        return head.minor == 0 ? Refusal{} : Refusal{400, "an HTTP/1.1 request without a Host field"};
    const std::string_view value = noted.host->value;
    if (head.form == TargetForm::absolute && !equal_ignoring_case(head.authority, value))
        return {400, "Host and the request target name different hosts"};
    if (head.form == TargetForm::authority)
        return parse_authority(value) ? Refusal{} : Refusal{400, "the host is missing or not a valid one"};
    return set_authority(head, value);
}

Refusal read_content_length(std::string_view value, std::uint64_t& length) {
    const bool plain = !value.empty() && value.size() <= 18 && chars::all(value, chars::digit);
    if (!plain) return {400, "Content-Length is not one decimal number"};
    length = 0;
    for (const char c : value) length = length * 10 + static_cast<std::uint64_t>(c - '0');
    return {};
}

// Exactly the one word: ",chunked" is a list of one to the grammar and something else to many readers.
Refusal check_coding(std::string_view value) {
    if (equal_ignoring_case(value, "chunked")) return {};
    for (auto coding = next_element(value); !coding.empty(); coding = next_element(value))
        if (!equal_ignoring_case(coding, "chunked")) return {501, "a transfer coding other than chunked"};
    return {400, "Transfer-Encoding is not exactly one chunked"};
}

// RFC 9112 section 6.3 as far as the fields alone decide. `length` stays empty without Content-Length.
Refusal check_framing(const Noted& noted, int minor, bool& chunked, std::optional<std::uint64_t>& length) {
    if (noted.twice) return {400, "Host, Content-Length or Transfer-Encoding more than once"};
    if (noted.transfer_encoding != nullptr) {
        if (noted.content_length != nullptr) return {400, "Content-Length beside Transfer-Encoding"};
        if (minor == 0) return {400, "Transfer-Encoding in HTTP/1.0"};
        chunked = true;
        return check_coding(noted.transfer_encoding->value);
    }
    if (noted.content_length == nullptr) return {};
    std::uint64_t value = 0;
    const Refusal refusal = read_content_length(noted.content_length->value, value);
    length = value;
    return refusal;
}

Refusal finish_request(const Noted& noted, RequestHead& head) {
    bool chunked = false;
    std::optional<std::uint64_t> length;
    if (const Refusal refusal = check_framing(noted, head.minor, chunked, length)) return refusal;
    if (const Refusal refusal = check_host(noted, head)) return refusal;
    if (chunked)
        head.framing = {BodyKind::chunked, 0};
    else if (length.value_or(0) > 0)
        head.framing = {BodyKind::length, *length};
    else
        head.framing = {};
    const bool newer = head.minor >= 1;
    head.keep_alive = !noted.close && (newer || noted.keep_alive);
    head.expect_continue = newer && noted.expect_continue && head.framing.kind != BodyKind::none;
    head.upgrade = newer && noted.upgrade && head.fields.has(Known::upgrade);
    return {};
}

bool has_body(int status, Method request) {
    return request != Method::head && status >= 200 && status != 204 && status != 304;
}

Refusal finish_response(const Noted& noted, Method request, ResponseHead& head) {
    bool chunked = false;
    if (const Refusal refusal = check_framing(noted, head.minor, chunked, head.content_length)) return refusal;
    const bool announced = chunked || head.content_length.value_or(0) > 0;
    head.interim = head.status < 200 && head.status != 101;
    head.tunnel = head.status == 101 || (request == Method::connect && head.status / 100 == 2);
    // Its bytes would be read as the next head.
    if (head.interim && announced) return {400, "an interim response that announces a body"};
    if (head.tunnel || !has_body(head.status, request))
        head.framing = {};
    else if (chunked)
        head.framing = {BodyKind::chunked, 0};
    else if (!head.content_length)
        head.framing = {BodyKind::until_close, 0};
    else if (*head.content_length > 0)
        head.framing = {BodyKind::length, *head.content_length};
    else
        head.framing = {};
    const bool lasting = !noted.close && (head.minor >= 1 || noted.keep_alive);
    const bool out_of_step = head.framing.kind == BodyKind::until_close || head.tunnel ||
                             (head.status == 204 && announced);  // Where would the next one begin?
    head.keep_alive = lasting && !out_of_step;
    return {};
}

Refusal read_status_line(std::string_view line, ResponseHead& head) {
    const auto shaped = [&] {
        return line.size() >= 12 && digit(line[7]) && line[8] == ' ' && chars::all(line.substr(9, 3), chars::digit) &&
               (line.size() == 12 || line[12] == ' ');
    };
    if (!shaped() || line[9] == '0') return {400, "the answer does not begin with an HTTP/1 status line"};
    head.minor = line[7] == '0' ? 0 : 1;
    head.status = static_cast<std::uint16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    head.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
    if (chars::end_of_value(head.reason.data(), head.reason.data() + head.reason.size()) !=
        head.reason.data() + head.reason.size())
        return {400, "a control character in the reason phrase"};
    return {};
}

// Reading the start line, behind the empty line that may come before it.
bool in_start_line(std::string_view bytes, const HeadScan& scan) {
    return scan.line_start == 0 || (scan.line_start == 2 && bytes[0] == '\r');
}

// After a call that ran out of bytes: may parsing once more decide anything? It may at the end of the head, at
// a bare line feed, at a limit, and when the start line is complete: a stranger speaking another protocol in
// small pieces should not have to send an empty line to be told.
bool worth_parsing(std::string_view bytes, std::size_t max_head, std::size_t max_start_line, HeadScan& scan) {
    while (scan.scanned < bytes.size()) {
        const char* from = bytes.data() + scan.scanned;
        const auto* lf = static_cast<const char*>(std::memchr(from, '\n', bytes.size() - scan.scanned));
        if (lf == nullptr) break;
        const auto at = static_cast<std::uint32_t>(lf - bytes.data());
        const bool bare = at == 0 || bytes[at - 1] != '\r';
        const bool empty_line_before = at == 1;
        const bool empty_line = !empty_line_before && at == scan.line_start + 1;
        if (bare || empty_line || (in_start_line(bytes, scan) && !empty_line_before)) return true;
        scan.line_start = scan.scanned = at + 1;
    }
    scan.scanned = static_cast<std::uint32_t>(bytes.size());
    return bytes.size() >= max_head ||
           (in_start_line(bytes, scan) && bytes.size() - scan.line_start > max_start_line + 1);
}

HeadResult conclude(const Refusal& refusal, const Cursor& in, std::string_view bytes, const HeadLimits& limits,
                    HeadScan& scan) {
    if (refusal) return {.status = ParseStatus::bad, .answer = refusal.answer, .why = refusal.why};
    if (!in.incomplete)
        return {.status = ParseStatus::done, .consumed = static_cast<std::size_t>(in.at - bytes.data())};
    if (bytes.size() >= limits.max_head_bytes)
        return {.status = ParseStatus::bad, .answer = head_too_large.answer, .why = head_too_large.why};
    scan.scanned = static_cast<std::uint32_t>(bytes.size());
    scan.line_start = static_cast<std::uint32_t>(in.line - bytes.data());
    return {};
}

Refusal read_request(Cursor& in, const HeadLimits& limits, RequestHead& head) {
    if (in.at == in.end) return ran_out(in);
    if (*in.at == '\r') {  // One empty line before a request is forgiven (RFC 9112 section 2.2).
        if (in.end - in.at < 2) return ran_out(in);
        if (in.at[1] != '\n') return bare_cr;
        in.at += 2;
        in.line = in.at;
        if (in.at == in.end) return ran_out(in);
    }
    // A stranger speaking another protocol is told at its first byte.
    if (!chars::is(*in.at, chars::token)) return {400, "the request does not begin with a method"};
    std::string_view line;
    if (const Refusal refusal = read_line(in, limits.max_request_line, line); refusal || in.incomplete) return refusal;
    if (const Refusal refusal = read_request_line(line, head)) return refusal;
    Noted noted;
    if (const Refusal refusal = read_fields(in, limits.max_fields, head.fields, noted); refusal || in.incomplete)
        return refusal;
    return finish_request(noted, head);
}

Refusal read_response(Cursor& in, const HeadLimits& limits, Method request, ResponseHead& head) {
    static constexpr std::string_view opening = "HTTP/1.";
    const std::string_view here{in.at, std::min(opening.size(), static_cast<std::size_t>(in.end - in.at))};
    if (!opening.starts_with(here)) return {400, "the answer does not begin with an HTTP/1 status line"};
    std::string_view line;
    if (const Refusal refusal = read_line(in, limits.max_head_bytes, line); refusal || in.incomplete) return refusal;
    if (const Refusal refusal = read_status_line(line, head)) return refusal;
    Noted noted;
    if (const Refusal refusal = read_fields(in, limits.max_fields, head.fields, noted); refusal || in.incomplete)
        return refusal;
    return finish_response(noted, request, head);
}

// A reused head must not show the message before, whose bytes are gone. Member by member: assigning a fresh one
// would copy the 5 KiB of fields.
void forget(RequestHead& head) {
    head.method = Method::other;
    head.form = TargetForm::origin;
    head.minor = 1;
    head.keep_alive = head.expect_continue = head.upgrade = false;
    head.framing = {};
    head.method_name = head.target = head.path_and_query = head.authority = head.host = {};
    head.port.reset();
    head.fields.clear();
}

void forget(ResponseHead& head) {
    head.status = 0;
    head.minor = 1;
    head.keep_alive = head.interim = head.tunnel = false;
    head.framing = {};
    head.content_length.reset();
    head.reason = {};
    head.fields.clear();
}

}  // namespace

HeadResult parse_request_head(std::string_view bytes, const HeadLimits& limits, HeadScan& scan, RequestHead& head) {
    bytes = bytes.substr(0, limits.max_head_bytes);
    if (scan.scanned != 0 && !worth_parsing(bytes, limits.max_head_bytes, limits.max_request_line, scan)) return {};
    forget(head);
    Cursor in{bytes.data(), bytes.data() + bytes.size(), bytes.data()};
    const Refusal refusal = read_request(in, limits, head);
    return conclude(refusal, in, bytes, limits, scan);
}

HeadResult parse_response_head(std::string_view bytes, const HeadLimits& limits, Method request, HeadScan& scan,
                               ResponseHead& head) {
    bytes = bytes.substr(0, limits.max_head_bytes);
    if (scan.scanned != 0 && !worth_parsing(bytes, limits.max_head_bytes, limits.max_head_bytes, scan)) return {};
    forget(head);
    Cursor in{bytes.data(), bytes.data() + bytes.size(), bytes.data()};
    const Refusal refusal = read_response(in, limits, request, head);
    HeadResult result = conclude(refusal, in, bytes, limits, scan);
    if (result.status == ParseStatus::bad) result.answer = 502;
    return result;
}

HeadResult parse_field_lines(std::string_view bytes, std::size_t max_fields, Fields& fields) {
    fields.clear();
    max_fields = std::min(max_fields, Fields::capacity);
    Cursor in{bytes.data(), bytes.data() + bytes.size(), bytes.data()};
    while (in.at != in.end) {
        in.line = in.at;
        Field field;
        Refusal refusal = read_field(in, field);
        if (in.incomplete)
            refusal = {400, "a header line without its CR LF"};
        else if (!refusal && fields.size() >= max_fields)
            refusal = too_many_fields;
        if (refusal) return {.status = ParseStatus::bad, .answer = refusal.answer, .why = refusal.why};
        fields.add(field);
    }
    return {.status = ParseStatus::done, .consumed = bytes.size()};
}

}  // namespace hale::wire
