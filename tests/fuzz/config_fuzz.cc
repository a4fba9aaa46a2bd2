// Any bytes as a configuration file and as an object from the API: no crash, no leak, and every problem says a
// place inside the text.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/diff.h"
#include "config/load.h"
#include "config/show.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hale::config;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    LoadRequest request;
    request.texts.push_back({"f", std::string(text)});
    request.environment = [](const std::string& name) { return name.size() % 2 ? std::optional<std::string>("v") : std::nullopt; };
    request.effective = true;
    if (const auto document = load_document(request)) {
        if (!diff(*document, *document).empty()) std::abort();
        for (const ServiceSpec& service : document->services) (void)to_json(service, document->routes);
    } else {
        const auto lines = std::ranges::count(text, '\n') + std::ranges::count(text, '\r') + 2;
        for (const Problem& problem : document.error())
            if (problem.mark.line < 0 || problem.mark.line > lines) std::abort();
    }
    if (const auto service = load_service("web", text, Document{})) (void)to_json(service->service, service->routes);
    (void)load_route(text, Document{});
    return 0;
}
