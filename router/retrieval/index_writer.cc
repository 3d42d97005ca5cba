#include "router/retrieval/index_writer.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace kedge::router::retrieval {

namespace {

using sqlite::Blob;
using sqlite::Text;

std::string terms_of(std::span<const FoldedWord> words, const Stemmer& stemmer) {
  std::string terms;
  for (const FoldedWord& word : words) terms += stemmer.term(word) + ' ';
  return terms;
}

}  // namespace

Result<std::unique_ptr<IndexWriter>> IndexWriter::create(const std::string& path) {
  // What an index holds is its owner's, like the documents it was made from.
  KEDGE_ASSIGN(file, OutputFile::create(path, {.owner_only = true, .named = true}));
  std::error_code error;
  if (std::filesystem::file_size(path, error) != 0 && !error) {
    KEDGE_ASSIGN(ours, is_index_file(path));
    if (!ours)
      return Error{ErrorCode::kInvalidArgument, path + ": exists and is not a Kedge index, it is not replaced"};
  }
  std::unique_ptr<IndexWriter> writer(new IndexWriter());
  writer->file_ = std::move(file);
  KEDGE_ASSIGN(database, sqlite::Database::open(writer->file_.temporary(), sqlite::OpenMode::kFresh, 0));
  writer->database_ = std::move(database);
  writer->database_.call_it(path);
  KEDGE_TRY(writer->prepare());
  return writer;
}

Status IndexWriter::prepare() {
  // A failed build is thrown away as a whole, so there is nothing to roll back or to sync before the end.
  KEDGE_TRY(
      database_.run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
                    "PRAGMA temp_store = MEMORY; PRAGMA secure_delete = OFF;"));
  KEDGE_TRY(database_.run(kSchema));
  KEDGE_TRY(database_.run("BEGIN"));
  const std::pair<sqlite::Statement*, const char*> statements[] = {
      {&document_, "INSERT INTO documents VALUES(?, ?, ?, ?, ?, 1)"},
      {&passage_, "INSERT INTO passages VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&words_, "INSERT INTO words(rowid, title, text) VALUES(?, ?, ?)"},
      {&id_, "UPDATE passages SET id = ?2 WHERE row = ?1"},
      {&vector_, "INSERT INTO vectors VALUES(?, ?)"},
      {&meta_, "INSERT INTO meta VALUES(?, ?)"},
  };
  for (const auto& [statement, sql] : statements) {
    KEDGE_ASSIGN(prepared, database_.prepare(sql));
    *statement = std::move(prepared);
  }
  return {};
}

Result<int64_t> IndexWriter::add_document(const InputFile& file, const std::string& sha256, size_t n_bytes) {
  KEDGE_TRY(document_.bind(n_documents_ + 1, Text{file.path}, Text{format_name(file.format)}, Text{sha256},
                           static_cast<int64_t>(n_bytes)));
  KEDGE_TRY(document_.run());
  language_ = nullptr;
  return ++n_documents_;
}

// Of the language the words are in; where they do not say, of the passage before, else English.
Result<const Stemmer*> IndexWriter::stemmer_of(std::span<const FoldedWord> words) {
  const Language* language = language_of(words);
  if (language == nullptr) language = language_ != nullptr ? language_ : &languages().front();
  language_ = language;
  for (const Stemmer& stemmer : stemmers_) {
    if (&stemmer.language() == language) return &stemmer;
  }
  KEDGE_ASSIGN(stemmer, Stemmer::create(*language));
  stemmers_.push_back(std::move(stemmer));
  return &stemmers_.back();
}

Result<int64_t> IndexWriter::add_passage(int64_t document, const Piece& piece) {
  const int64_t row = n_passages_ + 1;
  const auto id = piece.id.empty() ? std::nullopt : std::optional(Text{piece.id});  // set_id() gives it one later
  KEDGE_TRY(passage_.bind(row, id, document, piece.line, piece.begin, piece.end, Text{piece.title}, Text{piece.text},
                          Text{piece.metadata}));
  KEDGE_TRY(passage_.run());
  const std::vector<FoldedWord> title = folded_words(piece.title);
  const std::vector<FoldedWord> text = folded_words(piece.text);
  KEDGE_ASSIGN(stemmer, stemmer_of(text));
  const std::string title_terms = terms_of(title, *stemmer);
  const std::string text_terms = terms_of(text, *stemmer);
  KEDGE_TRY(words_.bind(row, Text{title_terms}, Text{text_terms}));
  KEDGE_TRY(words_.run());
  return n_passages_ = row;
}

Status IndexWriter::set_id(int64_t passage, const std::string& id) {
  KEDGE_TRY(id_.bind(passage, Text{id}));
  return id_.run();
}

Status IndexWriter::add_vector(int64_t passage, std::span<const float> vector) {
  KEDGE_TRY(vector_.bind(passage, Blob{{reinterpret_cast<const char*>(vector.data()), vector.size_bytes()}}));
  return vector_.run();
}

Status IndexWriter::set_meta(const char* key, std::string_view value) {
  KEDGE_TRY(meta_.bind(Text{key}, Blob{value}));
  return meta_.run();
}

Result<Contents> IndexWriter::commit() {
  // One segment of the word index: the fastest to search, and the same bytes for the same passages.
  KEDGE_TRY(
      database_.run("INSERT INTO words(words) VALUES('optimize');"
                    "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, row);"
                    "INSERT INTO terms SELECT term, doc FROM temp.vocabulary;"
                    "DROP TABLE temp.vocabulary;"));
  std::string names;
  for (const Language& language : languages()) {
    const bool met =
        std::any_of(stemmers_.begin(), stemmers_.end(), [&](const Stemmer& s) { return &s.language() == &language; });
    if (met) names += (names.empty() ? "" : ",") + std::string(language.name);
  }
  KEDGE_TRY(set_meta("languages", names));
  KEDGE_ASSIGN(contents, read_contents(database_, false));
  KEDGE_TRY(set_meta("sha256", contents.sha256));
  KEDGE_TRY(database_.run("COMMIT"));
  KEDGE_TRY(publish());
  return contents;
}

Status IndexWriter::publish() {
  for (sqlite::Statement* s : {&document_, &passage_, &words_, &id_, &vector_, &meta_}) *s = sqlite::Statement();
  database_ = sqlite::Database();  // closes the file
  return file_.commit();
}

}  // namespace kedge::router::retrieval
