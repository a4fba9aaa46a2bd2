// What the tests of this folder share: documents from text, a membership over a ledger of its own, and control
// with a journal, checkers and workers that a test scripts.

#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "catalog/control.h"
#include "catalog/view.h"
#include "config/load.h"
#include "sim/resolver.h"
#include "sim/world.h"

namespace hale::catalog {

inline std::shared_ptr<const config::Document> document(const std::string& yaml) {
    auto loaded = config::load_document({.source = "hale.yml", .texts = {{"hale.yml", yaml}}});
    if (!loaded) {
        ADD_FAILURE() << config::text(loaded.error()) << "\n" << yaml;
        return std::make_shared<const config::Document>();
    }
    return std::make_shared<const config::Document>(std::move(*loaded));
}

// A service of the document, with the document's lifetime.
inline std::shared_ptr<const config::ServiceSpec> service_of(const std::shared_ptr<const config::Document>& document, std::size_t i = 0) {
    return {document, &document->services.at(i)};
}

template <class T, class List>
std::vector<const T*> all(const List& list) {
    std::vector<const T*> out;
    for (const auto& one : list)
        if (const auto* wanted = std::get_if<T>(&one)) out.push_back(wanted);
    return out;
}

}  // namespace hale::catalog
