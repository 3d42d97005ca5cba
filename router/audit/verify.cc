// Verification: every stored byte against something else. Records against the chain, artifacts against their addresses,
// heads against the key, the anchor against the heads, the file against SQLite's own rules.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "kernels/base/hex.h"
#include "kernels/base/sha256.h"
#include "router/audit/anchor.h"
#include "router/audit/audit_log.h"
#include "router/audit/digest.h"
#include "router/audit/mirror.h"
#include "router/audit/ownership.h"
#include "router/sqlite_schema.h"

namespace kedge::router {

namespace audit {

namespace {

constexpr size_t kSaltSize = 32;

class Verifier {
 public:
  Verifier(const std::string& path, const VerifyOptions& options) : path_(path), options_(options) {}

  Result<VerifyReport> run();

 private:
  void problem(const char* where, int64_t seq, std::string what) {
    report_.problems.push_back({where, seq, std::move(what)});
  }
  // Pages that name each other in circles give the same rows for ever.
  Error out_of_order(const char* table) const {
    return {ErrorCode::kCorrupt, path_ + ": the rows of " + table + " repeat themselves: the file is damaged"};
  }
  // A part that SQLite cannot read is a problem, and no reason to leave out the others.
  void part(const char* where, const Status& status) {
    if (!status.ok()) problem(where, 0, status.error().message);
  }
  Status open();
  Status read_against();
  void choose_key();
  Status check_file();
  Status check_artifacts();
  Status check_records();
  void check_record(const sqlite::Statement& row, int64_t expected_seq);
  void check_json(int64_t seq, const std::string& id, const std::string& created, const std::string& text);
  void check_reference(int64_t seq, const Json& reference);
  Status check_heads();
  void check_head(const Head& head, int64_t expected_first);
  void check_anchor();
  void check_anchor_line(std::string_view line, size_t number, size_t& next_head);
  void check_anchor_end(size_t anchored, std::string_view torn);
  void check_against();

  struct Stored {
    std::string kind;
    size_t bytes = 0;
    bool referenced = false;
  };

  const std::string path_;
  const VerifyOptions options_;
  VerifyReport report_;
  std::optional<sqlite::Database> db_;
  std::optional<sqlite::Transaction> snapshot_;
  Identity identity_;
  std::string genesis_;
  std::string public_key_;
  std::optional<std::string> anchor_, against_;        // the files' content
  std::unordered_map<std::string, Stored> artifacts_;  // by address
  std::unordered_map<int64_t, std::string> ends_;      // hash of every record that may end a commit
  std::string last_hash_;
  int64_t last_seq_ = 0;
  std::vector<Head> heads_;
};

// Under the anchor's lock no commit is half done: database and anchor are from one moment.
Status Verifier::open() {
  if (::access(path_.c_str(), F_OK) != 0) return Error{ErrorCode::kNotFound, path_ + ": " + std::strerror(errno)};
  std::optional<File> anchor;
  {
    auto file = File::open(anchor_path(path_), O_RDONLY);
    if (file.ok()) {
      anchor.emplace(std::move(*file));
    } else {
      problem("anchor", 0, file.error().message);
    }
  }
  std::optional<FileLock> lock;
  if (anchor) {
    KEDGE_TRY(anchor->lock(false, options_.timeout_ms));
    lock.emplace(*anchor);
    KEDGE_ASSIGN(size, anchor->size());
    KEDGE_ASSIGN(text, anchor->read(0, static_cast<size_t>(size)));
    anchor_ = std::move(text);
  }
  KEDGE_ASSIGN(db, sqlite::Database::open(path_, sqlite::OpenMode::kReadOnly, options_.timeout_ms));
  db_.emplace(std::move(db));
  KEDGE_ASSIGN(snapshot, sqlite::Transaction::begin(*db_, "BEGIN"));
  snapshot_.emplace(std::move(snapshot));
  KEDGE_ASSIGN(present, is_audit_log(*db_));  // the first read: the snapshot is this moment's
  if (!present) return Error{ErrorCode::kCorrupt, path_ + " is empty: no audit log"};
  return {};
}

// Heads from elsewhere. Before SQLite has the database open: a path that names it must not be opened as a text.
Status Verifier::read_against() {
  if (options_.against.empty()) return {};
  KEDGE_TRY(check_outside(options_.against, path_));
  KEDGE_ASSIGN(file, File::open(options_.against, O_RDONLY));
  KEDGE_ASSIGN(size, file.size());
  KEDGE_ASSIGN(text, file.read(0, static_cast<size_t>(size)));
  against_ = std::move(text);
  return {};
}

// A key that comes with the database alone proves nothing: it has to be the owner's, or named by who asks.
void Verifier::choose_key() {
  public_key_ = identity_.public_key;
  if (!options_.public_key.empty()) {
    if (options_.public_key != hex(identity_.public_key)) {
      problem(
          "key", 0,
          "the log's public key is " + hex(identity_.public_key) + ", not the one asked for, " + options_.public_key);
    }
  } else {
    auto key = SigningKey::load(key_path(path_));
    if (!key.ok()) {
      problem("key", 0, "no key to hold the signatures against (give its public key): " + key.error().message);
    } else if (key->public_key() != identity_.public_key) {
      problem("key", 0, key_path(path_) + " is not the key of this log");
    }
  }
  report_.public_key = hex(public_key_);
}

Status Verifier::check_file() {
  KEDGE_ASSIGN(rows, db_->prepare("PRAGMA integrity_check"));
  for (;;) {
    KEDGE_ASSIGN(row, rows.step());
    if (!row) return {};
    const std::string line = rows.bytes(0);
    if (line != "ok") problem("database", 0, line);
  }
}

Status Verifier::check_artifacts() {
  KEDGE_ASSIGN(rows, db_->prepare("SELECT sha256, salt, kind, bytes FROM artifacts"));
  for (;;) {
    KEDGE_ASSIGN(row, rows.step());
    if (!row) return {};
    ++report_.artifacts;
    if (artifacts_.count(rows.bytes(0)) > 0) return out_of_order("artifacts");
    const std::string address = rows.bytes(0), salt = rows.bytes(1), bytes = rows.bytes(3);
    const bool typed = rows.is_blob(0) && rows.is_blob(1) && rows.is_text(2) && rows.is_blob(3);
    if (!typed || salt.size() != kSaltSize || sha256(salt, bytes) != address) {
      problem("artifact", 0, hex(address) + " was changed: its content does not have this address");
    }
    artifacts_[address] = {rows.bytes(2), bytes.size(), false};
  }
}

void Verifier::check_reference(int64_t seq, const Json& reference) {
  const auto has = [&](const char* member, auto is) { return reference.contains(member) && (reference[member].*is)(); };
  if (!reference.is_object() || !has("kind", &Json::is_string) || !has("sha256", &Json::is_string) ||
      !has("bytes", &Json::is_number_unsigned)) {
    return problem("record", seq, "kedge.artifacts has an element that is no reference");
  }
  const std::string text = reference["sha256"];
  const auto address = unhex(text);
  const auto found = address.ok() ? artifacts_.find(*address) : artifacts_.end();
  if (found == artifacts_.end()) return problem("artifact", seq, text + " is missing");
  found->second.referenced = true;
  if (found->second.kind != reference["kind"].get<std::string>() ||
      found->second.bytes != reference["bytes"].get<size_t>()) {
    problem("artifact", seq, text + " has another kind or size than the record says");
  }
}

// The columns beside the text are there to be searched; they must say what the text says.
void Verifier::check_json(int64_t seq, const std::string& id, const std::string& created, const std::string& text) {
  const auto parsed = parse_json(text, "the record");
  if (!parsed.ok()) return problem("record", seq, parsed.error().message);
  const Json& record = *parsed;
  const auto says = [&](const char* pointer, const Json& value) {
    const Json* said = record.pointee(pointer);
    if (said != nullptr && *said == value) return;
    problem("record", seq, std::string("its text does not say of ") + pointer + " what the database says");
  };
  if (!record.is_object()) return problem("record", seq, "its text is no object");
  says("/id", id);
  says("/kedge/seq", seq);
  says("/kedge/created", created);
  const Json* artifacts = record.pointee("/kedge/artifacts");
  if (artifacts == nullptr || !artifacts->is_array()) return problem("record", seq, "kedge.artifacts is missing");
  for (const Json& reference : *artifacts) check_reference(seq, reference);
}

void Verifier::check_record(const sqlite::Statement& row, int64_t expected_seq) {
  const int64_t seq = row.integer(0);
  if (seq != expected_seq) {
    problem("record", expected_seq,
            seq == expected_seq + 1 ? "is missing" : "and those up to " + std::to_string(seq - 1) + " are missing");
  }
  const std::string text = row.bytes(3), prev = row.bytes(4), hash = row.bytes(5);
  const bool typed = row.is_text(1) && row.is_text(2) && row.is_text(3) && row.is_blob(4) && row.is_blob(5);
  if (!typed) problem("record", seq, "has a column of another type");
  if (sha256(prev, text) != hash) problem("record", seq, "was changed: its text does not have its hash");
  if (prev != last_hash_) problem("record", seq, "does not follow the record before it: its prev is another hash");
  check_json(seq, row.bytes(1), row.bytes(2), text);
  ends_[seq] = hash;
  last_hash_ = hash;
  last_seq_ = seq;
}

Status Verifier::check_records() {
  last_hash_ = genesis_;
  KEDGE_ASSIGN(rows, db_->prepare("SELECT seq, id, created, json, prev, hash FROM records ORDER BY seq"));
  for (;;) {
    KEDGE_ASSIGN(row, rows.step());
    if (!row) break;
    if (report_.records > 0 && rows.integer(0) <= last_seq_) return out_of_order("records");
    ++report_.records;
    check_record(rows, last_seq_ + 1);
  }
  report_.last_hash = hex(last_hash_);
  for (const auto& [address, stored] : artifacts_) {
    if (!stored.referenced) problem("artifact", 0, hex(address) + " belongs to no record");
  }
  return {};
}

void Verifier::check_head(const Head& head, int64_t expected_first) {
  if (head.first != expected_first) {
    problem("head", head.seq,
            "begins with record " + std::to_string(head.first) + ", not " + std::to_string(expected_first) +
                ": a head is missing or was changed");
  }
  if (!head_is_valid(head, genesis_, public_key_)) problem("head", head.seq, "its signature is not of the log's key");
  const auto record = ends_.find(head.seq);
  if (record == ends_.end()) {
    problem("head", head.seq, "signs a record that is not there");
  } else if (record->second != head.hash) {
    problem("head", head.seq, "signs another hash than that of the record");
  }
}

Status Verifier::check_heads() {
  KEDGE_ASSIGN(rows, db_->prepare(std::string("SELECT ") + kHeadColumns + " FROM heads ORDER BY seq"));
  int64_t signed_to = 0;
  for (;;) {
    KEDGE_ASSIGN(row, rows.step());
    if (!row) break;
    ++report_.heads;
    auto head = read_head(rows);
    if (!head.ok()) {
      problem("head", 0, head.error().message);
      continue;
    }
    if (!heads_.empty() && head->seq <= signed_to) return out_of_order("heads");
    check_head(*head, signed_to + 1);
    signed_to = head->seq;
    heads_.push_back(std::move(*head));
  }
  if (signed_to < last_seq_) {
    problem("head", last_seq_, "is missing: the records after " + std::to_string(signed_to) + " are not signed");
  }
  return {};
}

// `next_head` is the head that this line should be.
void Verifier::check_anchor_line(std::string_view line, size_t number, size_t& next_head) {
  const std::string where = "line " + std::to_string(number) + " of " + anchor_path(path_);
  const auto head = parse_head_line(line);
  if (!head.ok()) {
    problem("anchor", 0, where + " " + head.error().message);
    ++next_head;
    return;
  }
  const auto at = std::find_if(heads_.begin() + static_cast<ptrdiff_t>(std::min(next_head, heads_.size())),
                               heads_.end(), [&](const Head& h) { return h.seq >= head->seq; });
  if (at == heads_.end() || at->seq != head->seq) {
    const bool genuine = head_is_valid(*head, genesis_, public_key_);
    const bool newer = heads_.empty() || head->seq > heads_.back().seq;
    const std::string why =
        newer ? "the database was cut short or replaced by an older one" : "the head was removed, or the line moved";
    return problem(
        "anchor", head->seq,
        where + (genuine ? " is signed, but the database does not have it: " + why : " is no head of this log"));
  }
  if (static_cast<size_t>(at - heads_.begin()) != next_head) {
    problem("anchor", heads_[next_head].seq, where + ": heads before it are missing in the anchor");
  }
  if (head_line(*at) != std::string(line) + "\n")
    problem("anchor", head->seq, where + " is not the head of the database");
  next_head = static_cast<size_t>(at - heads_.begin()) + 1;
}

void Verifier::check_anchor() {
  if (!anchor_) return;
  const std::string header = anchor_header(genesis_);
  std::string_view rest = *anchor_;
  if (rest.size() < header.size() && header.starts_with(rest) && heads_.empty()) {
    report_.notes.push_back("the anchor has no first line yet; the next open for writing adds it");
    return;
  }
  if (!rest.starts_with(header)) {
    problem("anchor", 0, "the first line of " + anchor_path(path_) + " is not that of this log");
  }
  rest.remove_prefix(std::min(rest.find('\n'), rest.size() - (rest.empty() ? 0 : 1)) + (rest.empty() ? 0 : 1));
  size_t next_head = 0;
  for (size_t number = 2;; ++number) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;
    check_anchor_line(rest.substr(0, end), number, next_head);
    rest.remove_prefix(end + 1);
  }
  check_anchor_end(next_head, rest);
}

// A crash leaves the anchor one head behind, perhaps with the beginning of its line.
void Verifier::check_anchor_end(size_t anchored, std::string_view torn) {
  const size_t behind = heads_.size() - std::min(anchored, heads_.size());
  if (behind > 1) {
    problem("anchor", heads_[anchored].seq,
            "the anchor is " + std::to_string(behind) + " heads behind the database; a crash leaves it one behind");
  }
  const std::string next = behind == 0 ? "" : head_line(heads_[anchored]);
  if (!std::string_view(next).starts_with(torn)) {
    problem("anchor", 0, "what stands behind its last line is not what a crash leaves");
  }
  if (behind == 1)
    report_.notes.push_back("the anchor is one head behind, as after a crash; the next open for writing adds it");
}

// Lines of heads in their order, all of them or some, with or without the first line.
void Verifier::check_against() {
  if (!against_) return;
  const auto bad = [&](int64_t seq, std::string what) { problem("against", seq, options_.against + ": " + what); };
  std::string_view rest = *against_;
  if (rest.starts_with("kedge-audit-heads-v1 ")) {
    const std::string header = anchor_header(genesis_);
    if (!rest.starts_with(header)) return bad(0, "its first line is that of another log");
    rest.remove_prefix(header.size());
  }
  size_t held = 0;
  for (size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
    const auto head = parse_head_line(rest.substr(0, end));
    if (!head.ok()) {
      bad(0, "a line " + head.error().message);
      continue;
    }
    ++held;
    const auto at = std::lower_bound(heads_.begin(), heads_.end(), head->seq,
                                     [](const Head& h, int64_t seq) { return h.seq < seq; });
    if (at != heads_.end() && head_line(*at) == head_line(*head)) continue;
    const bool genuine = head_is_valid(*head, genesis_, public_key_);
    bad(head->seq, genuine ? "its head is signed, but the log does not have it: the log was put back to an older state"
                           : "its head is not one of this log");
  }
  if (!rest.empty()) report_.notes.push_back(options_.against + ": its last line has no end and was not compared");
  if (held == 0) return bad(0, "holds no heads: nothing was compared");
  report_.notes.push_back(std::to_string(held) + " heads compared with " + options_.against);
}

Result<VerifyReport> Verifier::run() {
  KEDGE_TRY(init_crypto());
  if (!options_.public_key.empty()) {
    const auto key = unhex(options_.public_key);
    if (!key.ok() || key->size() != kPublicKeySize) {
      return Error{ErrorCode::kInvalidArgument,
                   "public_key is '" + options_.public_key + "', not 64 hexadecimal digits"};
    }
  }
  KEDGE_TRY(read_against());
  for (std::string& what : ownership_problems(path_)) problem("file", 0, std::move(what));
  KEDGE_TRY(open());
  auto differences = schema_problems(*db_);
  for (std::string& what : differences) problem("schema", 0, std::move(what));
  if (!differences.empty()) return std::move(report_);  // what its tables hold is anybody's guess, and may have no end
  const sqlite::StepLimit limit(*db_, step_limit(*db_));
  part("database", check_file());
  auto identity = read_identity(*db_);
  if (!identity.ok()) {  // nothing to hold the chain against
    problem("meta", 0, identity.error().message);
    return std::move(report_);
  }
  identity_ = std::move(*identity);
  genesis_ = identity_.genesis();
  choose_key();
  part("artifact", check_artifacts());
  part("record", check_records());
  part("head", check_heads());
  check_anchor();
  check_against();
  return std::move(report_);
}

}  // namespace

}  // namespace audit

Result<VerifyReport> verify_audit_log(const std::string& path, const VerifyOptions& options) {
  return audit::Verifier(path, options).run();
}

}  // namespace kedge::router
