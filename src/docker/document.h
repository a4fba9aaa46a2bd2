// JSON that nobody vouches for: every look-up gives a default where the member is missing or of another type. Only this
// folder's readers include it.

#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"

namespace hale::docker {

using Json = nlohmann::json;

std::unexpected<Error> unreadable(std::string_view what, std::string_view why);
// `what` is for the sentence: "the answer about a container".
Result<Json> parse_document(std::string_view what, std::string_view text);
Result<Json> parse_object(std::string_view what, std::string_view text);

// Without control characters, cut at `most` bytes and not inside a character.
std::string plain(std::string_view text, std::size_t most);

const Json& member(const Json& of, const char* name);  // Null when there is none.
std::string word(const Json& of, const char* name);    // At most most_name_bytes.
std::string sentence(const Json& of, const char* name);
std::int64_t whole_number(const Json& value, std::int64_t otherwise = 0);
std::int64_t number(const Json& of, const char* name, std::int64_t otherwise = 0);
std::uint64_t size_of(const Json& of, const char* name);   // Negative: 0.
std::uint32_t count_of(const Json& of, const char* name);  // Negative: 0; at most 2^31.
bool truth(const Json& of, const char* name);
Duration nanoseconds_of(const Json& of, const char* name);
std::optional<Utc> instant(const Json& of, const char* name);
std::optional<Ip> address(const Json& of, const char* name);
std::vector<std::string> words(const Json& of, const char* name);
std::map<std::string, std::string> labels_of(const Json& of, const char* name);

}  // namespace hale::docker
