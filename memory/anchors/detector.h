// Finds the references of a text: what later text will point back to, and the statement that has to be kept for the
// pointer to be answerable. A byte scanner without state: no tokens, no tables, no training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::memory {

enum class ReferenceKind : uint8_t {
  kCitation,    // (Harlow et al., 2019), Harlow et al. (2019), 347 U.S. 483
  kBracket,     // [12], [3, 7-9]
  kFunction,    // `parse_header`, def f(a): return 3 * a
  kIdentifier,  // DOC-83FA21, INV-1991-9185, UUIDs, long hexadecimal numbers, DOIs
  kUrl,         // https://...
  kNumber,      // a number bound to a name: port 8443, issue #4711, UID 996, timeout = 30
  kSection,     // § 823 Abs. 1 BGB, Section 4.2(b), Table 7, the number of a heading
  kPath,        // /etc/fstab, debian/rules, com/sun/jdi/Vars.java
  kEmail,       // barry@example.org, ids of messages
  kOption,      // --no-color, -x
  kVersion,     // v1.2.3, 3.0.17-1~deb12u3, version 3
  kDate,        // 20 April 2001, 3. März 2024, 2024-03-18
  kAmount,      // $1,204.50, 49,90 €, 180 euros
  kPhone,       // +49 30 1234567
  kManual,      // gzip(1)
  kStandard,    // RFC 8878, ISO/IEC 9899:2011
};

enum class ReferenceStrength : uint8_t {
  kWeak,    // a reference of its kind, but text is full of them: a candidate that attention may promote
  kStrong,  // worth pinning as it is: it names one thing, and what is said of it cannot be guessed
};

struct Reference {
  size_t begin, end;            // bytes of the surface form: "DOC-569B", "Kaldley, 1982", "map_bias"
  size_t span_begin, span_end;  // bytes of the statement that carries it
  ReferenceKind kind;
  ReferenceStrength strength;
};

struct Detection {
  std::vector<Reference> references;  // ascending by begin, and so by span_begin; they do not overlap
  // Bytes [0, settled) give these references whatever text follows, and need not be shown again: the next call takes
  // the text from here on. Only references of settled statements are listed.
  size_t settled = 0;
};

// At most this many bytes stay unsettled.
inline constexpr size_t kMaxUnsettledBytes = 1024 + 160;

// `text` begins at a statement boundary: where a text begins or where the last call's `settled` was. Shown whole or in
// pieces, a text gives the same references. `at_end` settles everything; on the tail of a text that goes on it gives
// what would be found if the text ended there. Linear time.
Detection detect_references(std::string_view text, bool at_end);

const char* reference_kind_name(ReferenceKind kind);

}  // namespace kedge::memory
