// One function per kind of reference. Each reads one statement and appends what it finds with begin, end, kind and
// strength (the caller knows the span). They see nothing but the statement, so how a text was cut cannot matter.
#pragma once

#include <string_view>
#include <vector>

#include "memory/anchors/detector.h"

namespace kedge::anchors {

void find_urls(std::string_view statement, std::vector<Reference>* out);
void find_citations(std::string_view statement, std::vector<Reference>* out);
void find_functions(std::string_view statement, std::vector<Reference>* out);
void find_identifiers(std::string_view statement, std::vector<Reference>* out);
void find_brackets(std::string_view statement, std::vector<Reference>* out);
void find_numbers(std::string_view statement, std::vector<Reference>* out);

inline void add_reference(std::vector<Reference>* out, size_t begin, size_t end, ReferenceKind kind, bool strong) {
  out->push_back({begin, end, 0, 0, kind, strong ? ReferenceStrength::kStrong : ReferenceStrength::kWeak});
}

}  // namespace kedge::anchors
