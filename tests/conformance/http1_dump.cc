// Says what wire reads in HTTP/1 messages, for comparison with another implementation.
//
// stdin: records of one byte kind ('Q' a request, 'S' the answer to GET, 'H' the answer to HEAD), four bytes
// length (big-endian), the bytes of a connection that is closed after them. stdout: one JSON object a line for
// each; bytes are written in hexadecimal.

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "wire/http1.h"
#include "wire/http1_body.h"

namespace hale::wire {
namespace {

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

struct Read {
    const char* verdict = "incomplete";  // accept, refuse or incomplete
    int answer = 0;
    std::string why, body, trailers, start, fields;
    int minor = 1;
    bool keep_alive = false;
    std::size_t rest = 0;

    std::string json() const {
        return fmt::format(
            R"({{"verdict":"{}","answer":{},"why":"{}","start":{},"minor":{},"keep_alive":{},"fields":[{}],)"
            R"("body":"{}","trailers":"{}","rest":{}}})",
            verdict, answer, why, start.empty() ? "null" : start, minor, keep_alive, fields, hex(body), hex(trailers),
            rest);
    }
};

bool took_head(const HeadResult& result, Read& read) {
    if (result.status == ParseStatus::done) return true;
    if (result.status == ParseStatus::bad) {
        read.verdict = "refuse";
        read.answer = result.answer;
        read.why = result.why;
    }
    return false;
}

void take_fields(const Fields& fields, Read& read) {
    for (const Field& field : fields) {
        if (!read.fields.empty()) read.fields += ',';
        read.fields += fmt::format(R"(["{}","{}"])", hex(field.name), hex(field.value));
    }
}

void take_body(std::string_view bytes, Framing framing, Read& read) {
    BodyReader reader(framing);
    BodyStatus status = reader.done() ? BodyStatus::done : BodyStatus::more;
    while (status == BodyStatus::more && !bytes.empty()) {
        const BodyReader::Step step = reader.read(bytes);
        bytes.remove_prefix(step.consumed);
        read.body += step.payload;
        read.why = step.why;
        status = step.status;
    }
    if (status == BodyStatus::more && framing.kind == BodyKind::until_close) status = reader.end_of_stream().status;
    if (status == BodyStatus::bad) read.verdict = "refuse";
    if (status != BodyStatus::done) return;
    read.verdict = "accept";
    read.trailers = reader.trailers();
    read.rest = bytes.size();
}

Read read_request(std::string_view bytes) {
    Read read;
    HeadScan scan;
    RequestHead head;
    const HeadResult result = parse_request_head(bytes, {}, scan, head);
    if (!took_head(result, read)) return read;
    read.start = fmt::format(R"(["{}","{}"])", hex(head.method_name), hex(head.target));
    read.minor = head.minor;
    read.keep_alive = head.keep_alive;
    take_fields(head.fields, read);
    take_body(bytes.substr(result.consumed), head.framing, read);
    return read;
}

Read read_response(std::string_view bytes, Method request) {
    Read read;
    ResponseHead head;
    do {
        HeadScan scan;
        const HeadResult result = parse_response_head(bytes, {}, request, scan, head);
        if (!took_head(result, read)) return read;
        bytes.remove_prefix(result.consumed);
    } while (head.interim);
    read.start = fmt::format(R"([{},"{}"])", head.status, hex(head.reason));
    read.minor = head.minor;
    read.keep_alive = head.keep_alive;
    take_fields(head.fields, read);
    take_body(bytes, head.framing, read);
    return read;
}

bool take(std::string& into, std::size_t size) {
    into.resize(size);
    return std::fread(into.data(), 1, size, stdin) == size;
}

int dump_all() {
    std::string header, bytes;
    while (take(header, 5)) {
        std::uint32_t size = 0;
        for (std::size_t i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(header[i]);
        if (!take(bytes, size)) return 1;
        const Read read = header[0] == 'Q' ? read_request(bytes)
                                           : read_response(bytes, header[0] == 'H' ? Method::head : Method::get);
        fmt::print("{}\n", read.json());
    }
    return 0;
}

}  // namespace
}  // namespace hale::wire

int main() { return hale::wire::dump_all(); }
