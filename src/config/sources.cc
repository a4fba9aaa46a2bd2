// The loader's way to the world: files, directories and the environment. Blocks; belongs on the blocking pool.

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "config/load.h"

namespace hale::config {

namespace {

namespace fs = std::filesystem;

Result<std::string> read_file(const std::string& path, std::size_t most, std::string_view what) {
    std::error_code error;
    // A directory or a pipe would block or make no sense.
    if (const auto status = fs::status(path, error); error || !fs::is_regular_file(status)) {
        if (!fs::exists(status)) return fail(Code::not_found, fmt::format("read {} {}: no such file", what, path), ENOENT);
        return fail(Code::invalid, fmt::format("read {} {}: {}", what, path, error ? system_text(error.value()) : "not a regular file"), error.value());
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(Code::denied, fmt::format("read {} {}: {}", what, path, system_text(errno)), errno);
    std::string out;
    char block[16 * 1024];
    while (file.read(block, sizeof block) || file.gcount() > 0) {
        out.append(block, static_cast<std::size_t>(file.gcount()));
        if (out.size() > most) return fail(Code::exhausted, fmt::format("read {} {}: longer than {} bytes", what, path, most));
    }
    if (file.bad()) return fail(Code::unavailable, fmt::format("read {} {}: {}", what, path, system_text(errno)), errno);
    return out;
}

bool is_configuration(const fs::path& path) {
    const std::string end = path.extension().string();
    return (end == ".yml" || end == ".yaml" || end == ".json") && !path.filename().string().starts_with('.');
}

}  // namespace

Result<std::vector<SourceText>> read_sources(const std::string& path) {
    std::vector<SourceText> out;
    std::error_code error;
    if (!fs::is_directory(path, error)) {
        auto text = read_file(path, max_source_bytes, "configuration");
        if (!text) return std::unexpected(std::move(text.error()));
        out.push_back({path, std::move(*text)});
        return out;
    }
    std::vector<std::string> names;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error))
        if (is_configuration(entry->path())) names.push_back(entry->path().string());
    if (error) return fail(Code::denied, fmt::format("list configuration directory {}: {}", path, system_text(error.value())), error.value());
    if (names.empty()) return fail(Code::not_found, fmt::format("configuration directory {} has no *.yml, *.yaml or *.json", path));
    if (names.size() > max_sources) return fail(Code::exhausted, fmt::format("configuration directory {} has {} files, more than {}", path, names.size(), max_sources));
    std::ranges::sort(names);
    std::size_t bytes = 0;
    for (std::string& name : names) {
        auto text = read_file(name, max_source_bytes - bytes, "configuration");
        if (!text) return std::unexpected(std::move(text.error()));
        bytes += text->size();
        out.push_back({std::move(name), std::move(*text)});
    }
    return out;
}

Result<std::string> read_secret_file(const std::string& path) {
    auto text = read_file(path, max_secret_bytes, "secret");
    if (text && text->ends_with('\n')) text->pop_back();
    if (text && text->ends_with('\r')) text->pop_back();
    return text;
}

std::optional<std::string> process_environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
}

Result<std::string> read_certificate_file(const std::string& path) { return read_file(path, max_source_bytes, "certificate"); }

Result<std::string> read_key_file(const std::string& path) {
    std::error_code error;
    const auto status = fs::status(path, error);
    const auto all = static_cast<unsigned>(status.permissions());
    if (!error && fs::exists(status) && (status.permissions() & fs::perms::others_all) != fs::perms::none)
        return fail(Code::denied, fmt::format("key {}: everybody on this machine may use it (mode {:04o}); try: chmod 600 {}", path, all & 07777, path));
    return read_file(path, max_secret_bytes, "key");
}

std::expected<Document, Problems> load_path(const std::string& path, const Settings& defaults, bool effective, const CertificateSense& certificates) {
    auto texts = read_sources(path);
    if (!texts) return std::unexpected(Problems{Problem{{path, 0, 0}, {}, {}, texts.error().text, {}}});
    LoadRequest request;
    request.source = path;
    request.texts = std::move(*texts);
    request.environment = process_environment;
    request.secret_file = read_secret_file;
    request.file = read_certificate_file;
    request.key_file = read_key_file;
    request.certificates = certificates;
    request.defaults = defaults;
    request.effective = effective;
    return load_document(request);
}

DaemonPlace load_place(const std::string& path) {
    LoadRequest request{.source = path, .texts = {}, .environment = process_environment, .secret_file = {}, .file = {}, .key_file = {}, .certificates = {}, .defaults = {}};
    auto texts = read_sources(path);
    if (!texts) return {.settings = {}, .problems = {{{path, 0, 0}, {}, {}, std::move(texts.error().text), {}}}};
    request.texts = std::move(*texts);
    return read_place(request);
}

}  // namespace hale::config
