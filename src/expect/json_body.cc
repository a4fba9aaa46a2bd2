#include "expect/json_body.h"

#include <simdjson.h>

#include <algorithm>

namespace hale::expect {

namespace dom = simdjson::dom;

struct JsonBody::Parsed {
    dom::parser parser;
    dom::element root;
};

JsonBody::JsonBody(std::string_view text) : parsed_(std::make_unique<Parsed>()) {
    if (text.empty()) {
        error_ = "the body is empty";
        return;
    }
    auto& parser = parsed_->parser;
    // Room for short bodies too: simdjson writes whole blocks.
    simdjson::error_code code = parser.allocate(std::max<std::size_t>(text.size(), 64), max_json_depth);
    if (code == simdjson::SUCCESS) code = parser.parse(text.data(), text.size()).get(parsed_->root);
    if (code == simdjson::DEPTH_ERROR)
        error_ = "the body is nested too deeply";
    else if (code == simdjson::MEMALLOC || code == simdjson::CAPACITY)
        error_ = "no memory for the body";
    else if (code != simdjson::SUCCESS)
        error_ = "the body is not JSON";
}

JsonBody::JsonBody(JsonBody&&) noexcept = default;
JsonBody::~JsonBody() = default;

JsonBody::Field JsonBody::at(std::span<const Step> path) const {
    Field field;
    if (!error_.empty()) return field;
    dom::element here = parsed_->root;
    for (const Step& step : path) {
        dom::element next;
        if (step.is_index) {
            dom::array array;
            if (here.get(array) != simdjson::SUCCESS || array.at(step.index).get(next) != simdjson::SUCCESS)
                return field;
        } else {
            dom::object object;
            if (here.get(object) != simdjson::SUCCESS || object.at_key(step.key).get(next) != simdjson::SUCCESS)
                return field;
        }
        here = next;
    }
    switch (here.type()) {
        case dom::element_type::NULL_VALUE:
            field.kind = Field::Kind::null;
            break;
        case dom::element_type::BOOL:
            field.kind = Field::Kind::boolean;
            field.boolean = here.get_bool().value_unsafe();
            break;
        case dom::element_type::INT64:
            field.kind = Field::Kind::number;
            field.number = Number::of(here.get_int64().value_unsafe());
            break;
        case dom::element_type::UINT64:
            field.kind = Field::Kind::number;
            field.number = Number::of(static_cast<double>(here.get_uint64().value_unsafe()));
            break;
        case dom::element_type::DOUBLE:
            field.kind = Field::Kind::number;
            field.number = Number::of(here.get_double().value_unsafe());
            break;
        case dom::element_type::STRING:
            field.kind = Field::Kind::text;
            field.text = here.get_string().value_unsafe();
            break;
        case dom::element_type::ARRAY: {
            field.kind = Field::Kind::array;
            // Counted by hand: simdjson's own count saturates at 2^24.
            for ([[maybe_unused]] const auto element : here.get_array().value_unsafe()) ++field.count;
            field.packed = simdjson::minify(here);
            break;
        }
        case dom::element_type::OBJECT:
            field.kind = Field::Kind::object;
            field.packed = simdjson::minify(here);
            break;
    }
    return field;
}

}  // namespace hale::expect
