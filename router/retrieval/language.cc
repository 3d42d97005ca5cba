#include "router/retrieval/language.h"

#include <libstemmer.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <unordered_map>

namespace kedge::router::retrieval {

namespace {

constexpr Language kLanguages[] = {
    {"english",
     " a an and any are as at be been but by can did do does for from had has have he her his how i if in into is it "
     "its "
     "my no not of on or our she should so such than that the their them then there these they this those to under was "
     "we were what when where which while who whom whose why will with would you your "},
    {"german",
     " aber als am an auch auf aus bei bin bis das dass dem den der des die durch ein eine einem einen einer eines er "
     "es "
     "für hat hatte ich ihr im in ist kann mit nach nicht noch nur oder sich sie sind so über um und von vor war waren "
     "was wenn wer werden wie wir wird wo zu zum zur "},
    {"french",
     " a au aux avec c ce ces cette d dans de des du elle en est et il ils j je l la le les leur leurs mais n ne nous "
     "on "
     "ont ou où par pas plus pour qu que quel quelle quels qui s sa se ses son sont sur un une vous à été "},
    {"spanish",
     " a al como con cuál cuándo de del dónde el ella en entre era es esta este estos fue ha han la las lo los más no "
     "o "
     "para pero por que qué quién se ser si sin sobre son su sus un una y ya "},
    {"italian",
     " a al alla alle anche che chi come con cosa da dal dalla dei del della delle di dove e ed è gli ha hanno i il in "
     "l "
     "la le lo ma nel nella non o per più quale quando si sono su sul sulla un una uno "},
    {"portuguese",
     " a ao aos as com como da das de do dos e ela ele em entre era foi há mais mas não na nas no nos o os ou para "
     "pela "
     "pelo por qual quando quem que se sem seu sua são também um uma é à "},
    {"dutch",
     " aan als bij dat de deze die door dan een en er het hij hoe ik in is maar met naar niet nog of om onder ook op "
     "over "
     "te tot uit van voor waar was wat werd wie wordt worden zich zij zijn "},
    {"swedish",
     " att av blev de den det du ej eller en ett från för han har hon hur i inte jag kan med men när och om på sig sin "
     "som till under upp ut vad var vi vid vilken är över "},
    {"danish",
     " af at blev de den der det du efter eller en er et fra for han har hun hvad hvem hvor i ikke jeg kan med men når "
     "og om op på sig sin som til under var vi ved vil være "},
    {"norwegian",
     " at av ble de den det du eller en er et etter fra for ha han har hun hva hvem hvor i ikke jeg kan med men når og "
     "om opp på seg sin som til under ut var vi ved være å "},
    {"finnish",
     " ei eivät ennen että he hän ja jo joka joko jos kanssa koska kuin kuka kun me mikä missä mitä mukaan mutta myös "
     "ne "
     "niin nyt oli olla on ovat sekä se sen siitä tai tämä vai vain "},
    {"russian",
     " а бы был была были было в во где для до его ее если же за и из "
     "или их как когда который кто ли мы на не но о об он она они от "
     "по при с со так то у что это я "},
};

constexpr size_t kLeast = 2;  // function words that make a language

// A bit for every language that has it among its function words.
uint32_t languages_with(std::string_view word) {
  static const std::unordered_map<std::string_view, uint32_t> all = [] {
    std::unordered_map<std::string_view, uint32_t> map;
    for (size_t i = 0; i < std::size(kLanguages); ++i) {
      const std::string_view list = kLanguages[i].function_words;
      for (size_t at = 1; at < list.size();) {
        const size_t end = list.find(' ', at);
        map[list.substr(at, end - at)] |= 1U << i;
        at = end + 1;
      }
    }
    return map;
  }();
  const auto found = all.find(word);
  return found == all.end() ? 0 : found->second;
}

}  // namespace

std::span<const Language> languages() { return kLanguages; }

const Language* find_language(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kLanguages), std::end(kLanguages), [&](const Language& l) { return name == l.name; });
  return found == std::end(kLanguages) ? nullptr : found;
}

const Language* language_of(std::span<const FoldedWord> words) {
  size_t counts[std::size(kLanguages)] = {};
  for (const FoldedWord& word : words) {
    if (word.kind != FoldedWord::Kind::kLetters) continue;
    const uint32_t with = languages_with(word.text);
    for (size_t i = 0; with != 0 && i < std::size(kLanguages); ++i) counts[i] += with >> i & 1U;
  }
  const auto* best = std::max_element(std::begin(counts), std::end(counts));
  return *best < kLeast ? nullptr : &kLanguages[best - std::begin(counts)];
}

bool is_function_word(std::span<const Stemmer> stemmers, std::string_view folded) {
  const uint32_t with = languages_with(folded);
  return with != 0 && std::any_of(stemmers.begin(), stemmers.end(),
                                  [&](const Stemmer& s) { return (with >> (&s.language() - kLanguages) & 1U) != 0; });
}

void Stemmer::Delete::operator()(sb_stemmer* s) const { sb_stemmer_delete(s); }

Result<Stemmer> Stemmer::create(const Language& language) {
  Stemmer stemmer;
  stemmer.language_ = &language;
  stemmer.stemmer_.reset(sb_stemmer_new(language.name, "UTF_8"));
  if (stemmer.stemmer_ == nullptr) {
    return Error{ErrorCode::kUnsupported, std::string("libstemmer has no stemmer for ") + language.name};
  }
  return stemmer;
}

std::string Stemmer::term(const FoldedWord& word) const {
  if (word.kind != FoldedWord::Kind::kLetters && word.kind != FoldedWord::Kind::kJoined) return word.text;
  const sb_symbol* stem = sb_stemmer_stem(stemmer_.get(), reinterpret_cast<const sb_symbol*>(word.text.data()),
                                          static_cast<int>(word.text.size()));
  if (stem == nullptr) throw std::bad_alloc();
  const auto size = static_cast<size_t>(sb_stemmer_length(stemmer_.get()));
  return without_accents({reinterpret_cast<const char*>(stem), size});
}

}  // namespace kedge::router::retrieval
