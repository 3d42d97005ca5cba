#include "tools/why.h"

#include <algorithm>

#include "kernels/base/utf8_cut.h"

namespace kedge::tools {

namespace {

constexpr size_t kShownPath = 400;

const Json& list_of(const Json& json, const char* member) {
  static const Json kNone = Json::array();
  return json.is_object() && json.contains(member) && json[member].is_array() ? json[member] : kNone;
}

const Json& part_of(const Json& json, const char* member) {
  static const Json kNone;
  return json.is_object() && json.contains(member) ? json[member] : kNone;
}

bool is_true(const Json& json, const char* member) {
  const Json& value = part_of(json, member);
  return value.is_boolean() && value.get<bool>();
}

std::string capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string sentence(const std::string& text) {
  if (text.empty()) return text;
  const char last = text.back();
  return text + (last == '.' || last == '!' || last == '?' ? "" : ".");
}

std::string short_text(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  const std::string_view start = utf8_cut(text, kShownPath);
  return start.size() < text.size() ? std::string(start) + "..." : text;
}

// "97 %"; of a share that is nearly all or nothing, what distinguishes it.
std::string percent(double p) {
  const double hundredths = 100 * p;
  return hundredths > 99 || hundredths < 1 ? format("%.1f %%", hundredths) : format("%.0f %%", hundredths);
}

std::string who(const Json& attempt) {
  const std::string model = text_of(attempt, "model");
  const std::string alias = text_of(attempt, "alias");
  if (model.empty()) return alias.empty() ? "a model" : "the " + alias + " model";
  return model == alias || alias.empty() ? model : model + " (" + alias + ")";
}

// "it is 45 % likely to be right; 90 % are asked for"
std::string how_sure(const Json& attempt) {
  const Json& p = part_of(attempt, "p");
  const Json& threshold = part_of(attempt, "threshold");
  const Json& gate = part_of(attempt, "gate");
  if (gate.is_object() && gate.contains("inside") && !is_true(gate, "inside")) {
    return "how likely it is to be right nobody knows: the question is unlike those the measure was made with (" +
           text_of(gate, "why") + ")";
  }
  if (!p.is_number()) return "how likely it is to be right was not measured";
  std::string text = "it is " + percent(p.get<double>()) + " likely to be right";
  if (is_true(attempt, "accepts_nothing")) return text + ", and no answer of this kind is trusted for that alone";
  return threshold.is_number() ? text + "; " + percent(threshold.get<double>()) + " are asked for" : text;
}

std::string checks_of(const Json& attempt, const char* verdict) {
  std::string text;
  for (const Json& check : list_of(attempt, "checks")) {
    if (text_of(check, "verdict") != verdict) continue;
    const std::string why = text_of(check, "explanation");
    text += (text.empty() ? "" : "; ") + text_of(check, "name") + (why.empty() ? "" : ": " + short_text(why));
  }
  return text;
}

const Json& chosen_of(const Json& account) {
  static const Json kNone;
  const Json& attempts = list_of(account, "attempts");
  const Json& number = part_of(account, "chosen");
  if (number.is_number()) {
    const auto at = number.get<int64_t>();
    return at >= 0 && static_cast<size_t>(at) < attempts.size() ? attempts[static_cast<size_t>(at)] : kNone;
  }
  // An answer does not say which of its attempts it is: the last of that model with that confidence.
  for (size_t i = attempts.size(); i-- > 0;) {
    if (part_of(attempts[i], "p") == part_of(account, "confidence") &&
        text_of(attempts[i], "model") == text_of(account, "model")) {
      return attempts[i];
    }
  }
  return kNone;
}

// What was done with an attempt, as the end of a sentence; the reason is the rule's own.
std::string then(const Json& attempt) {
  const std::string action = text_of(attempt, "action");
  const std::string reason = text_of(attempt, "reason");
  const std::pair<const char*, const char*> words[] = {
      {"commit", "So it was given"},
      {"escalate", "So the deep model was asked"},
      {"ground", "So it was looked up"},
      {"conservative", "So the same model was asked again, with nothing left to chance"},
      {"sample", "So it was asked for again, to see whether the answers agree"},
      {"verify", "So the verifier model read it"},
      {"abstain", "So it was not given"},
      {"fail", "So there is no answer"},
  };
  for (const auto& [name, said] : words) {
    if (action == name) return std::string(said) + (reason.empty() ? "." : ": " + short_text(reason) + ".");
  }
  return action.empty() ? sentence(reason)
                        : "Then " + action + (reason.empty() ? "." : ": " + short_text(reason) + ".");
}

std::string attempt_story(const Json& attempt, int number) {
  std::string text = format("  %d. ", number) + sentence(who(attempt) + " was asked");
  const Json& n = part_of(attempt, "evidence");
  if (n.is_number() && n.get<int64_t>() > 0) {
    text.back() = ',';
    text += " with " + std::to_string(n.get<int64_t>()) + (n.get<int64_t>() == 1 ? " passage." : " passages.");
  }
  const std::string error = text_of(attempt, "error");
  if (!error.empty()) {
    text += " It gave no answer: " + sentence(error);
  } else if (text_of(attempt, "finish_reason") == "aborted") {
    text += " Its answer was given up: it could no longer become good enough.";
  } else {
    text += "\n     " + capital(sentence(how_sure(attempt)));
  }
  const auto line = [&](const std::string& said) { text += "\n     " + said; };
  if (const std::string passed = checks_of(attempt, "pass"); !passed.empty()) line("Checked, and right: " + passed);
  if (const std::string failed = checks_of(attempt, "fail"); !failed.empty()) line("Checked, and wrong: " + failed);
  if (is_true(attempt, "uncited")) line("No passage is cited for it, and answers from passages have to.");
  if (const std::string verifier = text_of(attempt, "verifier"); !verifier.empty()) line("The verifier: " + verifier);
  if (const Json& agreement = part_of(attempt, "agreement"); agreement.is_number()) {
    line(percent(agreement.get<double>()) + " of further draws say the same.");
  }
  if (const std::string next = then(attempt); !next.empty()) line(next);
  return text + "\n";
}

std::string outcome_line(const Json& account) {
  const std::string outcome = text_of(account, "outcome");
  const std::string answer = readable(text_of(account, "answer"));
  if (outcome == "configured") return "This is no answer: the router's policy was changed.";
  if (outcome == "not_found")
    return "The sources do not say it." + (answer.empty() ? "" : " (The model: " + answer + ")");
  if (outcome == "failed") return "There is no answer: " + sentence(text_of(account, "reason"));
  if (outcome == "low_confidence") {
    if (is_true(account, "withheld")) return "No answer was given.";
    return "A weak answer was given, and called so: " + answer;
  }
  return "The answer: " + answer;
}

std::string worked_out(const Json& account) {
  const Json& derivation = part_of(account, "derivation");
  return derivation.is_object() ? "It was worked out, no model was asked: " + sentence(text_of(derivation, "steps"))
                                : "";
}

}  // namespace

std::string text_of(const Json& json, const char* member) {
  const Json& value = part_of(json, member);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string readable(const std::string& answer) {
  std::string value = answer.substr(0, answer.find("<|ref|>"));
  while (!value.empty() && value.back() == ' ') value.pop_back();
  return value;
}

Json account_of(const Json& told, const std::string& what) {
  if (told.is_object() && told.contains("attempts") && told.contains("outcome")) return told;
  const Json& server = part_of(told, "kedge");
  if (const Json& record = part_of(told, "record"); record.is_object() && record.contains("outcome")) {
    Json account = part_of(record, "kedge").is_object() ? Json(record["kedge"]) : Json::object();
    for (const char* member : {"outcome", "model"}) account[member] = part_of(record, member);
    account["question"] = part_of(told, "question");
    account["created"] = part_of(told, "created");
    account["record"] = {{"seq", part_of(told, "seq")}, {"id", part_of(told, "id")}, {"hash", part_of(told, "hash")}};
    account["withheld"] = false;
    for (const Json& artifact : list_of(told, "artifacts")) {
      const std::string kind = text_of(artifact, "kind");
      if (kind == "draft") account["withheld"] = true;
      if (kind == "response") account["answer"] = part_of(artifact, "text");
    }
    return account;
  }
  if (server.is_object() && server.contains("outcome")) {  // of 'kedge serve'
    Json account = server;
    if (const Json* text = told.pointee("/choices/0/message/content")) account["answer"] = *text;
    return account;
  }
  throw Failure(what + ": is no answer of the router, no record of it, and no answer of 'kedge serve'");
}

std::string why_short(const Json& account) {
  if (const std::string derived = worked_out(account); !derived.empty()) return derived;
  const Json& attempt = chosen_of(account);
  const std::string outcome = text_of(account, "outcome");
  const size_t n = list_of(account, "attempts").size();
  std::string text;
  if (attempt.is_null()) return capital(sentence(text_of(account, "reason")));
  if (outcome == "answered" || outcome == "not_found") {
    text = sentence(who(attempt) + " answered; " + how_sure(attempt));
  } else {
    text = sentence((is_true(account, "withheld") ? "What " + who(attempt) + " would have said is withheld; "
                                                  : who(attempt) + " answered; ") +
                    how_sure(attempt));
  }
  const bool told = is_true(account, "withheld");  // what checks found says what the answer is
  const std::string passed = told ? "" : checks_of(attempt, "pass");
  const std::string failed = checks_of(attempt, "fail");
  if (!passed.empty()) text += " Checked: " + sentence(passed);
  if (!failed.empty()) text += " A check failed: " + sentence(failed);
  if (is_true(attempt, "uncited")) text += " No passage is cited for it.";
  if (const std::string verifier = text_of(attempt, "verifier"); verifier == "supported" || verifier == "unsupported") {
    text += " The verifier model calls it " + verifier + ".";
  }
  if (n > 1) text += format(" It took %zu attempts.", n);
  return text;
}

std::string why_long(const Json& account) {
  std::string text;
  const std::string question = text_of(account, "question");
  const std::string created = text_of(account, "created");
  if (!question.empty())
    text += "The question" + (created.empty() ? "" : " (" + created + ")") + ": " + question + "\n";
  text += outcome_line(account) + "\n";
  if (const Json& change = part_of(account, "change"); !change.is_null()) text += "  " + change.dump() + "\n";
  text += "\nWhy\n";
  if (const std::string derived = worked_out(account); !derived.empty()) {
    text += "  " + derived + "\n";
  } else if (const std::string reason = text_of(account, "reason"); !reason.empty()) {
    text += "  " + sentence(short_text(reason)) + "\n";
  }
  const Json& attempts = list_of(account, "attempts");
  if (attempts.size() > 0) text += "\nWho was asked\n";
  int number = 0;
  for (const Json& attempt : attempts) text += attempt_story(attempt, ++number);
  const Json& citations = list_of(account, "citations");
  if (citations.size() > 0) text += "\nWhat it rests on\n";
  for (const Json& c : citations) {
    const bool found = text_of(c, "resolved_by") != "none";
    text += found ? "  [" + text_of(c, "id") + "] " + short_text(text_of(c, "sentence")) + "\n"
                  : "  [" + text_of(c, "written_id") + "], which stands in none of the passages\n";
  }
  if (const Json& evidence = list_of(account, "evidence"); evidence.size() > 0 && citations.size() == 0) {
    text += format("\nIt had %zu passages to answer from; none is cited.\n", evidence.size());
  }
  if (const Json& neighbours = part_of(account, "neighbours"); neighbours.is_object()) {
    text += "\nOf " + part_of(neighbours, "n").dump() + " past questions like it the fast model got " +
            percent(neighbours.value("fast_right", 0.0)) + " right, the deep one " +
            percent(neighbours.value("deep_right", 0.0)) + ".\n";
  }
  const Json& record = part_of(account, "record");
  if (record.is_object() && part_of(record, "seq").is_number()) {
    const std::string seq = part_of(record, "seq").dump();
    text += "\nHow it can be held to that\n  It is record " + seq + ", with the hash " +
            text_of(record, "hash").substr(0, 16) +
            "... 'kedge audit verify' finds every change since,\n  'kedge replay " + seq +
            "' answers again and compares every bit, 'kedge audit show " + seq + " --json' has all figures.\n";
  }
  return text;
}

}  // namespace kedge::tools
