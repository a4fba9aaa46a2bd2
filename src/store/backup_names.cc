// Names, ages and what an operator is told about backups.

#include "store/backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/text.h"

namespace hale::store {

namespace {
constexpr std::string_view prefix = "state-";
constexpr std::string_view suffix = ".db";
}  // namespace

std::string backup_name(Utc at) {
    std::string stamp;  // "2026-11-21T14:18:21.100Z" without punctuation and fraction: safe in every file system.
    for (const char c : rfc3339(at).substr(0, 19))
        if (c != '-' && c != ':') stamp += c;
    return fmt::format("{}{}Z{}", prefix, stamp, suffix);
}

std::optional<Utc> parse_backup_name(std::string_view name) {
    if (name.size() != prefix.size() + 16 + suffix.size() || !name.starts_with(prefix) || !name.ends_with(suffix))
        return std::nullopt;
    const std::string_view s = name.substr(prefix.size(), 16);
    const auto at = parse_rfc3339(fmt::format("{}-{}-{}T{}:{}:{}Z", s.substr(0, 4), s.substr(4, 2), s.substr(6, 2),
                                              s.substr(9, 2), s.substr(11, 2), s.substr(13, 2)));
    if (!at || backup_name(*at) != name) return std::nullopt;
    return at;
}

Result<std::vector<Backup>> list_backups(const std::string& directory) {
    const std::string folder = directory + "/backup";
    std::vector<Backup> found;
    std::error_code error;
    std::filesystem::directory_iterator at(folder, error), end;
    if (error == std::errc::no_such_file_or_directory) return found;
    for (; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename().string();
        if (const auto utc = parse_backup_name(name)) found.push_back({at->path().string(), *utc});
    }
    if (error)
        return fail(Code::unavailable, fmt::format("list backups in {}: {}", folder, system_text(error.value())),
                    error.value());
    std::ranges::sort(found, [](const Backup& a, const Backup& b) { return a.at > b.at; });
    return found;
}

bool backup_due(const std::vector<Backup>& newest_first, Utc now) {
    return std::ranges::none_of(newest_first,
                                [&](const Backup& b) { return b.at <= now && now - b.at < backup_interval; });
}

std::string backups_text(const std::string& directory, Utc now, bool lost) {
    const auto found = list_backups(directory);
    if (!found) return found.error().text;
    if (found->empty()) return fmt::format("there is no backup in {}/backup", directory);
    std::string text = "backups:";
    for (const Backup& b : *found)
        text += fmt::format(" {} ({}),", b.path, b.at <= now ? human(now - b.at) + " old" : "from the future");
    text.pop_back();
    if (!lost) return text;
    return text + fmt::format("; go back to the newest with: hale serve --restore {}", found->front().path);
}

}  // namespace hale::store
