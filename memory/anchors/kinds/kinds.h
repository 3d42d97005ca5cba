// One function per kind of reference. Each reads one statement and appends what it finds with begin, end, kind and
// strength (the caller knows the span). They see nothing but the statement, so how a text was cut cannot matter. White
// space of any sort and length is one blank in it; hyphens and quotation marks of any sort are those of ASCII.
#pragma once

#include <string_view>
#include <vector>

#include "memory/anchors/detector.h"

namespace kedge::memory::anchors {

void find_amounts(std::string_view statement, std::vector<Reference>* out);
void find_brackets(std::string_view statement, std::vector<Reference>* out);
void find_citations(std::string_view statement, std::vector<Reference>* out);
void find_dates(std::string_view statement, std::vector<Reference>* out);
void find_emails(std::string_view statement, std::vector<Reference>* out);
void find_functions(std::string_view statement, std::vector<Reference>* out);
void find_identifiers(std::string_view statement, std::vector<Reference>* out);
void find_manuals(std::string_view statement, std::vector<Reference>* out);
void find_numbers(std::string_view statement, std::vector<Reference>* out);
void find_options(std::string_view statement, std::vector<Reference>* out);
void find_paths(std::string_view statement, std::vector<Reference>* out);
void find_phones(std::string_view statement, std::vector<Reference>* out);
void find_sections(std::string_view statement, std::vector<Reference>* out);
void find_standards(std::string_view statement, std::vector<Reference>* out);
void find_urls(std::string_view statement, std::vector<Reference>* out);
void find_versions(std::string_view statement, std::vector<Reference>* out);

inline void add_reference(std::vector<Reference>* out, size_t begin, size_t end, ReferenceKind kind, bool strong) {
  out->push_back({begin, end, 0, 0, kind, strong ? ReferenceStrength::kStrong : ReferenceStrength::kWeak});
}

}  // namespace kedge::memory::anchors
