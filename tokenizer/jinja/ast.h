// The parsed template: read-only after parsing, so any number of threads may render from it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/jinja/lexer.h"
#include "tokenizer/jinja/value.h"

namespace kedge::tokenizer::jinja {

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<std::unique_ptr<Stmt>>;

//              args                                     name            other
enum class ExprKind {
  kConst,    //                                                          value
  kName,     //                                          the variable    value: what it is when nowhere defined
  kBody,     // the text a filter block or filtered set block works on
  kTuple,    // items
  kList,     // items
  kDict,     // key, value, key, value ...
  kAttr,     // object                                   attribute       value: its undefined
  kItem,     // object, index
  kSlice,    // object, start, stop, step (null: none)
  kCall,     // callee, positional ...                                   named
  kFilter,   // subject, positional ...                  the filter      builtin, named
  kTest,     // subject, positional ...                  the test        builtin, named, negated
  kNegate,   // operand
  kPlus,     // operand
  kNot,      // operand
  kBinary,   // left, right                                              op
  kConcat,   // operands of ~
  kCompare,  // first, then one operand per op                           ops
  kAnd,      // left, right
  kOr,       // left, right
  kCond,     // condition, value if true, value if false (null: undefined)
};

enum class Op { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow, kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Expr {
  ExprKind kind = ExprKind::kConst;
  Position pos;
  int depth = 1;
  bool negated = false;
  Op op = Op::kAdd;
  const Builtin* builtin = nullptr;
  std::string name;
  Value value;
  std::vector<ExprPtr> args;
  std::vector<std::pair<std::string, ExprPtr>> named;
  std::vector<Op> ops;
};

enum class StmtKind {
  kText,
  kOutput,
  kIf,
  kFor,
  kSet,
  kSetBlock,
  kMacro,
  kCallBlock,
  kFilterBlock,
  kWith,
  kBreak,
  kContinue
};

struct Parameter {
  std::string name;
  ExprPtr fallback;  // null: none
};

struct Branch {
  ExprPtr condition;  // null: else
  Body body;
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  Position pos;
  std::string name;  // kMacro
  std::string text;  // kText
  ExprPtr target;    // kFor, kSet, kSetBlock: names, a tuple of them, or namespace.attribute
  ExprPtr
      expr;  // kOutput, kFor (what is iterated), kSet, kCallBlock (the call), kFilterBlock, kSetBlock (filters or null)
  ExprPtr condition;                  // kFor: the loop's own filter, or null
  std::vector<Branch> branches;       // kIf
  std::vector<Parameter> parameters;  // kMacro, kCallBlock, kWith
  Body body;                          // all that have one
  Body else_body;                     // kFor
  bool uses_loop = false;             // kFor: the body names `loop`, so the filter runs ahead of the body
  bool uses_caller = false;           // kMacro and kCallBlock: what the body names decides what a call may pass
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

}  // namespace kedge::tokenizer::jinja
