// The OpenAPI 3.1 document, made from the route table: what is not in the table is not in the document, and the
// other way round.

#pragma once

#include <string>
#include <string_view>

namespace hale::api {

std::string openapi_document(std::string_view version);

}  // namespace hale::api
