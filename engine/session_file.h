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
  // file has its path from there when it gives one, and its adapters must be those it was saved with; everything else
  // comes from the file. Errors: kNotFound, kIo; kCorrupt; kInvalidArgument (another model, other adapters, another
  // version).
  static Result<std::unique_ptr<Session>> load(std::shared_ptr<const Model> model, const std::string& path,
                                               const SessionOptions& options);
  // The same in an engine: pages are asked for as those of its sequences are, threads and chunk are the engine's; of
  // `options` only the adapters and the path of a cold file count. Errors as well: kInvalidArgument (another type of
  // cache or other numerics than the engine's), kCapacity (pages).
  static Result<std::unique_ptr<Session>> load(const std::shared_ptr<Engine>& engine, const std::string& path,
                                               const SessionOptions& options);

 private:
  struct Contents;
  static Result<Contents> read(const Model& model, const std::string& path, const SessionOptions& options,
                               Engine* engine);
  static Result<std::unique_ptr<Session>> put_in(Engine& engine, Contents contents);
};

}  // namespace kedge::engine
