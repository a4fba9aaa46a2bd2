// How data leaves on standard output: tables for people, the other formats for programs. One truth: all formats
// of a verb come from the same JSON or the same table.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/invocation.h"
#include "cli/json.h"
#include "cli/surroundings.h"

namespace hale::cli {

struct Cell {
    std::string text;
    std::string_view paint = {};  // "green", "bold", …; empty: none.
    Cell(std::string value) : text(std::move(value)) {}
    Cell(const char* value) : text(value) {}
    Cell(std::string value, std::string_view colour) : text(std::move(value)), paint(colour) {}
};

struct Table {
    std::vector<std::string> heads;
    std::vector<std::vector<Cell>> rows;
};

// Aligned by what a terminal shows, not by bytes; nothing behind the last column.
std::string aligned(const Table& table, bool colour);
std::string csv(const Table& table);  // RFC 4180.
std::string yaml(const Json& value);

bool colourful(const Invocation& asked, const Surroundings& around);
std::string painted(std::string_view text, std::string_view paint, bool colour);

// Columns a terminal needs for it; the characters used here and by operators in names are one wide.
std::size_t width(std::string_view text);

// What strangers chose (names, reasons, bodies) on a terminal: control characters spelled out.
std::string tame(std::string_view text);

// json, yaml and jsonl from `data` (jsonl: one line per item of `items`, if it has such); table, wide and csv from
// `table`.
void print(const Invocation& asked, Surroundings& around, const Json& data, const Table& table);

// ● healthy, and its colour. `layer`: the state of an override in force, or empty.
Cell state_cell(std::string_view state, std::string_view layer = {});
std::string_view shape_of(std::string_view state);

// The Nagios exit code of a verdict's state.
int nagios_exit(std::string_view state, std::string_view layer = {});
std::string_view nagios_word(int exit);  // "OK", "WARNING", "CRITICAL", "UNKNOWN"
// Plugin output: one line, no '|' but the one before the performance data.
std::string nagios_line(int exit, std::string_view text, std::string_view performance);

}  // namespace hale::cli
