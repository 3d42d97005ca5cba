// What kedge-reader and the library say to each other.
#pragma once

namespace kedge::router::retrieval::reader {

// Exit codes beside 0.
inline constexpr int kRefused = 10;  // the input: why is on standard error
inline constexpr int kTooMuch = 11;  // a limit on the input's form: which is on standard error
inline constexpr int kOutOfMemory = 12;
inline constexpr int kNoProgram = 13;  // the program to run is not there
inline constexpr int kWrongUse = 14;

// kedge-reader PARENT CPU_MS MEMORY html               a page on standard input; a document on standard output
// kedge-reader PARENT CPU_MS MEMORY run PROGRAM ...    that program under the limits
//
// A document: "SECTIONS BYTES\n", for each section "BEGIN END TITLE_BYTES\n" and its title, then the text.

}  // namespace kedge::router::retrieval::reader
