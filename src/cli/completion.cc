#include "cli/completion.h"

#include <fmt/format.h>

#include <iterator>

namespace hale::cli {

namespace {

std::string words(const CompletionTree& at, const CompletionTree& root) {
    std::string out;
    for (const auto& verb : at.verbs) out += verb.name + " ";
    for (const auto& option : at.options) out += option.name + " ";
    if (&at != &root) {
        for (const auto& option : root.options) {
            if (option.name != "--help") out += option.name + " ";
        }
    }
    if (!out.empty()) out.pop_back();
    return out;
}

// Both shells read it: zsh by its bashcompinit.
std::string bash(const CompletionTree& root) {
    std::string out =
        "# hale completion for bash and zsh\n_hale() {\n    local current=\"${COMP_WORDS[COMP_CWORD]}\" path=\"\" i "
        "word\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n        word=\"${COMP_WORDS[i]}\"\n"
        "        case \"$path $word\" in\n";
    for (const auto& verb : root.verbs) {
        fmt::format_to(std::back_inserter(out), "            \" {}\") path=\"{}\" ;;\n", verb.name, verb.name);
        for (const auto& sub : verb.verbs) {
            fmt::format_to(std::back_inserter(out), "            \"{} {}\") path=\"{} {}\" ;;\n", verb.name, sub.name,
                           verb.name, sub.name);
        }
    }
    out +=
        "        esac\n    done\n    case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n"
        "        -o|--output) COMPREPLY=($(compgen -W \"table wide json yaml jsonl csv nagios\" -- \"$current\")); "
        "return ;;\n"
        "        --config|--restore|--tls-ca) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n    esac\n    case "
        "\"$path\" in\n";
    fmt::format_to(std::back_inserter(out), "        \"\") COMPREPLY=($(compgen -W \"{}\" -- \"$current\")) ;;\n",
                   words(root, root));
    for (const auto& verb : root.verbs) {
        fmt::format_to(std::back_inserter(out), "        \"{}\") COMPREPLY=($(compgen -W \"{}\" -- \"$current\")) ;;\n",
                       verb.name, words(verb, root));
        for (const auto& sub : verb.verbs) {
            fmt::format_to(std::back_inserter(out),
                           "        \"{} {}\") COMPREPLY=($(compgen -W \"{}\" -- \"$current\")) ;;\n", verb.name,
                           sub.name, words(sub, root));
        }
    }
    out += "    esac\n}\ncomplete -o default -F _hale hale\n";
    return out;
}

std::string shell_quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

void fish_options(std::string& out, const CompletionTree& at, const std::string& condition) {
    for (const auto& option : at.options) {
        fmt::format_to(std::back_inserter(out), "complete -c hale {} -l {} -d {}\n", condition, option.name.substr(2),
                       shell_quoted(option.says));
    }
}

std::string fish(const CompletionTree& root) {
    std::string out = "# hale completion for fish\ncomplete -c hale -f\n";
    fish_options(out, root, "");
    for (const auto& verb : root.verbs) {
        fmt::format_to(std::back_inserter(out), "complete -c hale -n __fish_use_subcommand -a {} -d {}\n", verb.name,
                       shell_quoted(verb.says));
        fish_options(out, verb, fmt::format("-n '__fish_seen_subcommand_from {}'", verb.name));
        for (const auto& sub : verb.verbs) {
            fmt::format_to(std::back_inserter(out),
                           "complete -c hale -n '__fish_seen_subcommand_from {}' -a {} -d {}\n", verb.name, sub.name,
                           shell_quoted(sub.says));
            fish_options(out, sub,
                         fmt::format("-n '__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}'",
                                     verb.name, sub.name));
        }
    }
    return out;
}

}  // namespace

Result<std::string> completion_script(std::string_view shell, const CompletionTree& root) {
    if (shell == "bash") return bash(root);
    if (shell == "zsh") return "#compdef hale\nautoload -U +X bashcompinit && bashcompinit\n" + bash(root);
    if (shell == "fish") return fish(root);
    return fail(Code::invalid, fmt::format("completion {}: no such shell; allowed: bash, zsh, fish", shell));
}

}  // namespace hale::cli
