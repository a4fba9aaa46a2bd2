// Reads what a Docker Engine sends. Pure: text in, values or a sentence out. Nothing about the text is believed: its size, its
// depth, its types; what is missing or of another type reads as not told, unless nothing can be made of the answer without it
// (Code::corrupt).

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "docker/words.h"

namespace hale::docker {

inline constexpr int most_depth = 32;
inline constexpr std::size_t most_name_bytes = 1024;           // Of names, images, addresses ...
inline constexpr std::size_t most_message_bytes = 4096;        // Of sentences, and of outputs of health checks.
inline constexpr std::size_t most_label_bytes = 64u << 10;     // Of one label.
inline constexpr std::size_t most_labels = 1024;               // Of one object; the others are not read.
inline constexpr std::size_t most_items = 1024;                // Of one list; the same.
inline constexpr std::size_t most_containers = 10'000;         // Listed; more is an error.

Result<EngineVersion> read_version(std::string_view body);
Result<EngineInfo> read_info(std::string_view body);
Result<ImageFacts> read_image(std::string_view body);
Result<Created> read_created(std::string_view body);
Result<Inspected> read_inspected(std::string_view body);
Result<std::vector<Listed>> read_listed(std::string_view body);
Result<Exited> read_exited(std::string_view body);
Result<NetworkFacts> read_network(std::string_view body);
Result<std::string> read_id(std::string_view body);

struct ExecState {
    bool running = false;
    std::optional<std::int64_t> exit_code;
};
Result<ExecState> read_exec(std::string_view body);

// Nothing for what happened to something else than a container.
Result<std::optional<Event>> read_event(std::string_view line);

struct PullLine {
    PullProgress progress;
    std::string digest;          // "" unless this line tells it.
    std::optional<Error> error;  // The pull failed.
};
Result<PullLine> read_pull_line(std::string_view line);

// What an answer that is an error says: the engine's sentence, or what can be made of the status.
std::string read_message(int status, std::string_view body);
Code code_of(int status);

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<Utc> read_date(std::string_view text);

}  // namespace hale::docker
