// What reads and writes the private parts of the memory's classes, for snapshots.
#pragma once

#include "memory/byte_stream.h"
#include "memory/kv_memory.h"

namespace kedge::memory {

constexpr size_t kMostText = 1 << 20;
constexpr size_t kMostThings = size_t{1} << 28;

class SnapshotAccess {
 public:
  static void write(const AnchorIndex& x, ByteWriter& out);
  static void read(AnchorIndex& x, ByteReader& in);
  static void write(const KvSequence& sequence, ByteWriter& out);
  static Status read(KvSequence& sequence, ByteReader& in, int n_ctx);
  static Status write(const ColdStore& cold, ByteWriter& out);
  static Status read(ColdStore& cold, ByteReader& in);
  static void write(const Evictor& evictor, size_t n_tables, ByteWriter& out);
  static void read(Evictor& evictor, size_t n_tables, ByteReader& in);
  // All of the ledger but for the index.
  static void write(const Ledger& ledger, ByteWriter& out);
  static void read(Ledger& ledger, int32_t next, ByteReader& in);
  static Status write(const KvMemory& m, ByteWriter& out);
  static Status read(KvMemory& m, ByteReader& in);

 private:
  static void check(const KvParts& m, ByteReader& in);
};

}  // namespace kedge::memory
