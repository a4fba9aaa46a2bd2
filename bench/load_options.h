// What every load generator here is told in the same words, and the descriptors it may open.

#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

struct LoadOptions {
    sockaddr_in to{};
    std::string host = "bench.test";
    int connections = 8;
    double seconds = 2, rate = 0;
};

// `own(key, value)` takes what this generator alone knows, and says whether it was that. Ends the process otherwise.
template <class Own>
void read_load_options(int argc, char** argv, LoadOptions& options, Own own) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view key = argv[i];
        const std::string value = argv[i + 1];
        if (key == "--to") {
            options.to.sin_family = AF_INET;
            inet_pton(AF_INET, value.substr(0, value.find(':')).c_str(), &options.to.sin_addr);
            options.to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(value.substr(value.find(':') + 1).c_str())));
        } else if (key == "--host") options.host = value;
        else if (key == "--connections") options.connections = std::atoi(value.c_str());
        else if (key == "--seconds") options.seconds = std::atof(value.c_str());
        else if (key == "--rate") options.rate = std::atof(value.c_str());
        else if (!own(key, value)) {
            fmt::print(stderr, "{}: unknown option {}\n", argv[0], key);
            std::exit(2);
        }
    }
}

inline void open_as_many_as_allowed() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
