// The languages whose words the index reduces to stems, and which of them a text is in.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "router/retrieval/folded_words.h"

struct sb_stemmer;

namespace kedge::router::retrieval {

struct Language {
  const char* name;            // Snowball's
  const char* function_words;  // the most common ones, folded, between spaces
};

std::span<const Language> languages();
const Language* find_language(std::string_view name);  // null: none of them

// The one whose function words the text has most of, at least two of them; null when none stands out.
const Language* language_of(std::span<const FoldedWord> words);

// Words to stems: the Snowball algorithm of a language (libstemmer). One thread at a time.
class Stemmer {
 public:
  static Result<Stemmer> create(const Language& language);
  const Language& language() const { return *language_; }
  // How the index writes the word. Only words of letters have stems.
  std::string term(const FoldedWord& word) const;

 private:
  struct Delete {
    void operator()(sb_stemmer* s) const;
  };
  const Language* language_ = nullptr;
  std::unique_ptr<sb_stemmer, Delete> stemmer_;
};

// A word that says nothing about a text's subject in one of the stemmers' languages.
bool is_function_word(std::span<const Stemmer> stemmers, std::string_view folded);

}  // namespace kedge::router::retrieval
