// A session in a file.
#pragma once

#include <memory>
#include <string>

#include "engine/session.h"

namespace kedge::engine {

class SessionFile {
 public:
  // The file appears complete or not at all. Errors: kIo.
  static Status save(const Session& session, const std::string& path);
  // A session that goes on where the saved one stood, bit for bit. Threads and chunk are those of `options`, a cold
  // file has its path from there when it gives one; everything else comes from the file. Errors: kNotFound, kIo;
  // kCorrupt; kInvalidArgument (another model, another version).
  static Result<std::unique_ptr<Session>> load(std::shared_ptr<const Model> model, const std::string& path,
                                               const SessionOptions& options);
};

}  // namespace kedge::engine
