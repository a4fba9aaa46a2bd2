// Any bytes as what an engine sends: each reader ends in a value within its limits or in a sentence; lines and frames are the same in
// two pieces as in one.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "docker/answers.h"
#include "docker/engine.h"
#include "docker/frames.h"
#include "docker/lines.h"
#include "docker/requests.h"

using namespace hale::docker;

namespace {

template <class Read>
void try_reading(Read read, std::string_view text) {
    if (const auto value = read(text); !value) HALE_CHECK(!value.error().text.empty());
}

constexpr std::size_t most = 64;

std::string lines_of(std::string_view a, std::string_view b) {
    Lines lines(most);
    std::string out;
    for (std::string_view bytes : {a, b}) {
        for (;;) {
            std::string_view line;
            const auto step = lines.next(bytes, line);
            if (step == Lines::Step::more) break;
            if (step == Lines::Step::too_long) return out + "!";
            HALE_CHECK(!line.empty() && line.size() <= most);
            out.append(line) += '\n';
        }
    }
    return out.append(lines.rest());
}

std::string frames_of(std::string_view a, std::string_view b) {
    Frames frames;
    std::string output, errors, engine;
    for (std::string_view bytes : {a, b}) {
        for (;;) {
            const auto one = frames.next(bytes);
            if (one.step == Frames::Step::more) break;
            if (one.step == Frames::Step::bad) return output + '|' + errors + '|' + engine + '!';
            HALE_CHECK(!one.bytes.empty());
            (one.step == Frames::Step::engine ? engine : one.source == Source::errors ? errors : output).append(one.bytes);
        }
    }
    return output + '|' + errors + '|' + engine + (frames.whole() ? "." : "");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + 2, size - 2};
    const std::size_t cut = text.empty() ? 0 : data[1] % (text.size() + 1);
    switch (data[0] % 8) {
        case 0:
            if (const auto it = read_inspected(text)) HALE_CHECK(!it->id.empty() && it->labels.size() <= most_labels && it->published.size() <= most_items);
            try_reading(read_image, text);
            break;
        case 1:
            if (const auto event = read_event(text); event && *event) HALE_CHECK(!(*event)->id.empty());
            break;
        case 2:
            if (const auto line = read_pull_line(text); line && line->error) HALE_CHECK(!line->error->text.empty());
            break;
        case 3:
            if (const auto all = read_listed(text)) HALE_CHECK(all->size() <= most_containers);
            try_reading(read_network, text);
            break;
        case 4:
            try_reading(read_version, text);
            try_reading(read_info, text);
            try_reading(read_created, text);
            try_reading(read_exited, text);
            try_reading(read_exec, text);
            break;
        case 5: {
            const std::string said = read_message(500, text);
            HALE_CHECK(!said.empty());
            for (const char c : said) HALE_CHECK(static_cast<unsigned char>(c) >= ' ' && c != 127);
            (void)read_date(text);
            break;
        }
        case 6: HALE_CHECK(lines_of(text, {}) == lines_of(text.substr(0, cut), text.substr(cut))); break;
        default: HALE_CHECK(frames_of(text, {}) == frames_of(text.substr(0, cut), text.substr(cut)));
    }
    // A name of others is one segment of a path.
    const std::string path = inspect_request(text.substr(0, 50)).path;
    for (const char c : path) HALE_CHECK(c > ' ' && c < 127 && c != '?' && c != '#');
    return 0;
}
