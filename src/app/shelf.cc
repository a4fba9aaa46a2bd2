#include "app/shelf.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/log.h"
#include "os/files.h"

namespace hale::app {

namespace {

constexpr std::string_view ending = ".json";

// What a crash left of a write: "www.example.json.a1B2c3". Six letters at random are hardly ever all lower case, as those of
// somebody's "www.example.json.backup" are.
bool left_over(std::string_view name) {
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos || !name.substr(0, dot).ends_with(ending)) return false;
    const std::string_view random = name.substr(dot + 1);
    return random.size() == 6 && std::ranges::any_of(random, [](char c) { return c < 'a' || c > 'z'; });
}

Result<acme::Disk::Files> read_directory(const std::string& directory) {
    HALE_TRY(os::ensure_private_directory(directory));
    acme::Disk::Files files;
    std::error_code error;
    for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
        const std::string name = at->path().filename().string();
        if (!name.ends_with(ending)) continue;
        if (files.size() == Shelf::most_files) return fail(Code::exhausted, fmt::format("{} holds more than {} files", directory, Shelf::most_files));
        auto content = os::read_file(at->path().string(), Shelf::most_bytes);
        if (content) files.emplace_back(name, std::move(*content));
        else log(LogLevel::error, content.error().text);
    }
    if (error) return fail(Code::unavailable, fmt::format("can't list {}: {}", directory, error.message()));
    return files;
}

// Needs: the lock, so that nobody is writing.
void sweep(const std::string& directory) {
    std::error_code error;
    std::vector<std::filesystem::path> old;
    for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
        if (left_over(at->path().filename().string())) old.push_back(at->path());
    for (const auto& path : old) std::filesystem::remove(path, error);
}

}  // namespace

Shelf::Shelf(io::Loop& loop, os::BlockingPool& pool, std::string state) : loop_(loop), pool_(pool), directory_(std::move(state) + "/certificates") {}

Shelf::~Shelf() { *alive_ = false; }

template <class T>
void Shelf::run(std::move_only_function<Result<T>()> work, std::move_only_function<void(Result<T>)> done) {
    struct Errand {
        std::move_only_function<Result<T>()> work;
        std::move_only_function<void(Result<T>)> done;
        std::optional<Result<T>> result;
    };
    auto errand = std::make_shared<Errand>(std::move(work), std::move(done));
    const auto queued = pool_.run(
        loop_, [errand] { errand->result = errand->work(); },
        [errand, alive = alive_] {
            if (*alive) errand->done(std::move(*errand->result));
        });
    if (queued) return;
    loop_.post([errand, alive = alive_, error = queued.error()] {
        if (*alive) errand->done(std::unexpected(error));
    });
}

void Shelf::read_all(std::move_only_function<void(Result<Files>)> done) {
    run<Files>([directory = directory_] { return read_directory(directory); }, std::move(done));
}

void Shelf::lock(std::move_only_function<void(Result<bool>)> done) {
    if (locked_) return loop_.post([done = std::move(done)]() mutable { done(true); });
    auto taken = std::make_shared<std::optional<os::Descriptor>>();
    run<bool>(
        [directory = directory_, taken]() -> Result<bool> {
            HALE_TRY(os::ensure_private_directory(directory));
            auto locked = os::lock_directory(directory);
            if (!locked && locked.error().code == Code::conflict) return false;
            if (!locked) return std::unexpected(locked.error());
            *taken = std::move(*locked);
            sweep(directory);
            return true;
        },
        [this, taken, done = std::move(done)](Result<bool> result) mutable {
            if (*taken) locked_ = std::move(*taken);
            done(std::move(result));
        });
}

void Shelf::unlock() { locked_.reset(); }

void Shelf::write(std::string name, std::string content, acme::Done done) {
    run<void>([path = fmt::format("{}/{}", directory_, name), content = std::move(content)] { return os::write_file_durably(path, content, 0600); }, std::move(done));
}

}  // namespace hale::app
