#include "base/id.h"

#include <algorithm>

namespace hale {

namespace {
constexpr std::string_view alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

void spell(std::uint64_t bits, char* out, int count) {
    for (int i = 0; i < count; ++i, bits >>= 5) out[i] = alphabet[bits & 31];
}
}  // namespace

std::string make_instance_id(Random& random) {
    std::string id = "i-............";
    spell(random.next(), id.data() + 2, 12);
    return id;
}

bool is_instance_id(std::string_view text) {
    return text.size() == 14 && text.starts_with("i-") &&
           std::ranges::all_of(text.substr(2), [](char c) { return alphabet.contains(c); });
}

void write_request_id(Random& random, char* out) {
    spell(random.next(), out, 8);
    spell(random.next(), out + 8, 8);
}

std::string make_request_id(Random& random) {
    std::string id(request_id_length, '.');
    write_request_id(random, id.data());
    return id;
}

}  // namespace hale
