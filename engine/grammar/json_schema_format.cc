// Formats of strings as regular languages: every text of one is valid by the RFC that defines it. What is rare, or
// needs a table (leap seconds, addresses in brackets, internationalised names, very long host names), is left out of
// the language, which makes it smaller, never wrong.
#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "engine/grammar/json_schema_string.h"

namespace kedge::engine::grammar {
namespace {

struct Named {
  std::string_view name;
  std::string_view pattern;  // <name> stands for a part
};

// clang-format off
constexpr Named kParts[] = {
    // RFC 3339. The 29th of February has years of its own; there is no year 0.
    {"date", "(?:(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0"
     "-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{2}(?:0[48"
     "]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)"},
    {"time", "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+\\-](?:[01][0-9]|2[0-3]):[0-5"
     "][0-9])"},
    {"days", "[0-9]{1,9}D"},
    {"months", "[0-9]{1,9}M(?:<days>)?"},
    {"seconds", "[0-9]{1,9}S"},
    {"minutes", "[0-9]{1,9}M(?:<seconds>)?"},
    {"clock", "T(?:[0-9]{1,9}H(?:<minutes>)?|<minutes>|<seconds>)"},
    // RFC 1123: at most 5 labels of at most 47 characters, 239 in all, and no two hyphens in a row (RFC 5891 gives those a
    // meaning).
    {"label", "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,23}"},
    {"host", "<label>(?:\\.<label>){0,4}"},
    // RFC 5321: the local part has at most 62 characters.
    {"atom", "[A-Za-z0-9!#$%&'*+/=?\\^_`\\{\\|\\}~\\-]{1,20}"},
    {"octet", "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"},
    {"group", "[0-9A-Fa-f]{1,4}"},
    // RFC 3986.
    {"percent", "%[0-9A-Fa-f]{2}"},
    {"pchar", "(?:[A-Za-z0-9._~!$&'\\(\\)*+,;=:@\\-]|<percent>)"},
    {"pchar_no_colon", "(?:[A-Za-z0-9._~!$&'\\(\\)*+,;=@\\-]|<percent>)"},
    {"user", "(?:[A-Za-z0-9._~!$&'\\(\\)*+,;=:\\-]|<percent>)*@"},
    {"name", "(?:[A-Za-z0-9._~!$&'\\(\\)*+,;=\\-]|<percent>)*"},
    {"path", "(?:/<pchar>*)*"},
    {"authority", "//(?:<user>)?<name>(?::[0-9]{0,5})?<path>"},
    {"absolute", "/(?:<pchar>+<path>)?"},
    {"tail", "(?:\\?(?:<pchar>|[/?])*)?(?:#(?:<pchar>|[/?])*)?"},
    {"uri", "[A-Za-z][A-Za-z0-9+.\\-]*:(?:<authority>|<absolute>|<pchar>+<path>)?<tail>"},
    {"relative", "(?:<authority>|<absolute>|<pchar_no_colon>+<path>)?<tail>"},
    // RFC 6901.
    {"pointer", "(?:/(?:[^~/]|~[01])*)*"},
};

constexpr Named kFormats[] = {
    {"date", "<date>"},
    {"time", "<time>"},
    {"date-time", "<date>T<time>"},
    {"duration", "P(?:[0-9]{1,9}W|(?:[0-9]{1,9}Y(?:<months>)?|<months>|<days>)(?:<clock>)?|<clock>)"},
    {"uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
    {"email", "<atom>(?:\\.<atom>){0,2}@<host>"},
    {"hostname", "<host>"},
    {"ipv4", "<octet>(?:\\.<octet>){3}"},
    {"ipv6", "(?:<group>:){7}<group>|(?:<group>:){1,7}:|(?:<group>:){1,6}:<group>|(?:<group>:){1,5}(?::<group>"
     "){2}|(?:<group>:){1,4}(?::<group>){3}|(?:<group>:){1,3}(?::<group>){4}|(?:<group>:){1,2}(?::"
     "<group>){5}|<group>:(?::<group>){6}|:(?:(?::<group>){1,7}|:)"},
    {"uri", "<uri>"},
    {"uri-reference", "(?:<uri>|<relative>)"},
    {"json-pointer", "<pointer>"},
    {"relative-json-pointer", "(?:0|[1-9][0-9]{0,9})(?:#|<pointer>)"},
    {"byte", "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"},  // OpenAPI: base64
    {"binary", ""},    // OpenAPI: any octets
    {"password", ""},  // OpenAPI: how to show it
};
// clang-format on

const Named* find_named(std::span<const Named> table, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(), [name](const Named& n) { return n.name == name; });
  return found == table.end() ? nullptr : &*found;
}

std::string expanded(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const Named* part = nullptr;
    const size_t close = pattern[i] == '<' ? pattern.find('>', i) : std::string_view::npos;
    if (close != std::string_view::npos) part = find_named(kParts, pattern.substr(i + 1, close - i - 1));
    if (part == nullptr) {
      out += pattern[i];
    } else {
      out += expanded(part->pattern);
      i = close;
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> format_pattern(std::string_view name) {
  const Named* format = find_named(kFormats, name);
  return format == nullptr ? std::nullopt : std::optional(expanded(format->pattern));
}

}  // namespace kedge::engine::grammar
