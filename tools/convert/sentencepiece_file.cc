#include "tools/convert/sentencepiece_file.h"

#include <bit>
#include <cmath>

#include "weights/gguf_format.h"

namespace kedge::tools::convert {
namespace {

constexpr size_t kMaxPieces = size_t{1} << 22;

enum class Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// A field of a message: its number, and what it holds by its wire type.
struct Field {
  uint64_t number = 0;
  Wire wire = Wire::kVarint;
  uint64_t value = 0;      // of numbers
  std::string_view bytes;  // of texts and messages
};

// The fields of one message, one after the other.
class Reader {
 public:
  Reader(std::string_view bytes, const char* begin, const std::string& file)
      : left_(bytes), begin_(begin), file_(file) {}

  bool done() const { return left_.empty(); }

  Status next(Field* f) {
    uint64_t key = 0;
    KEDGE_TRY(varint(&key));
    f->number = key >> 3;
    f->wire = static_cast<Wire>(key & 7);
    switch (f->wire) {
      case Wire::kVarint:
        return varint(&f->value);
      case Wire::kFixed64:
        return fixed(8, &f->value);
      case Wire::kFixed32:
        return fixed(4, &f->value);
      case Wire::kBytes:
        break;
      default:
        return corrupt("a field of wire type " + std::to_string(key & 7));
    }
    uint64_t size = 0;
    KEDGE_TRY(varint(&size));
    if (size > left_.size()) return corrupt("a field of " + std::to_string(size) + " bytes goes beyond its end");
    f->bytes = left_.substr(0, static_cast<size_t>(size));
    left_.remove_prefix(f->bytes.size());
    return {};
  }

  Error corrupt(const std::string& what) const {
    return {ErrorCode::kCorrupt,
            file_ + ": byte " + std::to_string(left_.data() - begin_) + ": " + what + "; no sentencepiece model"};
  }

 private:
  Status varint(uint64_t* value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (left_.empty()) return corrupt("a number goes beyond the end");
      const auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      *value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return {};
    }
    return corrupt("a number of more than 64 bits");
  }

  Status fixed(size_t size, uint64_t* value) {
    if (left_.size() < size) return corrupt("a number goes beyond the end");
    *value = 0;
    for (size_t i = 0; i < size; ++i) *value |= uint64_t{static_cast<unsigned char>(left_[i])} << (8 * i);
    left_.remove_prefix(size);
    return {};
  }

  std::string_view left_;
  const char* begin_;
  const std::string& file_;
};

struct Context {
  const char* begin;
  const std::string& file;
};

Status read_piece(std::string_view bytes, const Context& at, SentencePieceFile::Piece* piece) {
  Reader r(bytes, at.begin, at.file);
  for (Field f; !r.done();) {
    KEDGE_TRY(r.next(&f));
    if (f.number == 1 && f.wire == Wire::kBytes) piece->text = f.bytes;
    if (f.number == 2 && f.wire == Wire::kFixed32) piece->score = std::bit_cast<float>(static_cast<uint32_t>(f.value));
    if (f.number == 3 && f.wire == Wire::kVarint) {
      if (f.value < 1 || f.value > 6) return r.corrupt("a piece of type " + std::to_string(f.value));
      piece->type = static_cast<int>(f.value);
    }
  }
  if (!std::isfinite(piece->score)) return r.corrupt("a score that is no finite number");
  return {};
}

int64_t id_of(const Field& f) { return static_cast<int32_t>(static_cast<uint32_t>(f.value)); }  // -1: there is none

Status read_trainer(std::string_view bytes, const Context& at, SentencePieceFile* m) {
  constexpr uint64_t kModelType = 3, kUnk = 40, kBos = 41, kEos = 42, kPad = 43;
  Reader r(bytes, at.begin, at.file);
  for (Field f; !r.done();) {
    KEDGE_TRY(r.next(&f));
    if (f.wire != Wire::kVarint) continue;
    if (f.number == kModelType) {
      if (f.value < 1 || f.value > 4) return r.corrupt("model_type " + std::to_string(f.value));
      m->kind = static_cast<SentencePieceFile::Kind>(f.value);
    }
    if (f.number == kUnk) m->unk_id = id_of(f);
    if (f.number == kBos) m->bos_id = id_of(f);
    if (f.number == kEos) m->eos_id = id_of(f);
    if (f.number == kPad) m->pad_id = id_of(f);
  }
  return {};
}

Status read_normalizer(std::string_view bytes, const Context& at, SentencePieceFile* m) {
  Reader r(bytes, at.begin, at.file);
  for (Field f; !r.done();) {
    KEDGE_TRY(r.next(&f));
    if (f.number == 2 && f.wire == Wire::kBytes) m->charsmap = f.bytes;
    if (f.wire != Wire::kVarint) continue;
    if (f.number == 3) m->add_dummy_prefix = f.value != 0;
    if (f.number == 4) m->remove_extra_whitespaces = f.value != 0;
    if (f.number == 5) m->escape_whitespaces = f.value != 0;
  }
  return {};
}

}  // namespace

Result<SentencePieceFile> parse_sentencepiece(std::string_view bytes, const std::string& file) {
  constexpr uint64_t kPieces = 1, kTrainer = 2, kNormalizer = 3;
  SentencePieceFile m;
  const Context at{bytes.data(), file};
  bool trainer = false;
  bool normalizer = false;
  Reader r(bytes, bytes.data(), file);
  for (Field f; !r.done();) {
    KEDGE_TRY(r.next(&f));
    if (f.wire != Wire::kBytes) continue;
    if (f.number == kPieces) {
      if (m.pieces.size() == kMaxPieces) {
        return Error{ErrorCode::kCapacity, file + ": more than " + std::to_string(kMaxPieces) + " pieces"};
      }
      m.pieces.emplace_back();
      KEDGE_TRY(read_piece(f.bytes, at, &m.pieces.back()));
    }
    trainer = trainer || f.number == kTrainer;
    normalizer = normalizer || f.number == kNormalizer;
    if (f.number == kTrainer) KEDGE_TRY(read_trainer(f.bytes, at, &m));
    if (f.number == kNormalizer) KEDGE_TRY(read_normalizer(f.bytes, at, &m));
  }
  if (!trainer || !normalizer) {  // every model has both, and a file may be cut between two of its parts
    return Error{ErrorCode::kCorrupt, file +
                                          ": the trainer's or the normaliser's part is missing; no whole "
                                          "sentencepiece model"};
  }
  if (m.pieces.empty()) return Error{ErrorCode::kCorrupt, file + ": has no pieces; no sentencepiece model"};
  return m;
}

}  // namespace kedge::tools::convert
