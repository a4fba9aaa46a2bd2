// What the keys of a compose file are read into. Private to this folder.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/compose.h"
#include "config/keys.h"

namespace hale::config {

// A network or a volume at the top of the file.
struct ComposePlace {
    std::string name;  // Said; else made of the project's and its own.
    bool external = false;
    bool used = false;
};

struct ComposeRootDraft {
    const Node* name = nullptr;
    const Node* services = nullptr;
    const Node* networks = nullptr;
    const Node* volumes = nullptr;
    DeploySpec strategy;  // Of all of it.
};

// Of `x-hale` and of labels that begin with hale.
struct ComposeHaleDraft {
    const Node* check = nullptr;
    const Node* reason = nullptr;
    const Node* host = nullptr;
    const Node* path = nullptr;
    const Node* strip = nullptr;
};

struct ComposeServiceDraft {
    ComposeContainer container;
    std::vector<const Node*> dependencies;  // Where each was said.
    const Node* healthcheck = nullptr;
    const Node* network_node = nullptr;
    std::string network;  // As the file calls it; empty: the default one.
    ComposeHaleDraft hale;
    Node label_check;     // Made of labels hale.check.*.
    std::vector<std::unique_ptr<Node>> label_values;  // What `hale` points to where labels said it.
};

// One container, right by itself.
void read_compose_service(Reading& reading, const Entry& entry, const Node* defaults, ComposeServiceDraft& draft);
void read_compose_place(Reading& reading, Section section, const Node& node, ComposePlace& place);
// "$$" is "$", "$NAME" without braces is refused; "${" is left to the loader.
void settle_dollars(Reading& reading, Node& node);
std::optional<std::vector<std::string>> shell_words(std::string_view line);
std::optional<std::uint64_t> parse_compose_size(std::string_view text);  // "512m", "1gb", "4096"; units of 1024.

}  // namespace hale::config
